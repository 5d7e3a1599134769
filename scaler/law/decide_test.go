package law

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// These tests run Decide over a tiny fleet (fleet_test.go), tick by tick. Whatever they are about, each tick is also
// checked for what must never happen: see wrong, world.apply and world.reconcile.

const oneLane = `
lanes:
- {name: standard, startWithin: 30s}
pools:
- {name: general, lanes: [standard], min: 2, max: 10}
budget: 10
timing: {coldStart: 4s}
`

const threeLanes = `
lanes:
- {name: express, match: [urgent=true], startWithin: 2s, reserve: 1}
- {name: standard, startWithin: 30s}
- {name: bulk, match: [batch=true], startWithin: 30m, promote: {after: 60s, to: standard}}
pools:
- {name: general, lanes: [express, standard], guests: [bulk], shoulder: {express: 1}, min: 2, max: 10}
- {name: batch, lanes: [bulk], max: 4}
budget: 12
timing: {coldStart: 4s}
`

func TestBurstGrowsAndShrinksBack(t *testing.T) {
	w := newWorld(t, oneLane)
	w.run(20 * time.Second)
	if len(w.plans) > 0 {
		t.Fatalf("a quiet fleet at its floor needs no change\n%s", w.told())
	}
	w.put("standard", 100)
	w.run(time.Second)
	if p := w.plan("general"); p.To != 10 || p.Reason != fleet.Ceiling {
		t.Fatalf("growing is immediate: %+v", p)
	}
	w.until("all jobs have run", time.Minute, func() bool {
		return len(w.queues["standard"])+w.running("general") == 0
	})
	if n := slices.Max(w.waits["standard"]); n > 30*time.Second {
		t.Errorf("a job waited %s", n)
	}
	quiet := len(w.plans)
	held := w.until("parks", time.Minute, func() bool { return len(w.plan("general").Park) > 0 })
	if held < 12*time.Second {
		t.Errorf("parked %s after the last job, before the hold window of three cold starts was over", held)
	}
	w.until("back at min", time.Minute, func() bool {
		return w.pools["general"].replicas == 2 && len(w.pools["general"].workers) == 2
	})
	var steps []string
	for _, p := range w.plans[quiet:] {
		s := "park"
		switch {
		case len(p.Remove) > 0:
			s = "remove"
		case len(p.Retire) > 0:
			s = "retire"
		}
		if len(steps) == 0 || steps[len(steps)-1] != s {
			steps = append(steps, s)
		}
	}
	if got := strings.Join(steps, " "); !strings.HasPrefix(got, "park retire park remove") {
		t.Errorf("the steps were: %s", got)
	}
	before := len(w.plans)
	w.run(2 * time.Minute)
	if len(w.plans) > before {
		t.Errorf("the quiet fleet didn't come to rest\n%s", w.told())
	}
}

func TestFromZeroAndBack(t *testing.T) {
	w := newWorld(t, strings.Replace(oneLane, "min: 2", "min: 0", 1))
	w.run(5 * time.Second)
	w.put("standard", 1)
	w.run(time.Second)
	if p := w.plan("general"); p.To != 1 {
		t.Errorf("one job takes one worker: %+v", p)
	}
	w.until("it has run", 20*time.Second, func() bool {
		return len(w.waits["standard"]) == 1 && w.running("general") == 0
	})
	w.until("back at zero", time.Minute, func() bool { return len(w.pools["general"].workers) == 0 })
}

