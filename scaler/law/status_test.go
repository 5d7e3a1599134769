package law

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

func TestSnapshot(t *testing.T) {
	s := newScene(t)
	s.workers("general", "standard", "bulk express!", "standard parked", "retired")
	s.starting("general", 1, "no image")
	s.starting("general", 2, "")
	// the other one's isn't known
	s.pool("general", func(q *fleet.PoolState) { q.Members[6].CreatedAt = t0.Add(-4 * time.Second) })
	s.workers("batch", "bulk")
	s.ready("standard", 9)
	s.ready("bulk", 5)
	s.p.Lanes[2].Paused, s.p.Pools[1].Frozen = true, true
	s.h.Lanes["bulk"] = facts.LaneHistory{LastEmpty: t0.Add(-time.Minute)} // of which nothing has finished yet
	s.p.Timing.ServiceTime = lanes.Duration(10 * time.Second)
	d, _ := Decide(s.p, s.o, s.h)
	type laneView struct {
		ready, busy, slots int
		service            time.Duration
		paused             bool
	}
	wantLanes := map[string]laneView{
		"express":  {0, 1, 4, 5400 * time.Millisecond, false}, // 2 shared and 2 shoulder slots
		"standard": {9, 2, 2, 5400 * time.Millisecond, false},
		"bulk":     {5, 2, 3, 10 * time.Second, true}, // its own and, as a guest, those of general
	}
	for _, l := range d.Snapshot.Lanes {
		if got := (laneView{l.Ready, l.Busy, l.Slots, l.Service.D(), l.Paused}); got != wantLanes[l.Name] {
			t.Errorf("%s: %+v, want %+v", l.Name, got, wantLanes[l.Name])
		}
	}
	p := d.Snapshot.Pools[0]
	if p.Name != "general" || p.Replicas != 7 || p.Ready != 2 || p.Starting != 2 || p.Parked != 1 || p.Retired != 1 ||
		p.Stuck != 1 ||
		p.Slots != 2 || p.Busy != 2 || p.Min != 2 || p.Max != 8 || p.ColdStart.D() != 9*time.Second ||
		p.Hold.D() != 27*time.Second || p.Frozen || p.Wanted != 7 ||
		!slices.Equal(p.Expected, []time.Time{t0.Add(5 * time.Second), t0.Add(9 * time.Second)}) ||
		p.Target != d.Plans[0].To || p.Reason != d.Plans[0].Reason || p.Why != d.Plans[0].Why {
		t.Errorf("%+v", p)
	}
	if p := d.Snapshot.Pools[1]; !p.Frozen || p.Wanted != 1 || p.Expected != nil {
		t.Errorf("%+v", p)
	}
	if wait := d.Snapshot.Lanes[2].OldestWait.D(); wait != time.Minute {
		t.Errorf("the oldest job of the paused lane waits %s", wait)
	}
	if d.Snapshot.Budget != 12 || d.Snapshot.At != t0 {
		t.Errorf("%+v", d.Snapshot)
	}
}
