package scaler

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestRates(t *testing.T) {
	tests := []struct {
		name    string
		flow    []FlowSample
		in, out float64 // per minute
	}{
		{"nothing yet", nil, 0, 0},
		{"one look says nothing", []FlowSample{{at(0), 100, 0}}, 0, 0},
		{"a window that has only begun", []FlowSample{{at(0), 100, 0}, {at(10), 5, 2}}, 30, 12},
		{
			"a full one; what came before it doesn't count",
			[]FlowSample{{at(0), 100, 9}, {at(30), 5, 2}, {at(60), 1, 4}},
			6, 6,
		},
		{"no time has passed", []FlowSample{{at(0), 1, 1}, {at(0), 1, 1}}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if in, out := rates(tt.flow); in != tt.in || out != tt.out {
				t.Errorf("rates = %g in, %g out; want %g, %g", in, out, tt.in, tt.out)
			}
		})
	}
}

func TestJudgeWaits(t *testing.T) {
	waits := func(n int, w time.Duration) (all []WaitSample) {
		for range n {
			all = append(all, WaitSample{t0, w})
		}
		return all
	}
	tests := []struct {
		name            string
		samples         []WaitSample
		started, inTime int
		p95             time.Duration
		met             bool
	}{
		{"no starts", nil, 0, 0, 0, true},
		{"one", waits(1, time.Second), 1, 1, time.Second, true},
		{"exactly on time", waits(1, 10*time.Second), 1, 1, 10 * time.Second, true},
		{"one of twenty late", append(waits(19, time.Second), waits(1, time.Minute)...), 20, 19, time.Second, true},
		{"two of twenty late", append(waits(18, time.Second), waits(2, time.Minute)...), 20, 18, time.Minute, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fleet.LaneStatus{StartWithin: lanes.Duration(10 * time.Second)}
			judgeWaits(&s, tt.samples)
			if s.Started != tt.started || s.InTime != tt.inTime || s.P95Wait.D() != tt.p95 || s.Objective() != tt.met {
				t.Errorf("%+v, objective met: %v", s, s.Objective())
			}
		})
	}
}

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
	s.h.Lanes["bulk"] = LaneHistory{LastEmpty: t0.Add(-time.Minute)} // of which nothing has finished yet
	s.p.Timing.ServiceTime = lanes.Duration(10 * time.Second)
	d, _ := Decide(s.p, s.o, s.h)
	type laneView struct {
		ready, busy, slots int
		service            time.Duration
		paused             bool
	}
	wantLanes := map[string]laneView{
		"express":  {0, 1, 4, 2200 * time.Millisecond, false}, // 2 shared and 2 shoulder slots
		"standard": {9, 2, 2, 2200 * time.Millisecond, false},
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