// A steady load is no reason to park and unpark: each swing costs a second or two of a slot.
func TestSteadyLoadDoesNotFlap(t *testing.T) {
	tests := []struct {
		name     string
		every    time.Duration // a job comes, of 2 s on average
		slots    string
		min, max int // of replicas, once it has settled
	}{
		{"the load of two or three workers", 700 * time.Millisecond, "1", 2, 6},
		{"of less than the floor", 1100 * time.Millisecond, "1", 2, 5},
		{"of nearly all", 200 * time.Millisecond, "1", 8, 10},
		{"two slots a worker", 200 * time.Millisecond, "2", 4, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, strings.Replace(oneLane, "min: 2", "slots: "+tt.slots+", min: 2", 1))
			load := func(d time.Duration) {
				for end := w.now.Add(d); w.now.Before(end); {
					if w.now.Sub(t0)%tt.every == 0 {
						w.put("standard", 1)
					}
					w.run(step)
				}
			}
			load(2 * time.Minute)
			w.plans, w.swings, w.waits["standard"] = nil, 0, nil
			load(5 * time.Minute)
			lo, hi := 1<<30, 0
			for _, p := range w.plans {
				lo, hi = min(lo, p.To), max(hi, p.To)
			}
			if len(w.plans) > 0 && (lo < tt.min || hi > tt.max) {
				t.Errorf("between %d and %d replicas, want %d to %d", lo, hi, tt.min, tt.max)
			}
			if w.swings > 20 {
				t.Errorf("%d times parked or let go in five minutes\n%s", w.swings, w.told())
			}
			late := 0
			for _, wait := range w.waits["standard"] {
				if wait > 30*time.Second {
					late++
				}
			}
			if late > 0 {
				t.Errorf("%d of %d jobs were late", late, len(w.waits["standard"]))
			}
		})
	}
}

func TestNewLeaderDoesNotShrinkAtOnce(t *testing.T) {
	w := newWorld(t, oneLane)
	w.put("standard", 100)
	w.until("grown", 30*time.Second, func() bool { return w.plan("general").To == 10 })
	w.until("all jobs have run", time.Minute, func() bool {
		return len(w.queues["standard"])+w.running("general") == 0
	})
	w.history = facts.History{} // another process leads now
	held := w.until("parks", time.Minute, func() bool { return len(w.plan("general").Park) > 0 })
	if held < 12*time.Second {
		t.Errorf("a leader that doesn't know the last hold window parked after %s", held)
	}
}

func TestStaleLaneDoesNotShrink(t *testing.T) {
	tests := []struct {
		name  string
		depth func(real fleet.Depth) (fleet.Depth, bool)
	}{
		{"0 ready and 0 consumers, while workers subscribe", func(fleet.Depth) (fleet.Depth, bool) {
			return fleet.Depth{}, true
		}},
		{"no answer", func(fleet.Depth) (fleet.Depth, bool) { return fleet.Depth{}, false }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, oneLane)
			w.put("standard", 100)
			w.until("all jobs have run", time.Minute, func() bool {
				return len(w.queues["standard"])+w.running("general") == 0
			})
			w.until("parks", time.Minute, func() bool { return len(w.plan("general").Park) > 0 })
			w.see = func(o *facts.Observation) {
				d, ok := tt.depth(o.Depths["standard"])
				if delete(o.Depths, "standard"); ok {
					o.Depths["standard"] = d
				}
			}
			w.run(4 * time.Second)
			w.plans = nil
			w.run(2 * time.Minute)
			p := w.plan("general")
			if len(w.plans) > 0 || p.To != p.From || len(p.Park) > 0 || p.Reason != fleet.Stale {
				t.Errorf("plan %+v\n%s", p, w.told())
			}
			if n := w.d.Snapshot.Lanes[0]; !n.Stale {
				t.Errorf("the snapshot doesn't show it: %+v", n)
			}
			for _, n := range w.pools["general"].workers {
				if n.Parked && !n.Retired {
					t.Errorf("%s is still parked", n.Worker)
				}
			}
			w.see = nil
			w.until("back at min", time.Minute, func() bool { return len(w.pools["general"].workers) == 2 })
		})
	}
}

// A quorum queue whose leader is away answers 0 of 140: what is known of it must stand, or the fleet comes to rest
// under it.
func TestStaleLaneKeepsItsBacklog(t *testing.T) {
	w := newWorld(t, strings.Replace(oneLane, "max: 10", "max: 100", 1))
	w.p.Budget = 100
	w.put("standard", 140)
	w.run(3 * time.Second)
	wanted := w.plan("general").To
	w.see = func(o *facts.Observation) {
		o.Depths["standard"] = fleet.Depth{}
		for i := range o.Workers { // its workers get nothing either
			o.Workers[i].Running = nil
			o.Workers[i].Lanes = nil
		}
	}
	w.run(10 * time.Second)
	if n := w.d.Snapshot.Lanes[0]; n.Ready < 100 || !n.Stale {
		t.Errorf("the lane is seen with %d ready, stale %v", n.Ready, n.Stale)
	}
	if p := w.plan("general"); p.To < wanted {
		t.Errorf("%d replicas, %d were wanted", p.To, wanted)
	}
}

