package replay

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

const s = time.Second

func TestFleetOf(t *testing.T) {
	began := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return began.Add(d) }
	fleet, cost, starts := fleetOf([]life{
		{from: at(-5 * s), end: at(2 * s)}, // from before: two seconds of it count
		{from: at(1 * s)},                  // still there
		{from: at(1500 * time.Millisecond), end: at(2500 * time.Millisecond)},
		{from: at(-9 * s), end: at(-s)},   // gone before
		{from: at(7 * s), end: at(9 * s)}, // not there yet
	}, began, 4*s)
	if want := []int{1, 2, 2, 1}; !slices.Equal(fleet, want) || cost != 2+3+1 || starts != 2 {
		t.Errorf("%v, %g worker-seconds, %d starts; want %v, 6, 2", fleet, cost, starts, want)
	}
}

// Only jobs that waited while the one before them ended say how long a slot takes between two.
func TestTurn(t *testing.T) {
	p := &lanes.Policy{Pools: []lanes.Pool{{Name: "p", Shoulder: map[string]int{"express": 1}}}}
	rec := func(lane string, ready, started, ended time.Duration) job.Record {
		at := func(d time.Duration) time.Time { return time.Unix(1000, 0).Add(d) }
		return job.Record{Lane: lane, Worker: "w", ReadyAt: at(ready), StartedAt: at(started), EndedAt: at(ended)}
	}
	got := turn([]job.Record{
		rec("standard", 0, 0, 2*s), rec("standard", s, 2*s+20*time.Millisecond, 4*s),
		rec("standard", 5*s, 5*s, 6*s), rec("express", 0, 6*s, 7*s), rec("standard", s, 9*s, 10*s),
		rec("standard", s, 10*s+40*time.Millisecond, 11*s),
	}, p)
	if got != 30*time.Millisecond {
		t.Errorf("%s, want 30ms", got)
	}
}

func TestMedian(t *testing.T) {
	of := func(n int) Outcome {
		return Outcome{
			Lanes:         []Waits{{"a", 1, time.Duration(n) * s, time.Duration(2*n) * s}},
			WorkerSeconds: float64(n), Starts: n, Fleet: []int{n, 0},
		}
	}
	m := Median([]Outcome{of(5), of(1), of(3)})
	if m.Lanes[0].P50 != 3*s || m.Lanes[0].P95 != 6*s || m.WorkerSeconds != 3 || m.Starts != 3 || m.Fleet[0] != 3 {
		t.Error(m)
	}
}
