package law

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/fleet"
)

// What comes of pausing lanes and freezing pools, tick by tick on the tiny fleet (fleet_test.go).

func TestPausedLaneIsNotSizedFor(t *testing.T) {
	w := newWorld(t, oneLane)
	w.run(5 * time.Second)
	w.tune("lanes.standard.paused", "true")
	w.put("standard", 200)
	w.run(2 * time.Minute)
	if len(w.plans) > 0 || w.running("general") > 0 {
		t.Fatalf("%d jobs of a paused lane run\n%s", w.running("general"), w.told())
	}
	l := w.d.Snapshot.Lanes[0]
	if !l.Paused || l.Stale || l.Ready != 200 || l.OldestWait.D() < time.Minute {
		t.Errorf("it still shows what waits, and a queue without consumers is as it should be: %+v", l)
	}
	w.tune("lanes.standard.paused", "false")
	w.run(time.Second)
	if p := w.plan("general"); p.To != 10 {
		t.Errorf("once it is resumed, its jobs count: %+v", p)
	}
	w.until("all have run", 2*time.Minute, func() bool { return len(w.queues["standard"])+w.running("general") == 0 })
}

// A queue that nobody may take from is empty and without consumers for good reason.
func TestEmptyPausedLaneIsNotStale(t *testing.T) {
	w := newWorld(t, oneLane)
	w.put("standard", 100)
	w.run(20 * time.Second)
	w.queues["standard"] = nil // purged
	w.tune("lanes.standard.paused", "true")
	w.until("back at min", 2*time.Minute, func() bool {
		if l := w.d.Snapshot.Lanes[0]; l.Stale {
			t.Fatalf("%+v", l)
		}
		return len(w.pools["general"].workers) == 2
	})
}

// What runs in a paused lane runs on: its workers are parked no sooner than they are idle.
func TestPausedLaneFinishesWhatRuns(t *testing.T) {
	w := newWorld(t, threeLanes)
	w.service["bulk"] = 60 * time.Second
	w.put("bulk", 500)
	w.until("the pool is busy", time.Minute, func() bool { return w.running("batch") == 4 })
	w.tune("lanes.bulk.paused", "true")
	left := len(w.queues["bulk"])
	w.until("the pool is empty", 5*time.Minute, func() bool { return len(w.pools["batch"].workers) == 0 })
	if len(w.queues["bulk"]) != left {
		t.Errorf("%d jobs were started while the lane was paused", left-len(w.queues["bulk"]))
	}
	if len(w.d.Turns) > 0 {
		t.Errorf("it has waited long enough to be promoted, and nobody takes from it: turns %v", w.d.Turns)
	}
	w.tune("lanes.bulk.paused", "false")
	w.run(time.Second)
	if w.d.Turns["bulk"] != "standard" {
		t.Errorf("once it is resumed, the wait counts: turns %v", w.d.Turns)
	}
}

func TestPausedLaneKeepsNoReserve(t *testing.T) {
	w := newWorld(t, strings.Replace(threeLanes, "reserve: 1", "reserve: 5", 1))
	w.until("the reserve is there", time.Minute, func() bool { return len(w.pools["general"].workers) == 5 })
	w.tune("lanes.express.paused", "true")
	w.until("the floor is enough", 2*time.Minute, func() bool { return len(w.pools["general"].workers) == 2 })
	w.tune("lanes.express.paused", "false")
	w.run(time.Second)
	if p := w.plan("general"); p.To != 5 || p.Reason != fleet.Reserve {
		t.Errorf("%+v", p)
	}
}

func TestFrozenPoolStaysAsItIs(t *testing.T) {
	w := newWorld(t, oneLane)
	w.run(5 * time.Second)
	w.tune("pools.general.frozen", "true")
	w.put("standard", 100)
	w.run(10 * time.Second)
	if p := w.plan("general"); len(w.plans) > 0 || p.Reason != fleet.Frozen ||
		!strings.HasSuffix(p.Why, "; the pool is frozen at 2; 10 would do") {
		t.Fatalf("it doesn't grow: %+v", p)
	}
	if p := w.d.Snapshot.Pools[0]; !p.Frozen || p.Wanted != 10 || p.Target != 2 {
		t.Errorf("the snapshot: %+v", p)
	}
	w.tune("pools.general.frozen", "false")
	w.run(time.Second)
	if p := w.plan("general"); p.To != 10 {
		t.Fatalf("once it isn't frozen, it does: %+v", p)
	}
	w.until("some park", 2*time.Minute, func() bool { return len(w.plan("general").Park) > 0 })
	w.run(2 * time.Second)
	w.tune("pools.general.frozen", "true")
	from := w.pools["general"].replicas
	w.run(2 * time.Minute)
	if n := w.pools["general"].replicas; n != from {
		t.Errorf("it shrank from %d to %d", from, n)
	}
	for _, n := range w.pools["general"].workers {
		if n.Parked && !n.Retired && !n.retireOrdered {
			t.Errorf("%s is still parked", n.Worker)
		}
	}
	w.tune("pools.general.frozen", "false")
	w.until("back at min", 2*time.Minute, func() bool { return len(w.pools["general"].workers) == 2 })
}

// What is frozen counts against the budget, and what isn't there can't be given to others.
func TestFrozenPoolAndTheBudget(t *testing.T) {
	w := newWorld(t, strings.Replace(threeLanes, "max: 4", "max: 10", 1))
	w.service["bulk"] = 60 * time.Second
	w.put("bulk", 5000)
	w.until("batch has what general leaves", time.Minute, func() bool { return w.pools["batch"].replicas == 10 })
	w.tune("pools.batch.frozen", "true")
	w.put("standard", 500)
	w.run(time.Minute)
	if p := w.plan("general"); p.To != 2 || p.Reason != fleet.Budget {
		t.Errorf("general: %+v", p)
	}
	if p := w.plan("batch"); p.To != 10 || p.Reason != fleet.Frozen {
		t.Errorf("batch: %+v", p)
	}
}

// From the order to retire until the promise, the reason doesn't go back to parking: one retirement is one story.
func TestRetiringIsOneStory(t *testing.T) {
	w := newWorld(t, oneLane)
	w.put("standard", 100)
	w.until("retires", 2*time.Minute, func() bool { return len(w.plan("general").Retire) > 0 })
	var reasons []fleet.Reason
	for w.pools["general"].replicas == 10 {
		reasons = append(reasons, w.plan("general").Reason)
		w.run(time.Second)
	}
	if len(reasons) < 2 || slices.ContainsFunc(reasons, func(r fleet.Reason) bool { return r != fleet.Retiring }) {
		t.Errorf("from the order until the first removal: %v\n%s", reasons, w.told())
	}
}