func TestFlushedRosterChangesNothing(t *testing.T) {
	w := newWorld(t, oneLane)
	w.put("standard", 60)
	w.until("grown", 30*time.Second, func() bool {
		return w.plan("general").Why != "" && len(w.pools["general"].workers) > 4
	})
	w.run(8 * time.Second)
	w.put("standard", 500)
	w.see = func(o *facts.Observation) { o.Workers = nil }
	w.plans = nil
	w.run(30 * time.Second)
	p := w.plan("general")
	if len(w.plans) > 0 || p.To != p.From || p.Reason != fleet.Stale {
		t.Errorf("plan %+v\n%s", p, w.told())
	}
	if !strings.Contains(p.Why, "have no fresh heartbeat, so no scaling this tick") {
		t.Errorf("why: %s", p.Why)
	}
}

// Half of the fleet on a dead node is no reason to believe nothing: what is left has to be enough, and nothing is
// parked in place of those that are silent.
func TestSilentHalfGrowsAndParksNobody(t *testing.T) {
	w := newWorld(t, strings.Replace(oneLane, "min: 2", "min: 4", 1))
	w.run(5 * time.Second)
	w.see = func(o *facts.Observation) {
		o.Workers = slices.DeleteFunc(o.Workers, func(hb fleet.Heartbeat) bool { return hb.Worker <= "general-002" })
	}
	w.run(20 * time.Second)
	if p := w.plan("general"); changes(p) {
		t.Errorf("nothing waits, so nothing is to be done: %+v", p)
	}
	w.put("standard", 300)
	w.run(time.Second)
	if p := w.plan("general"); p.To != 10 {
		t.Errorf("the lane waits: %+v", p)
	}
}

func TestUnseenPoolChangesNothing(t *testing.T) {
	w := newWorld(t, threeLanes)
	w.run(5 * time.Second)
	w.put("standard", 500)
	w.put("bulk", 5000)
	w.see = func(o *facts.Observation) { delete(o.Pools, "general") }
	w.run(5 * time.Second)
	if p := w.plan("general"); changes(p) || p.Reason != fleet.Stale || p.From != 2 {
		t.Errorf("general: %+v", p)
	}
	if p := w.plan("batch"); p.Pool != "batch" || len(w.pools["batch"].workers) == 0 {
		t.Errorf("the other pool is scaled all the same: %+v", p)
	}
}

func TestRolloutDoesNotShrink(t *testing.T) {
	w := newWorld(t, oneLane)
	w.put("standard", 100)
	w.until("parks", 2*time.Minute, func() bool { return len(w.plan("general").Park) > 0 })
	w.pools["general"].rollout = true
	w.run(time.Second)
	if p := w.plan("general"); len(p.Unpark) == 0 || p.Reason != fleet.Rollout {
		t.Errorf("parked workers are let go: %+v", p)
	}
	from := w.pools["general"].replicas
	w.plans = nil
	w.run(time.Minute)
	for _, p := range w.plans {
		if p.To < p.From || len(p.Park) > 0 || len(p.Retire) > 0 {
			t.Errorf("%+v", p)
		}
	}
	if n := w.pools["general"].replicas; n != from {
		t.Errorf("%d replicas, were %d", n, from)
	}
	w.put("standard", 500)
	w.run(time.Second)
	if p := w.plan("general"); p.To != 10 {
		t.Errorf("growing goes on in a rollout: %+v", p)
	}
	w.pools["general"].rollout = false
	w.until("back at min", 10*time.Minute, func() bool { return len(w.pools["general"].workers) == 2 })
}

