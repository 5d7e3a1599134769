package law

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// What is true of any right law, one by one: first of single decisions, then of whole lives of a fleet. None of it says
// how many workers are right.

// moment is a fleet at one moment, as it can be: two pools, one more urgent than the other, on one budget.
type moment struct {
	p       *lanes.Policy
	waiting map[string]int
	waited  time.Duration // by the oldest job of each lane
	pools   map[string]*crew
}

// crew is a pool's workers of one slot or more: those that run as many jobs as they have slots, those that idle, and
// those that start.
type crew struct{ busy, idle, starting int }

func (c crew) all() int { return c.busy + c.idle + c.starting }

func drawMoment(r *rapid.T) *moment {
	seconds := func(name string, most int) lanes.Duration { // small ones are where the law has corners
		n := rapid.OneOf(rapid.IntRange(1, most/10), rapid.IntRange(1, most)).Draw(r, name)
		return lanes.Duration(time.Duration(n) * time.Second)
	}
	p := &lanes.Policy{
		Lanes: []lanes.Lane{
			{Name: "fast", Match: []string{"a"}, StartWithin: seconds("fast's T", 60)},
			{Name: "slow", StartWithin: seconds("slow's T", 1000)},
		},
		Pools: []lanes.Pool{
			{Name: "first", Lanes: []string{"fast"}, Max: rapid.IntRange(1, 30).Draw(r, "first's max")},
			{Name: "second", Lanes: []string{"slow"}, Max: rapid.IntRange(1, 60).Draw(r, "second's max")},
		},
		Timing: lanes.Timing{ColdStart: seconds("D", 90), ServiceTime: seconds("S", 100)},
	}
	m := &moment{p: p, waiting: map[string]int{}, pools: map[string]*crew{}}
	m.waited = seconds("waited", 100).D() - time.Second
	for i := range p.Pools {
		q := &p.Pools[i]
		q.Slots, q.Min = rapid.IntRange(1, 3).Draw(r, "slots"), rapid.IntRange(0, q.Max).Draw(r, "min")
		c := &crew{}
		c.busy = rapid.IntRange(0, q.Max).Draw(r, "busy")
		c.idle = rapid.IntRange(0, q.Max-c.busy).Draw(r, "idle")
		c.starting = rapid.IntRange(0, q.Max-c.busy-c.idle).Draw(r, "starting")
		m.pools[q.Name] = c
		m.waiting[q.Lanes[0]] = rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 200)).Draw(r, "waiting")
	}
	floors, there := p.Pools[0].Min+p.Pools[1].Min, m.pools["first"].all()+m.pools["second"].all()
	p.Budget = max(floors, there, 1) + rapid.IntRange(0, 20).Draw(r, "more budget")
	p.Default()
	if err := p.Validate(); err != nil {
		r.Fatalf("the generator's fault: %v", err)
	}
	return m
}

// seen is the moment as the scaler sees it, so long after t0. Running jobs have run for a second.
func (m *moment) seen(after time.Duration) facts.Observation {
	o := facts.Observation{
		At: t0.Add(after), Depths: map[string]fleet.Depth{}, Pools: map[string]fleet.PoolState{},
		Waiting: map[string]fleet.Waiting{},
	}
	for lane, n := range m.waiting {
		o.Depths[lane] = fleet.Depth{Ready: n, Consumers: 1}
		w := fleet.Waiting{Queued: n}
		if n > 0 {
			w.Oldest = o.At.Add(-m.waited)
		}
		o.Waiting[lane] = w
	}
	for _, q := range m.p.Pools {
		c := m.pools[q.Name]
		s := fleet.PoolState{Replicas: c.all()}
		for i := range c.all() {
			name := fmt.Sprintf("%s-%d", q.Name, i)
			s.Members = append(s.Members, fleet.Member{Name: name, CreatedAt: o.At})
			if i >= c.busy+c.idle {
				continue
			}
			w := fleet.Heartbeat{Worker: name, Pool: q.Name, At: o.At, Slots: q.Slots, Subscribed: true}
			for range q.Slots {
				if i < c.busy {
					w.Running = append(w.Running, fleet.Run{Lane: q.Lanes[0], Since: o.At.Add(-time.Second)})
				}
			}
			o.Workers = append(o.Workers, w)
		}
		o.Pools[q.Name] = s
	}
	return o
}

