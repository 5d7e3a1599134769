package law

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// scene is one tick's observation, put together by hand. The pool general has workers g1, g2, … and batch b1, b2, …;
// all were known before, and all lanes' jobs take 5.4 s. D = 9 s, so τ = 14.7 s for standard.
type scene struct {
	p *lanes.Policy
	o facts.Observation
	h facts.History
}

func newScene(t *testing.T) *scene {
	t.Helper()
	p, err := lanes.Parse([]byte(`
lanes:
- {name: express, match: [urgent=true], startWithin: 2s, reserve: 1}
- {name: standard, startWithin: 30s}
- {name: bulk, match: [batch=true], startWithin: 30m}
pools:
- {name: general, lanes: [express, standard], guests: [bulk], shoulder: {express: 1}, min: 2, max: 8}
- {name: batch, lanes: [bulk], max: 6}
budget: 12
timing: {coldStart: 9s}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{p: p, o: facts.Observation{
		At: t0, Depths: map[string]fleet.Depth{},
		Pools: map[string]fleet.PoolState{},
	}}
	s.h = facts.History{
		Lanes: map[string]facts.LaneHistory{}, Pools: map[string]facts.PoolHistory{},
		Workers: map[string]facts.WorkerHistory{},
	}
	for _, l := range p.LaneNames() {
		s.o.Depths[l] = fleet.Depth{Consumers: 1}
		s.h.Lanes[l] = facts.LaneHistory{Service: 5.4, Finished: 100, LastEmpty: t0}
	}
	for _, q := range p.Pools {
		s.o.Pools[q.Name] = fleet.PoolState{}
		s.h.Pools[q.Name] = facts.PoolHistory{Seen: true}
	}
	return s
}

// workers adds a worker to the pool for each text: what it runs ("standard express!"; the mark is for a shoulder), or
// is (parked, retired).
func (s *scene) workers(pool string, all ...string) {
	q := s.o.Pools[pool]
	for _, text := range all {
		name := fmt.Sprintf("%s%d", pool[:1], len(q.Members)+1)
		w := fleet.Heartbeat{Worker: name, Pool: pool, At: t0, Slots: 1, Subscribed: true}
		if pool == "general" {
			w.Shoulder = 1
		}
		for _, word := range strings.Fields(text) {
			switch word {
			case "parked":
				w.Parked = true
			case "retired":
				w.Parked, w.Retired = true, true
			default:
				lane, shoulder := strings.CutSuffix(word, "!")
				w.Running = append(w.Running, fleet.Run{Lane: lane, Shoulder: shoulder, Since: t0})
			}
		}
		s.o.Workers = append(s.o.Workers, w)
		s.h.Workers[name] = facts.WorkerHistory{At: t0}
		q.Members = append(q.Members, fleet.Member{Name: name})
		q.Replicas++
	}
	s.o.Pools[pool] = q
}

// starting adds replicas that nothing was heard of.
func (s *scene) starting(pool string, n int, stuck string) {
	q := s.o.Pools[pool]
	for range n {
		q.Members = append(q.Members, fleet.Member{Name: fmt.Sprintf("%s%d", pool[:1], len(q.Members)+1), Stuck: stuck})
		q.Replicas++
	}
	s.o.Pools[pool] = q
}

func (s *scene) ready(lane string, n int) { s.o.Depths[lane] = fleet.Depth{Ready: n, Consumers: 1} }

// held makes the pool have wanted so many a moment ago.
func (s *scene) held(pool string, n int) {
	p := s.h.Pools[pool]
	p.Wants = []facts.Want{{At: t0.Add(-time.Second), Replicas: n}}
	s.h.Pools[pool] = p
}

func (s *scene) pool(name string, change func(*fleet.PoolState)) {
	q := s.o.Pools[name]
	change(&q)
	s.o.Pools[name] = q
}

func TestPlanSentences(t *testing.T) {
	tests := []struct {
		name   string
		pool   string // general unless said otherwise
		set    func(s *scene)
		to     int
		reason fleet.Reason
		why    string
	}{
		// What is needed.
		{"steady at the floor", "", func(s *scene) {
			s.workers("general", "", "")
		}, 2, fleet.Floor, "nothing waits and nothing runs; min is 2"},
		{"steady at zero", "batch", func(s *scene) {}, 0, fleet.Steady, "nothing waits and nothing runs"},
		{"busy", "", func(s *scene) {
			s.workers("general", "standard", "standard", "standard express")
		}, 4, fleet.Busy, "3 → 4: 4 running jobs"},
		{"one job", "batch", func(s *scene) { s.workers("batch", "bulk") }, 1, fleet.Busy, "1 running job"},
		{
			"a backlog", "", func(s *scene) { s.workers("general", "standard", "standard"); s.ready("standard", 16) },
			6, fleet.Backlog,
			"2 → 6: 16 jobs wait in standard; the 2 slots that are there start 5 of them in time at 5.4 s each",
		},
		{"one slot", "", func(s *scene) {
			s.workers("general", "standard", "bulk")
			s.ready("standard", 12)
		}, 6, fleet.Backlog, "2 → 6: 12 jobs wait in standard; the 1 slot that is there starts 2 of them in time at " +
			"5.4 s each, and 1 slot runs a guest"},
		{"two lanes", "", func(s *scene) {
			s.workers("general", "standard", "standard", "standard", "express!")
			s.ready("express", 6)
			s.ready("standard", 30)
		}, 8, fleet.Ceiling, "4 → 8: 6 jobs wait in express; the 1 slot that is there starts none of them in time " +
			"at 5.4 s each, and " +
			"30 jobs wait in standard; the 4 slots that are there start 10 of them in time at 5.4 s each; max is 8"},
		{
			"enough is there", "", func(s *scene) {
				s.workers("general", "standard", "standard",
					"standard")
				s.ready("standard", 3)
			}, 3, fleet.Busy,
			"3 jobs wait in standard, not too many for the slots that are there",
		},
		{
			"short jobs", "", func(s *scene) {
				s.workers("general", "express", "express")
				s.ready("express", 8)
				s.h.Lanes["express"] = facts.LaneHistory{Service: 0.05, Finished: 100, LastEmpty: t0}
			}, 2, fleet.Busy, "8 jobs wait in express; the 2 slots that are there start all of them within 200ms, a " +
				"tenth of the objective",
		},
		{
			"jobs that should have started by now", "", func(s *scene) {
				s.workers("general", "standard", "standard", "standard", "standard")
				s.ready("standard", 3)
				s.h.Lanes["standard"] = facts.LaneHistory{
					Service: 5.4, Finished: 100, LastEmpty: t0.Add(-22 * time.Second),
				}
			}, 6, fleet.Backlog, "4 → 6: 3 jobs wait in standard, the oldest for 22s: the 4 slots that are there " +
				"take longer than 5.4 s each",
		},
		{"from zero", "batch", func(s *scene) {
			s.ready("bulk", 1)
		}, 1, fleet.Backlog, "0 → 1: 1 job waits in bulk; no slot takes jobs yet"},
		{
			"others' jobs everywhere", "", func(s *scene) {
				s.workers("general", "bulk", "bulk")
				s.ready("standard",
					1)
			}, 3, fleet.Backlog,
			"2 → 3: 1 job waits in standard; every shared slot runs other lanes' jobs, and 2 slots run guests",
		},
		{
			"an objective shorter than a cold start", "",
			func(s *scene) { s.workers("general", "express express!", "express express!"); s.ready("express", 2) },
			4, fleet.Backlog,
			"2 → 4: 2 jobs wait in express; the 2 slots that are there start none of them in time at 5.4 s each",
		},
		{"parked ones first", "", func(s *scene) {
			s.workers("general", "standard", "standard", "parked", "parked")
			s.ready("standard", 2)
		}, 4, fleet.Backlog, "2 jobs wait in standard; 2 idle slots come back from parked workers"},
		{
			"a reserve", "", func(s *scene) { s.workers("general", "express!", "express!") }, 3, fleet.Reserve,
			"2 → 3: 1 reserved slot for lane express and 2 running jobs on the shoulder: 3 workers of 1 shoulder slot",
		},

		// What bounds it.
		{
			"the ceiling", "", func(s *scene) {
				s.workers("general", "standard", "standard")
				s.ready("standard",
					140)
			}, 8, fleet.Ceiling,
			"2 → 8: 140 jobs wait in standard; the 2 slots that are there start 5 of them in time at 5.4 s each; " +
				"max is 8",
		},
		{"the budget", "batch", func(s *scene) {
			s.workers("general", "standard", "standard")
			s.ready("standard", 140)
			s.ready("bulk", 5000)
		}, 4, fleet.Budget, "0 → 4: 5000 jobs wait in bulk; no slot takes jobs yet; max is 6; the budget leaves 4 " +
			"of the 6 wanted; lane standard came first"},
		{"replicas of others still leave", "", func(s *scene) {
			s.workers("general", "standard", "standard")
			s.workers("batch", "bulk", "bulk", "bulk", "bulk", "bulk", "bulk")
			s.ready("standard", 140)
		}, 6, fleet.Budget, "2 → 6: 140 jobs wait in standard; the 2 slots that are there start 5 of them in time " +
			"at 5.4 s each; max is 8; 2 of the 8 must wait until other replicas have left"},
		{"giving up what was held", "batch", func(s *scene) {
			s.workers("general", "standard", "standard")
			s.workers("batch", "", "", "", "", "", "")
			s.held("batch", 6)
			s.ready("standard", 140)
		}, 6, fleet.Parking, "nothing waits and nothing runs; what was held goes to where jobs wait now; lane " +
			"standard came first; 2 of 6 are too many; 2 are kept from taking new jobs, to retire when idle"},
		{
			"holding", "", func(s *scene) { s.workers("general", "", "", "", "", ""); s.held("general", 5) }, 5,
			fleet.Holding,
			"nothing waits and nothing runs; min is 2; 2 would do; 5 are kept for 27s after they were last wanted",
		},
		{
			"holding for as long as was measured", "", func(s *scene) {
				s.workers("general", "", "", "", "", "")
				s.held("general", 5)
				ph := s.h.Pools["general"]
				ph.ColdStarts = []time.Duration{3167923261}
				s.h.Pools["general"] = ph
			}, 5, fleet.Holding,
			"nothing waits and nothing runs; min is 2; 2 would do; 5 are kept for 9.5s after they were last wanted",
		},
		{
			"short jobs of an odd objective", "", func(s *scene) {
				s.workers("general", "express", "express")
				s.ready("express", 8)
				s.p.Lanes[0].StartWithin = lanes.Duration(2003 * time.Millisecond)
				s.h.Lanes["express"] = facts.LaneHistory{Service: 0.05, Finished: 100, LastEmpty: t0}
			}, 2, fleet.Busy, "8 jobs wait in express; the 2 slots that are there start all of them within 200ms, a " +
				"tenth of the objective",
		},
		{
			"a want that wasn't granted is not held", "",
			func(s *scene) { s.workers("general", "standard", ""); s.held("general", 8) }, 2, fleet.Floor,
			"1 running job; min is 2",
		},

		// Shrinking.
		{
			"parking", "", func(s *scene) { s.workers("general", "standard", "", "") }, 3, fleet.Parking,
			"1 running job; min is 2; 1 of 3 is too many; 1 is kept from taking new jobs, to retire when idle",
		},
		{
			"retiring", "", func(s *scene) {
				s.workers("general", "standard", "", "parked", "parked")
			}, 4, fleet.Retiring,
			"1 running job; min is 2; 2 of 4 are too many; 2 idle ones retire",
		},
		{"retiring, until they have promised", "", func(s *scene) {
			s.workers("general", "standard", "", "parked", "parked", "standard parked")
			s.h.Pools["general"] = facts.PoolHistory{
				Seen: true, RetiredAt: t0.Add(-time.Second),
				Retiring: []string{"g3", "g4"}, Parking: []string{"g3", "g4", "g5"},
			}
		}, 5, fleet.Retiring, "2 running jobs; 3 of 5 are too many; 2 idle ones retire"},
		{
			"removing", "", func(s *scene) { s.workers("general", "standard", "", "retired") }, 2, fleet.Retiring,
			"3 → 2: 1 running job; min is 2; 1 of 3 is too many; 1 retired one is removed",
		},
		{
			"not while others start", "", func(s *scene) {
				s.workers("general", "standard", "",
					"retired")
				s.starting("general", 1, "")
			}, 4, fleet.Retiring,
			"1 running job; min is 2; 2 of 4 are too many; 1 retired one is removed once the others have started",
		},
		{
			"nobody parks for those that start", "",
			func(s *scene) { s.workers("general", "standard", ""); s.starting("general", 2, "") }, 4, fleet.Parking,
			"1 running job; min is 2; 2 of 4 are too many; they park once the others have started",
		},

		{
			"growing beside retired ones", "", func(s *scene) {
				s.workers("general", "standard",
					"retired")
				s.ready("standard", 8)
			}, 4, fleet.Backlog,
			"2 → 4: 8 jobs wait in standard; the 1 slot that is there starts 2 of them in time at 5.4 s each",
		},
		{"no room to grow beside retired ones: they make it", "", func(s *scene) {
			s.workers("general", "standard", "standard", "standard", "standard", "standard", "standard", "retired",
				"retired")
			s.ready("standard", 140)
		}, 6, fleet.Retiring, "8 → 6: 140 jobs wait in standard; the 6 slots that are there start 16 of them in " +
			"time at 5.4 s each; max is 8; 2 retired ones are removed"},
		{"parked slots are promised once, to the most urgent", "", func(s *scene) {
			s.workers("general", "standard", "standard", "parked")
			s.ready("express", 3)
			s.ready("standard", 7)
		}, 4, fleet.Backlog, "3 → 4: 3 jobs wait in express; 1 idle slot comes back from parked workers, and " +
			"7 jobs wait in standard; the 2 slots that are there start 5 of them in time at 5.4 s each"},

		// What people do: lane 0 is express, 1 standard, 2 bulk; pool 0 is general, 1 batch.
		{
			"a paused lane", "batch", func(s *scene) { s.p.Lanes[2].Paused = true; s.ready("bulk", 12) }, 0,
			fleet.Paused,
			"nothing runs; lane bulk is paused: its 12 waiting jobs count for nothing",
		},
		{"its jobs run on", "batch", func(s *scene) {
			s.p.Lanes[2].Paused = true
			s.workers("batch", "bulk", "bulk")
			s.ready("bulk", 1)
		}, 2, fleet.Paused, "2 running jobs; lane bulk is paused: its 1 waiting job counts for nothing"},
		{
			"nothing waits in it", "batch", func(s *scene) { s.p.Lanes[2].Paused = true; s.workers("batch", "bulk") },
			1,
			fleet.Busy, "1 running job",
		},
		{"another one waits beside it", "", func(s *scene) {
			s.p.Lanes[0].Paused = true
			s.workers("general", "standard", "standard")
			s.ready("express", 9)
			s.ready("standard", 16)
		}, 6, fleet.Backlog, "2 → 6: 16 jobs wait in standard; the 2 slots that are there start 5 of them in time " +
			"at 5.4 s each; " +
			"lane express is paused: its 9 waiting jobs count for nothing"},
		{"two paused ones, and the floor", "", func(s *scene) {
			s.p.Lanes[0].Paused, s.p.Lanes[1].Paused = true, true
			s.workers("general", "", "")
			s.ready("express", 9)
			s.ready("standard", 16)
		}, 2, fleet.Paused, "nothing runs; min is 2; lane express is paused: its 9 waiting jobs count for nothing; " +
			"lane standard is paused: its 16 waiting jobs count for nothing"},
		{"what grows says why", "", func(s *scene) {
			s.p.Lanes[1].Paused = true
			s.ready("standard", 16)
		}, 2, fleet.Floor, "0 → 2: nothing runs; min is 2; lane standard is paused: its 16 waiting jobs count for " +
			"nothing"},
		{"a paused lane's reserve isn't kept", "", func(s *scene) {
			s.p.Lanes[0].Paused = true
			s.workers("general", "express!", "express!")
		}, 2, fleet.Reserve, "2 running jobs on the shoulder: 2 workers of 1 shoulder slot"},
		{"its pool shrinks", "batch", func(s *scene) {
			s.p.Lanes[2].Paused = true
			s.workers("batch", "", "bulk")
			s.ready("bulk", 12)
		}, 2, fleet.Parking, "1 running job; lane bulk is paused: its 12 waiting jobs count for nothing; " +
			"1 of 2 is too many; 1 is kept from taking new jobs, to retire when idle"},
		{"frozen, and more are needed", "", func(s *scene) {
			s.p.Pools[0].Frozen = true
			s.workers("general", "standard", "standard")
			s.ready("standard", 16)
		}, 2, fleet.Frozen, "16 jobs wait in standard; the 2 slots that are there start 5 of them in time at 5.4 s " +
			"each; the pool is frozen at 2; 6 would do"},
		{
			"frozen, and fewer would do", "", func(s *scene) {
				s.p.Pools[0].Frozen = true
				s.workers("general", "standard",
					"", "", "")
			}, 4, fleet.Frozen,
			"1 running job; min is 2; the pool is frozen at 4; 2 would do",
		},
		{
			"frozen at what is needed", "", func(s *scene) { s.p.Pools[0].Frozen = true; s.workers("general", "", "") },
			2,
			fleet.Frozen,
			"nothing waits and nothing runs; min is 2; the pool is frozen at 2",
		},
		{
			"frozen below min", "", func(s *scene) { s.p.Pools[0].Frozen = true }, 0, fleet.Frozen,
			"nothing waits and nothing runs; min is 2; the pool is frozen at 0; 2 would do",
		},
		{"frozen above max", "", func(s *scene) {
			s.p.Pools[0].Frozen, s.p.Pools[0].Max = true, 3
			s.workers("general", "", "", "", "", "")
		}, 5, fleet.Frozen, "nothing waits and nothing runs; min is 2; the pool is frozen at 5; 2 would do"},
		{"frozen with retired ones, which can't come back", "", func(s *scene) {
			s.p.Pools[0].Frozen = true
			s.workers("general", "standard", "standard", "standard", "retired")
			s.ready("standard", 20)
		}, 4, fleet.Frozen, "20 jobs wait in standard; the 3 slots that are there start 8 of them in time at 5.4 s " +
			"each; " +
			"the pool is frozen at 4; 8 would do; 1 retired one is kept too"},
		{"what is frozen leaves less for others", "batch", func(s *scene) {
			s.p.Pools[0].Frozen = true
			s.workers("general", "", "", "", "", "", "", "", "")
			s.ready("bulk", 5000)
		}, 4, fleet.Budget, "0 → 4: 5000 jobs wait in bulk; no slot takes jobs yet; max is 6; the budget leaves 4 " +
			"of the 6 wanted"},
		{"frozen and paused", "batch", func(s *scene) {
			s.p.Lanes[2].Paused, s.p.Pools[1].Frozen = true, true
			s.workers("batch", "", "")
			s.ready("bulk", 12)
		}, 2, fleet.Frozen, "nothing runs; lane bulk is paused: its 12 waiting jobs count for nothing; the pool is " +
			"frozen at 2; 0 would do"},
		{"frozen, and another scaler doesn't care", "", func(s *scene) {
			s.p.Pools[0].Frozen = true
			s.workers("general", "", "")
			s.pool("general", func(q *fleet.PoolState) { q.Foreign = "HorizontalPodAutoscaler web" })
		}, 2, fleet.Foreign, "nothing waits and nothing runs; min is 2; HorizontalPodAutoscaler web scales this " +
			"pool too, " +
			"so Siren doesn't; remove one of the two"},

		// What stands in the way.
		{"stuck", "", func(s *scene) {
			s.workers("general", "standard", "standard")
			s.starting("general", 2, "0/3 nodes are available: insufficient cpu")
			s.ready("standard", 16)
		}, 4, fleet.Stuck, "16 jobs wait in standard; the 2 slots that are there start 5 of them in time at 5.4 s " +
			"each; " +
			"2 of 4 can't start (g3: 0/3 nodes are available: insufficient cpu), so no more are added"},
		{
			"stuck, and none more wanted", "", func(s *scene) {
				s.workers("general", "standard",
					"standard")
				s.starting("general", 1, "no image")
			}, 3, fleet.Stuck,
			"2 running jobs; 1 of 3 can't start (g3: no image)",
		},
		{
			"the broker is silent", "", func(s *scene) {
				s.workers("general", "standard", "", "")
				delete(s.o.Depths,
					"standard")
			}, 3, fleet.Stale,
			"1 running job; min is 2; the broker's answer for lane standard is missing or not believed, so nothing " +
				"is removed",
		},
		{
			"the workers are silent", "", func(s *scene) { s.workers("general", "", "", ""); s.o.Workers = nil }, 3,
			fleet.Stale,
			"nothing waits and nothing runs; min is 2; 3 of 3 workers have no fresh heartbeat, so no scaling this tick",
		},
		{"the fleet is silent", "", func(s *scene) {
			s.workers("general", "", "", "")
			s.h.Pools["general"] = facts.PoolHistory{Seen: true, State: s.o.Pools["general"]}
			delete(s.o.Pools, "general")
		}, 3, fleet.Stale, "nothing waits and nothing runs; min is 2; the fleet has no data on this pool, so " +
			"no scaling this tick"},
		{"a rollout", "", func(s *scene) {
			s.workers("general", "standard", "", "")
			s.pool("general", func(q *fleet.PoolState) { q.Rollout = true })
		}, 3, fleet.Rollout, "1 running job; min is 2; 2 would do, but nothing is removed during a rollout"},
		{"nor what is retired", "", func(s *scene) {
			s.workers("general", "standard", "", "retired")
			s.pool("general", func(q *fleet.PoolState) { q.Rollout = true })
		}, 3, fleet.Rollout, "1 running job; min is 2; 2 would do, but nothing is removed during a rollout"},
		{"another scaler", "", func(s *scene) {
			s.workers("general", "standard", "standard")
			s.ready("standard", 140)
			s.pool("general", func(q *fleet.PoolState) { q.Foreign = "HorizontalPodAutoscaler web" })
		}, 2, fleet.Foreign, "140 jobs wait in standard; the 2 slots that are there start 5 of them in time at 5.4 " +
			"s each; max is 8; " +
			"HorizontalPodAutoscaler web scales this pool too, so Siren doesn't; remove one of the two"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			tt.set(s)
			d, _ := Decide(s.p, s.o, s.h)
			for _, problem := range wrong(s.p, s.o, d) {
				t.Error(problem)
			}
			pool := tt.pool
			if pool == "" {
				pool = "general"
			}
			p := d.Plans[slices.IndexFunc(d.Plans, func(p fleet.Plan) bool { return p.Pool == pool })]
			if p.To != tt.to || p.Reason != tt.reason || p.Why != tt.why {
				t.Errorf("%d [%s] %s\nwant %d [%s] %s", p.To, p.Reason, p.Why, tt.to, tt.reason, tt.why)
			}
		})
	}
}

// Who is parked and who comes back.
func TestWhoParks(t *testing.T) {
	tests := []struct {
		name                 string
		set                  func(s *scene)
		park, unpark, retire string
	}{
		{"idle ones before those that run guests, before those that run the least urgent lane", func(s *scene) {
			s.workers("general", "express", "standard", "bulk", "", "standard")
			s.p.Pools[0].Max, s.p.Pools[0].Min = 1, 1
		}, "g4 g3 g2 g5", "", ""},
		{"the parked of a kind first, so that the choice doesn't wander", func(s *scene) {
			s.workers("general", "standard", "", "", "parked")
		}, "g4 g2", "", "g4"},
		{"an order counts until the heartbeat says so", func(s *scene) {
			s.workers("general", "standard", "", "", "")
			ph := s.h.Pools["general"]
			ph.Parking = []string{"g3", "g4"}
			s.h.Pools["general"] = ph
		}, "g3 g4", "", ""},
		{"and is taken back", func(s *scene) {
			s.workers("general", "standard", "standard", "standard", "")
			ph := s.h.Pools["general"]
			ph.Parking = []string{"g3"}
			s.h.Pools["general"] = ph
		}, "g4", "g3", ""},
		{"while a lane waits, idle ones come back and busy ones stay parked", func(s *scene) {
			s.workers("general", "standard", "standard", "parked", "bulk parked", "parked", "bulk parked")
			s.ready("standard", 2)
		}, "g4 g6", "g3 g5", ""},
		{"a job on a parked worker needs its slot", func(s *scene) {
			s.workers("general", "standard", "standard", "standard parked")
		}, "", "g3", ""},
		{"a worker that the fleet doesn't know replaces no replica", func(s *scene) {
			s.workers("general", "", "", "", "")
			s.pool("general", func(q *fleet.PoolState) { q.Replicas, q.Members = 2, q.Members[:2] })
		}, "", "", ""},
		{"a stuck replica does no work in another's place, nor does it keep one", func(s *scene) {
			s.workers("general", "standard", "", "", "")
			s.starting("general", 2, "no image")
		}, "g2 g3 g4", "", ""},
		{"nobody retires while others start: the cluster would end those instead", func(s *scene) {
			s.workers("general", "standard", "", "parked", "parked")
			s.starting("general", 1, "")
		}, "g3 g4", "", ""},
		{"a frozen pool parks nobody and lets the parked ones go", func(s *scene) {
			s.p.Pools[0].Frozen = true
			s.workers("general", "standard", "", "", "parked", "retired")
		}, "", "g4", ""},
		{"a draining one is nobody to park", func(s *scene) {
			s.workers("general", "standard", "", "", "")
			s.o.Workers[3].Draining = true
		}, "g2", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			tt.set(s)
			d, _ := Decide(s.p, s.o, s.h)
			p := d.Plans[0]
			got := [3]string{strings.Join(p.Park, " "), strings.Join(p.Unpark, " "), strings.Join(p.Retire, " ")}
			if want := [3]string{tt.park, tt.unpark, tt.retire}; got != want {
				t.Errorf("park %q, unpark %q, retire %q\nwant %q\n%s", got[0], got[1], got[2], want, p.Why)
			}
		})
	}
}

// A worker that retires waits as long to be removed as the pool's own cold starts say, and those of the next round by
// theirs.
func TestRetiringWaitsForColdStarts(t *testing.T) {
	tests := []struct {
		name       string
		set        func(s *scene)
		cold, want time.Duration
	}{
		{"a minute at least", func(s *scene) {
			s.workers("general", "standard", "", "parked", "parked")
		}, 9 * time.Second, time.Minute},
		{"three cold starts", func(s *scene) {
			s.workers("general", "standard", "", "parked", "parked")
		}, time.Minute, 3 * time.Minute},
		{"nobody retires", func(s *scene) { s.workers("general", "standard", "standard") }, time.Minute, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			tt.set(s)
			ph := s.h.Pools["general"]
			ph.ColdStarts = []time.Duration{tt.cold}
			s.h.Pools["general"] = ph
			d, _ := Decide(s.p, s.o, s.h)
			if p := d.Plans[0]; p.RetireFor.D() != tt.want || (len(p.Retire) > 0) != (tt.want > 0) {
				t.Errorf("%v retire for %s, want %s", p.Retire, p.RetireFor, tt.want)
			}
		})
	}
}

// The budget is short: what each lane of a pool gets before other pools' lanes that are less urgent.
func TestSharesUnderTheBudget(t *testing.T) {
	tests := []struct {
		name         string
		set          func(s *scene)
		first, other int // workers that are not parked and replicas that start now
	}{
		{"the reserve comes with its lane", func(s *scene) {
			s.p.Lanes[0].Reserve = 4
			s.ready("bulk", 5000)
			s.ready("standard", 5000)
		}, 4, 4},
		{"the rest of the pool comes after, though it is there already", func(s *scene) {
			s.workers("first", "standard", "standard", "standard", "standard", "standard", "standard")
			s.ready("express", 3)
			s.ready("standard", 5000)
			s.ready("bulk", 5000)
		}, 3, 2},
		{"stuck replicas work for no lane", func(s *scene) {
			s.workers("first", "express", "express", "express", "standard")
			s.starting("first", 2, "no image")
			s.ready("bulk", 5000)
		}, 5, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			// bulk is more urgent than standard here, and each has its own pool.
			s.p.Lanes[1], s.p.Lanes[2] = s.p.Lanes[2], s.p.Lanes[1]
			s.p.Pools = []lanes.Pool{
				{
					Name: "first", Lanes: []string{"express", "standard"}, Slots: 1,
					Shoulder: map[string]int{"express": 1}, Max: 20,
				},
				{Name: "other", Lanes: []string{"bulk"}, Slots: 1, Max: 20},
			}
			s.p.Budget = 8
			s.o.Pools = map[string]fleet.PoolState{"first": {}, "other": {}}
			s.h.Pools = map[string]facts.PoolHistory{"first": {Seen: true}, "other": {Seen: true}}
			tt.set(s)
			d, _ := Decide(s.p, s.o, s.h)
			v := map[string]int{}
			for _, q := range d.Plans {
				v[q.Pool] = q.To - len(q.Park)
			}
			if v["first"] != tt.first || v["other"] != tt.other {
				t.Errorf("%v, want %d and %d\n%+v", v, tt.first, tt.other, d.Plans)
			}
		})
	}
}

func TestFirstLine(t *testing.T) {
	if got := firstLine("first line\nsecond"); got != "first line" {
		t.Errorf("firstLine = %q", got)
	}
	if got, want := firstLine(strings.Repeat("é", 200)), strings.Repeat("é", 50)+"…"; got != want {
		t.Errorf("firstLine = %q", got)
	}
}