func TestStuckReplicas(t *testing.T) {
	w := newWorld(t, strings.NewReplacer("max: 10", "max: 30", "budget: 12", "budget: 32").Replace(threeLanes))
	w.service["standard"] = 20 * time.Second
	w.put("standard", 7)
	w.run(5 * time.Second)
	w.pools["general"].stuck = "ImagePullBackOff: no such image\nBack-off pulling it"
	w.put("standard", 8)
	w.until("some are stuck", 10*time.Second, func() bool { return w.d.Snapshot.Pools[0].Stuck > 0 })
	grown := w.pools["general"].replicas
	w.plans = nil
	w.put("standard", 500)
	w.put("bulk", 20_000)
	w.run(30 * time.Second)
	p := w.plan("general")
	if p.To != grown || p.Reason != fleet.Stuck || !strings.Contains(p.Why, "can't start (general-") ||
		!strings.Contains(p.Why, ": ImagePullBackOff: no such image), so no more are added") {
		t.Errorf("plan %+v", p)
	}
	if strings.Contains(p.Why, "\n") {
		t.Errorf("more than one line: %q", p.Why)
	}
	// The budget that the stuck pool can't use isn't kept from the others: with all that it wants it would leave 2 for
	// batch.
	if n := w.pools["batch"].replicas; n != 4 {
		t.Errorf("batch has %d replicas beside %d", n, grown)
	}
	for _, q := range w.pools["general"].workers {
		if q.Parked {
			t.Errorf("%s is parked, though the stuck ones do no work in its place", q.Worker)
		}
	}
	w.pools["general"].stuck = ""
	for _, q := range w.pools["general"].workers {
		q.stuck = ""
	}
	w.run(10 * time.Second)
	if p := w.plan("general"); p.Reason == fleet.Stuck {
		t.Errorf("nothing is stuck any more: %+v", p)
	}
}

// What can't grow must not sit on the budget.
func TestFrozenPoolLeavesTheBudgetToOthers(t *testing.T) {
	tests := []struct {
		name   string
		freeze func(w *world)
		reason fleet.Reason
	}{
		{"another scaler works on it", func(w *world) {
			w.see = func(o *facts.Observation) {
				s := o.Pools["general"]
				s.Foreign = "HorizontalPodAutoscaler general"
				o.Pools["general"] = s
			}
		}, fleet.Foreign},
		{"nothing is heard of it", func(w *world) {
			w.see = func(o *facts.Observation) {
				o.Workers = slices.DeleteFunc(o.Workers, func(hb fleet.Heartbeat) bool { return hb.Pool == "general" })
			}
		}, fleet.Stale},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, strings.Replace(threeLanes, "max: 4", "max: 10", 1))
			w.run(5 * time.Second)
			tt.freeze(w)
			w.put("standard", 500)
			w.put("bulk", 50_000)
			w.run(10 * time.Second)
			if p := w.plan("general"); changes(p) || p.Reason != tt.reason {
				t.Errorf("general: %+v", p)
			}
			if n := w.pools["batch"].replicas; n != 10 {
				t.Errorf("batch has %d replicas of the 10 that are left", n)
			}
		})
	}
}

func TestReserveKeepsShouldersFree(t *testing.T) {
	w := newWorld(t, strings.Replace(threeLanes, "reserve: 1", "reserve: 3", 1))
	w.run(time.Second)
	if p := w.plan("general"); p.To != 3 || p.Reason != fleet.Reserve {
		t.Fatalf("three free shoulders take three workers: %+v", p)
	}
	w.run(10 * time.Second)
	w.service["standard"], w.service["express"] = 60*time.Second, 60*time.Second
	w.put("standard", 3)
	w.run(2 * time.Second)
	w.put("express", 2) // both go to shoulders, since the shared slots are taken
	w.run(20 * time.Second)
	if n := len(w.pools["general"].workers); n != 5 {
		t.Errorf("%d workers; 2 busy and 3 free shoulders take 5\n%s", n, w.told())
	}
	if wait := slices.Max(w.waits["express"]); wait > step {
		t.Errorf("express waited %s beside free shoulders", wait)
	}
}