// decide decides once, by a scaler that has just begun, and returns what it wants and asks for of each pool.
func (m *moment) decide() (wanted, to map[string]int) {
	d, _ := Decide(m.p, m.seen(0), facts.History{})
	wanted, to = map[string]int{}, map[string]int{}
	for _, s := range d.Snapshot.Pools {
		wanted[s.Name], to[s.Name] = s.Wanted, s.Target
	}
	return wanted, to
}

// wants returns what the pool wants, whatever the budget leaves it.
func (m *moment) wants(pool string) int {
	wanted, _ := m.decide()
	return wanted[pool]
}

// some draws how much more there is of something.
func some(r *rapid.T) int { return rapid.IntRange(1, 100).Draw(r, "more") }

func TestMoreBacklogNeverWantsLess(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMoment(r)
		before, was := m.wants("second"), m.waiting["slow"]
		m.waiting["slow"] += some(r)
		if after := m.wants("second"); after < before {
			r.Errorf("%d jobs want %d workers, %d want %d", was, before, m.waiting["slow"], after)
		}
	})
}

func TestLongerJobsNeverWantLess(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMoment(r)
		before, was := m.wants("second"), m.p.Timing.ServiceTime
		m.p.Timing.ServiceTime += lanes.Duration(time.Duration(some(r)) * time.Second)
		if after := m.wants("second"); after < before {
			r.Errorf("jobs of %s want %d workers, of %s %d", was, before, m.p.Timing.ServiceTime, after)
		}
	})
}

func TestALooserObjectiveNeverWantsMore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMoment(r)
		before, was := m.wants("second"), m.p.Lanes[1].StartWithin
		m.p.Lanes[1].StartWithin += lanes.Duration(time.Duration(some(r)) * time.Second)
		if after := m.wants("second"); after > before {
			r.Errorf("to start within %s takes %d workers, within %s %d", was, before, m.p.Lanes[1].StartWithin, after)
		}
	})
}

func TestNeverUnderBusy(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMoment(r)
		wanted, _ := m.decide()
		for name, wanted := range wanted {
			if c := m.pools[name]; wanted < c.busy {
				r.Errorf("pool %s wants %d workers while %d are busy", name, wanted, c.busy)
			}
		}
	})
}

// Workers that were granted and start, or have started and took nothing yet, are no reason to want more.
func TestAGrantNeverAsksForMore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMoment(r)
		wanted, to := m.decide()
		c := m.pools["second"]
		given := max(0, to["second"]-c.all())
		c.starting += given
		if again := m.wants("second"); again > max(wanted["second"], c.all()) {
			r.Errorf("%d were wanted; with %d of them starting, %d are", wanted["second"], given, again)
		}
		c.starting, c.idle = c.starting-given, c.idle+given
		if again := m.wants("second"); again > max(wanted["second"], c.all()) {
			r.Errorf("%d were wanted; with %d of them idle, %d are", wanted["second"], given, again)
		}
	})
}

func TestOneJobFromZeroStartsOneWorker(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMoment(r)
		m.p.Pools[0].Min, m.p.Pools[1].Min = 0, 0
		*m.pools["first"], *m.pools["second"] = crew{}, crew{}
		m.waiting["fast"], m.waiting["slow"] = 0, 1
		if _, to := m.decide(); to["first"] != 0 || to["second"] != 1 {
			r.Errorf("one job in lane slow leads to %v", to)
		}
	})
}

// However many jobs wait in a less urgent lane, the pool of a more urgent one gets what it would without them.
func TestLessUrgentLanesTakeNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMoment(r)
		m.waiting["slow"] = 0
		_, alone := m.decide()
		m.waiting["slow"] = 10 * some(r)
		if _, beside := m.decide(); beside["first"] < alone["first"] {
			r.Errorf("pool first gets %d, and beside %d waiting jobs of lane slow %d", alone["first"],
				m.waiting["slow"], beside["first"])
		}
	})
}

// A fleet at which nothing changes but the time is changed once at most: it grows at once, or shrinks after the hold.
func TestConstantInputGivesAtMostOneChange(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMoment(r)
		for _, c := range m.pools { // what starts would be stuck after a while
			c.idle, c.starting = c.idle+c.starting, 0
		}
		m.p.Timing.ColdStart = min(m.p.Timing.ColdStart, lanes.Duration(10*time.Second)) // for holds of 30 s
		var h facts.History
		changes, last := map[string]int{}, map[string]string{}
		for second := range 50 {
			var d Decision
			d, h = Decide(m.p, m.seen(time.Duration(second)*time.Second), h)
			for _, plan := range d.Plans {
				is := fmt.Sprintf("%d, parks %d", plan.To, len(plan.Park))
				if was, ok := last[plan.Pool]; ok && was != is {
					changes[plan.Pool]++
				}
				last[plan.Pool] = is
			}
		}
		for pool, n := range changes {
			if n > 1 {
				r.Errorf("the plan of pool %s changed %d times", pool, n)
			}
		}
	})
}