// An urgent lane's jobs on shoulders are no load of the shared slots.
func TestShoulderJobsAreNoSharedLoad(t *testing.T) {
	w := newWorld(t, threeLanes)
	w.run(3 * time.Second)
	w.service["standard"], w.service["express"] = 60*time.Second, 60*time.Second
	w.put("standard", 2)
	w.run(2 * time.Second)
	w.put("express", 1)
	w.run(10 * time.Second)
	if p := w.plan("general"); p.From != 2 {
		t.Errorf("2 shared jobs, 1 on a shoulder and 1 shoulder in reserve take 2 workers: %+v", p)
	}
}

func TestPromotionSetsTurnsAndClearsThem(t *testing.T) {
	w := newWorld(t, strings.Replace(threeLanes, "max: 4", "max: 1", 1))
	w.run(3 * time.Second)
	w.service["bulk"] = 20 * time.Second
	w.put("bulk", 12)
	promoted := w.until("bulk is promoted", 2*time.Minute, func() bool { return w.d.Turns["bulk"] == "standard" })
	if promoted < 60*time.Second {
		t.Errorf("promoted after %s, before its oldest job had waited so long", promoted)
	}
	if l := w.d.Snapshot.Lanes[2]; !l.Promoted || l.OldestWait.D() <= time.Minute {
		t.Errorf("the snapshot: %+v", l)
	}
	w.until("bulk is served", 5*time.Minute, func() bool { return len(w.queues["bulk"]) == 0 })
	w.run(time.Second)
	if len(w.d.Turns) > 0 {
		t.Errorf("turns %v with nothing left to wait", w.d.Turns)
	}
}

// A promoted lane is as urgent to the arbiter as the one it takes turns with.
func TestPromotionCountsForTheBudget(t *testing.T) {
	const text = `
lanes:
- {name: standard, startWithin: 30s}
- {name: slow, match: [slow], startWithin: 10m}
- {name: bulk, match: [batch], startWithin: 10m, promote: {after: 30s, to: standard}}
pools:
- {name: general, lanes: [standard], guests: [bulk], max: 4}
- {name: slow, lanes: [slow], max: 10}
- {name: batch, lanes: [bulk], max: 4}
budget: 10
timing: {coldStart: 4s}
`
	w := newWorld(t, text)
	w.service["slow"], w.service["bulk"] = 60*time.Second, 60*time.Second
	w.put("slow", 5000)
	w.put("bulk", 500)
	w.run(10 * time.Second)
	if p := w.plan("batch"); p.To != 0 || p.Reason != fleet.Budget ||
		!strings.HasSuffix(p.Why, "; the budget leaves 0 of the 4 wanted; lane slow came first") {
		t.Fatalf("slow comes first: %+v", p)
	}
	w.until("bulk is promoted and gets its workers", 3*time.Minute, func() bool {
		return w.pools["batch"].replicas == 4
	})
	if w.d.Turns["bulk"] != "standard" {
		t.Errorf("turns %v", w.d.Turns)
	}
	if p := w.plan("slow"); p.Reason != fleet.Budget || !strings.Contains(p.Why, "; lane bulk came first") {
		t.Errorf("slow: %+v", p)
	}
}

func TestGuestsAreShutOutWhileAHomeLaneWaits(t *testing.T) {
	w := newWorld(t, strings.Replace(threeLanes, "max: 4", "max: 1", 1))
	w.run(3 * time.Second)
	w.service["bulk"] = 40 * time.Second
	w.put("bulk", 100)
	w.run(2 * time.Second)
	if len(w.d.NoGuests) > 0 || w.running("general") == 0 {
		t.Fatalf("guests are welcome while nothing of its own waits: shut out of %v, %d run", w.d.NoGuests,
			w.running("general"))
	}
	w.put("standard", 30)
	w.run(time.Second)
	if !slices.Equal(w.d.NoGuests, []string{"general"}) {
		t.Errorf("NoGuests = %v while standard waits", w.d.NoGuests)
	}
	var waited time.Time
	w.until("guests are welcome again", 2*time.Minute, func() bool {
		why := w.plan("general").Why
		if strings.Contains(why, "in standard") && !strings.Contains(why, "not too many") {
			waited = w.now
		}
		return len(w.d.NoGuests) == 0
	})
	if wait := slices.Max(w.waits["standard"]); wait > 30*time.Second || len(w.queues["standard"]) > 0 {
		t.Errorf("standard waited %s behind long guest jobs", wait)
	}
	hold := 3 * w.d.Snapshot.Pools[0].ColdStart.D()
	if shut := w.now.Sub(waited); shut < hold || shut > hold+2*time.Second {
		t.Errorf("guests stayed out for %s after the lane waited last; the hold window is %s", shut, hold)
	}
}

// Jobs so short that the workers which are there start them all within a tenth of the objective are no reason to start
// others, however long those take to start. No guest takes a slot from them meanwhile.
func TestShortJobsStartNoWorkersThatComeTooLate(t *testing.T) {
	w := newWorld(t, strings.Replace(threeLanes, "coldStart: 4s", "coldStart: 60s", 1))
	w.cold = time.Minute
	w.service["standard"], w.service["bulk"] = 200*time.Millisecond, 40*time.Second
	w.put("standard", 40) // so that their service time is known
	w.until("they have run", time.Minute, func() bool { return len(w.waits["standard"]) == 40 })
	w.until("the fleet is at rest", 10*time.Minute, func() bool {
		return w.pools["general"].replicas == 2 && len(w.pools["general"].workers) == 2
	})
	w.plans, w.waits["standard"] = nil, nil
	w.put("standard", 24)
	w.put("bulk", 4)
	w.run(time.Second)
	if !slices.Equal(w.d.NoGuests, []string{"general"}) {
		t.Errorf("NoGuests = %v while standard waits", w.d.NoGuests)
	}
	w.until("they have run", time.Minute, func() bool { return len(w.waits["standard"]) == 24 })
	for _, p := range w.plans {
		if p.Pool == "general" {
			t.Errorf("%d → %d for jobs that wait %s at most: %s", p.From, p.To, slices.Max(w.waits["standard"]), p.Why)
		}
	}
	if wait := slices.Max(w.waits["standard"]); wait > 30*time.Second/10 {
		t.Errorf("a job waited %s", wait)
	}
}

// Idle parked workers come back before those that are parked with a long guest job, which would be of no use.
func TestUnparkingBringsIdleWorkersBack(t *testing.T) {
	w := newWorld(t, strings.Replace(threeLanes, "min: 2", "hold: 5s, min: 0", 1))
	w.service["bulk"] = 90 * time.Second
	w.put("standard", 60)
	w.until("standard has run", time.Minute, func() bool {
		return len(w.queues["standard"])+w.running("general") == 0 && w.now.Sub(t0) > 10*time.Second
	})
	w.put("bulk", 4)
	w.until("only guests run, and all are parked but the reserve's", 30*time.Second, func() bool {
		idle, busy := 0, 0
		for _, n := range w.pools["general"].workers {
			if n.Parked && len(n.Running) == 0 {
				idle++
			} else if n.Parked {
				busy++
			}
		}
		return idle >= 2 && busy >= 2
	})
	w.put("standard", 3)
	w.waits["standard"] = nil
	w.until("the three have started", 4*time.Second, func() bool { return len(w.waits["standard"]) == 3 })
}

// A burst that comes while workers are retired, and gone for it: the retired ones count neither as slots nor twice.
func TestBurstWhileRetiring(t *testing.T) {
	for _, lag := range []time.Duration{0, 300 * time.Millisecond, 3500 * time.Millisecond} {
		for wait := range 6 {
			t.Run(fmt.Sprintf("%s lag, %d s later", lag, wait), func(t *testing.T) {
				w := newWorld(t, oneLane)
				w.lag = lag
				w.put("standard", 100)
				w.until("retires", 2*time.Minute, func() bool { return len(w.plan("general").Retire) > 0 })
				w.run(time.Duration(wait) * time.Second)
				w.waits["standard"] = nil
				w.put("standard", 200)
				w.until("ten workers take jobs", 30*time.Second, func() bool {
					n := 0
					for _, x := range w.pools["general"].workers {
						if x.takes() {
							n++
						}
					}
					return n == 10
				})
				w.until("all have run", 2*time.Minute, func() bool { return len(w.queues["standard"]) == 0 })
			})
		}
	}
}