// checked has a world report to rapid.
type checked struct {
	testing.TB
	r *rapid.T
}

func (checked) Helper()                        {}
func (c checked) Error(args ...any)            { c.r.Error(args...) }
func (c checked) Errorf(f string, args ...any) { c.r.Errorf(f, args...) }
func (c checked) Fatal(args ...any)            { c.r.Fatal(args...) }
func (c checked) Fatalf(f string, args ...any) { c.r.Fatalf(f, args...) }

// life is a fleet that lives through bursts and pauses for some minutes. each is called after each of its seconds.
func life(r *rapid.T, policy string, blind bool, each func(w *world)) {
	w := newWorld(checked{r: r}, policy)
	w.seed = rapid.Uint64().Draw(r, "seed")
	w.cold = time.Duration(rapid.IntRange(1, 20).Draw(r, "cold")) * time.Second
	w.lag = time.Duration(rapid.IntRange(0, 20).Draw(r, "lag")) * step
	for _, l := range w.p.Lanes {
		w.service[l.Name] = time.Duration(rapid.IntRange(2, 150).Draw(r, "service")) * step
	}
	for range rapid.IntRange(1, 8).Draw(r, "bursts") {
		l := rapid.SampledFrom(w.p.LaneNames()).Draw(r, "lane")
		w.put(l, rapid.IntRange(0, 60).Draw(r, "jobs"))
		w.see = nil
		if blind && rapid.Bool().Draw(r, "blind") {
			w.see = func(o *facts.Observation) { o.Depths = nil }
		}
		for range rapid.IntRange(1, 60).Draw(r, "seconds") {
			w.run(time.Second)
			each(w)
		}
	}
}

func TestWithinBounds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		life(r, threeLanes, false, func(w *world) {
			for name, q := range w.pools {
				if q.replicas < q.Min || q.replicas > q.Max {
					r.Errorf("%s: pool %s has %d replicas, not %d to %d", w.clock(), name, q.replicas, q.Min, q.Max)
				}
			}
		})
	})
}

func TestTheBudgetIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		life(r, strings.Replace(threeLanes, "budget: 12", "budget: 7", 1), false, func(w *world) {
			all := 0
			for _, q := range w.pools {
				all += max(len(q.workers), q.replicas)
			}
			if all > w.p.Budget {
				r.Errorf("%s: %d workers, the budget is %d", w.clock(), all, w.p.Budget)
			}
		})
	})
}

// Nothing that runs something is ever removed, nor told to go: the world looks at each removal.
func TestNothingBusyIsEverRemoved(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) { life(r, threeLanes, true, func(*world) {}) })
}

// While the broker says nothing, nobody is parked, retired or removed.
func TestStaleSignalsNeverShrink(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		life(r, threeLanes, true, func(w *world) {
			for _, p := range w.d.Plans {
				if w.see != nil && (p.To < p.From || len(p.Park)+len(p.Retire) > 0) {
					r.Errorf("%s: blind, and %+v", w.clock(), p)
				}
			}
		})
	})
}

// Nobody is told to take no more while as many were wanted within the hold window, where the budget has room for all. A
// worker that was told to retire has promised to go: that can't be taken back.
func TestNothingIsRemovedBeforeTheHold(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var wants []facts.Want
		var parked []string // before
		hold := time.Hour
		life(r, oneLane, false, func(w *world) {
			s, p := w.d.Snapshot.Pools[0], w.d.Plans[0]
			hold = min(hold, s.Hold.D()) // with what was measured since, it may be longer than it was
			wants = append(wants, facts.Want{At: p.At, Replicas: s.Wanted})
			keep := 0
			for _, n := range wants {
				if p.At.Sub(n.At) < hold {
					keep = max(keep, n.Replicas)
				}
			}
			left := 0
			for _, n := range w.pools["general"].workers {
				if !n.leaving && !n.retireOrdered && !slices.Contains(p.Park, n.Worker) {
					left++
				}
			}
			more := slices.ContainsFunc(p.Park, func(n string) bool { return !slices.Contains(parked, n) })
			if more && left < keep {
				r.Errorf("%s: %d replicas are left, %d were wanted within the last %s", w.clock(), left, keep, hold)
			}
			parked = p.Park
		})
	})
}