// The number is lowered long before the cluster ends the retired ones: they must not be taken off twice, nor made up
// for.
func TestSlowClusterShrinksStraight(t *testing.T) {
	w := newWorld(t, oneLane)
	w.lag = 5 * time.Second
	w.put("standard", 100)
	w.until("parks", 2*time.Minute, func() bool { return len(w.plan("general").Park) > 0 })
	w.plans = nil
	w.until("back at min", 2*time.Minute, func() bool { return len(w.pools["general"].workers) == 2 })
	for _, p := range w.plans {
		if p.To > p.From || p.To < 2 {
			t.Errorf("%d → %d\n%s", p.From, p.To, w.told())
		}
	}
}

// Random loads on fleets with a slow cluster, rollouts, blind moments, new leaders, pauses and freezes: wrong and the
// world itself say what must never happen. In the end everything has run and the fleet is back at its floor.
func TestRandomLoads(t *testing.T) {
	policies := map[string]string{
		"one lane": oneLane, "three lanes": threeLanes,
		"two slots": strings.ReplaceAll(threeLanes, "max: 4", "slots: 2, max: 4"),
	}
	for name, policy := range policies {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%s, %d", name, seed), func(t *testing.T) {
				w := newWorld(t, policy)
				w.seed = seed * 7919
				dice := func(n int) int { return int(w.serviceOf("standard")/step)*31%n + int(w.seed>>40)%n }
				w.lag = time.Duration(dice(25)) * step
				w.cold = time.Duration(1+dice(60)) * step * 2
				lanesOf := w.p.LaneNames()
				for range 40 {
					switch dice(14) {
					case 0, 1, 2, 3:
						w.put(lanesOf[dice(100)%len(lanesOf)], dice(40))
					case 4:
						w.service[lanesOf[dice(100)%len(lanesOf)]] = time.Duration(1+dice(80)) * step
					case 5:
						for _, q := range w.pools {
							q.rollout = !q.rollout
						}
					case 6:
						w.see = func(o *facts.Observation) { o.Workers = nil }
					case 7:
						w.see = func(o *facts.Observation) { o.Depths = nil }
					case 8:
						w.history = facts.History{}
					case 9:
						w.tune(lanes.LaneField(lanesOf[dice(100)%len(lanesOf)], "paused"),
							[]string{"true", "false"}[dice(100)%2])
					case 10:
						w.tune(lanes.PoolField(w.p.Pools[dice(100)%len(w.p.Pools)].Name, "frozen"),
							[]string{"true", "false"}[dice(100)%2])
					default:
						w.see = nil
					}
					w.run(time.Duration(1+dice(15)) * time.Second)
				}
				w.see = nil
				for name, q := range w.pools {
					q.rollout = false
					w.tune(lanes.PoolField(name, "frozen"), "false")
				}
				for _, name := range lanesOf {
					w.tune(lanes.LaneField(name, "paused"), "false")
				}
				w.until("everything has run and the fleet is at rest", 20*time.Minute, func() bool {
					for name, q := range w.pools {
						floor := q.Min
						if len(q.workers) != floor || w.running(name) > 0 {
							return false
						}
					}
					for _, queue := range w.queues {
						if len(queue) > 0 {
							return false
						}
					}
					return true
				})
			})
		}
	}
}

func TestDecideLeavesItsInputAlone(t *testing.T) {
	w := newWorld(t, threeLanes)
	w.see = func(o *facts.Observation) {
		before := snapshotOf(t, w.history)
		d1, h1 := Decide(w.p, *o, w.history)
		if before != snapshotOf(t, w.history) {
			t.Fatal("Decide changed the History it was given")
		}
		// Another look from the same History, as a simulator takes it, must not change the first one's outcome.
		kept := snapshotOf(t, h1)
		other := *o
		other.Depths = map[string]fleet.Depth{"standard": {Ready: 7}}
		other.Workers = slices.Clone(o.Workers)
		for i, hb := range other.Workers {
			hb.At, hb.Lanes = hb.At.Add(-time.Second),
				map[string]fleet.LaneWork{"standard": {Started: 1000, First: 1000, Waits: []int64{77777, 88888}}}
			other.Workers[i] = hb
		}
		Decide(w.p, other, w.history)
		if kept != snapshotOf(t, h1) {
			t.Fatal("two futures share memory")
		}
		d2, h2 := Decide(w.p, *o, w.history)
		if !reflect.DeepEqual(d1, d2) || !reflect.DeepEqual(h1, h2) {
			t.Fatal("the same input gave another output")
		}
	}
	for range 2 {
		w.put("standard", 40)
		w.put("express", 5)
		w.run(40 * time.Second)
	}
}

// Workers that a lane needs again and again, and sooner than any could be started, are kept longer than its pool's hold
// window, while other lanes make use of them.
func TestRecurringNeedsOfUrgentLanes(t *testing.T) {
	for _, c := range []struct {
		lane  string
		peaks facts.Peaks
		keeps int
	}{
		{"express", facts.Peaks{Since: t0.Add(-time.Second), Before: 8, Older: 6}, 6},
		{"express", facts.Peaks{Since: t0.Add(-time.Second), Before: 8}, 2},            // once is no habit; min is 2
		{"standard", facts.Peaks{Since: t0.Add(-time.Second), Before: 8, Older: 8}, 2}, // it may wait for a start
	} {
		s := newScene(t)
		s.workers("general", "", "", "", "", "", "", "", "")
		h := s.h.Pools["general"]
		h.Peaks = map[string]facts.Peaks{c.lane: c.peaks}
		s.h.Pools["general"] = h
		d, _ := Decide(s.p, s.o, s.h)
		general := d.Plans[0]
		if kept := 8 - len(general.Park); kept != c.keeps {
			t.Errorf("%s, %+v: %d are kept: %s", c.lane, c.peaks, kept, general.Why)
		}
	}
	s := newScene(t)
	s.workers("general", "", "", "", "", "", "")
	h := s.h.Pools["general"]
	h.Peaks = map[string]facts.Peaks{"express": {Since: t0.Add(-time.Second), Before: 8, Older: 6}}
	s.h.Pools["general"] = h
	d, _ := Decide(s.p, s.o, s.h)
	const why = "nothing waits and nothing runs; min is 2; 2 would do; 6 are kept since lane express needs them " +
		"again and again, sooner than they start"
	if general := d.Plans[0]; general.Why != why || general.Reason != fleet.Holding {
		t.Errorf("%s %s", general.Reason, general.Why)
	}
}

// While the budget binds, a lane that pauses for less than a cold start keeps its workers: a less urgent one would have
// to wait for its own as long, and then the first one again.
func TestWhatALaneJustNeeded(t *testing.T) {
	const cold = 9 * time.Second // the scene's
	for _, c := range []struct {
		ago   time.Duration
		parks int
		why   string // of what the less urgent lane's pool gets
	}{
		{cold, 0, "the budget leaves 4 of the 6 wanted; lane standard came first"},
		{cold + 1, 6, "2 of the 6 must wait until other replicas have left"},
	} {
		s := newScene(t)
		s.workers("general", "", "", "", "", "", "", "", "")
		s.workers("batch", "bulk")
		s.ready("bulk", 100_000)
		h := s.h.Pools["general"]
		h.Needs = map[string][]facts.Want{"standard": {{At: t0.Add(-c.ago), Replicas: 8}}}
		s.h.Pools["general"] = h
		d, _ := Decide(s.p, s.o, s.h)
		if general := d.Plans[0]; len(general.Park) != c.parks {
			t.Errorf("after %s, general parks %v: %s", c.ago, general.Park, general.Why)
		}
		if batch := d.Plans[1]; !strings.HasSuffix(batch.Why, c.why) {
			t.Errorf("after %s, batch: %s", c.ago, batch.Why)
		}
	}
}
