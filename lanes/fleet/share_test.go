package fleet

import (
	"math"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

func TestShare(t *testing.T) {
	for name, c := range map[string]struct {
		cores, others float64
		weights, can  []float64
		want          []float64 // how fast
	}{
		"enough for all":           {4, 0, []float64{1, 1}, []float64{1, 2}, []float64{1, 1}},
		"half of it each":          {2, 0, []float64{1, 1}, []float64{2, 2}, []float64{0.5, 0.5}},
		"by weight":                {1, 0, []float64{3, 1}, []float64{1, 1}, []float64{0.75, 0.25}},
		"what one can't use":       {2, 0, []float64{3, 1}, []float64{0.5, 2}, []float64{1, 0.75}},
		"others compete":           {2, 2, []float64{1, 1}, []float64{1, 1}, []float64{0.5, 0.5}},
		"fewer have less together": {2, 2, []float64{1}, []float64{1}, []float64{2.0 / 3}},
		"nothing is known of it":   {0, 0, []float64{1, 1}, []float64{9, 9}, []float64{1, 1}},
		"nor of a job":             {1, 0, []float64{1, 1}, []float64{0, 1}, []float64{1, 1}},
		"alone it has what it can": {1, 0, []float64{1}, []float64{3}, []float64{1}},
	} {
		h := foreseenHost{cores: c.cores, others: c.others}
		for i := range c.weights {
			h.slots = append(h.slots, &foreseenSlot{left: time.Second, weight: c.weights[i], cores: c.can[i]})
		}
		h.share()
		for i, s := range h.slots {
			if math.Abs(s.rate-c.want[i]) > 1e-9 {
				t.Errorf("%s: job %d goes at %v, want %v", name, i, s.rate, c.want[i])
			}
		}
	}
}

// Jobs that share a machine slow each other down, the less urgent ones most; on machines of their own they don't.
func TestForecastOnSharedMachines(t *testing.T) {
	now, s := time.Unix(5000, 0), time.Second
	policy, err := lanes.Load("../testdata/siren.yaml")
	if err != nil {
		t.Fatal(err)
	}
	beat := func(name, host string, computing float64, lane string) Heartbeat {
		h := Heartbeat{
			Worker: name, Pool: "general", At: now, Slots: 1, Host: host, Cores: 2, Computing: computing,
			Running: []Run{{Job: name, Lane: lane, Since: now}},
		}
		return h
	}
	load := Load{Alone: 10 * s, Cores: 1.2} // of the two cores 1.2 are usable
	for name, c := range map[string]struct {
		workers  []Heartbeat
		pools    []PoolStatus
		ahead    int
		min, max time.Duration
	}{
		"each its own": {
			workers: []Heartbeat{beat("a", "a", 1.2, "standard"), beat("b", "b", 1.2, "standard")},
			min:     10 * s, max: 10 * s,
		},
		"one machine": {
			workers: []Heartbeat{beat("a", "m", 0.6, "standard"), beat("b", "m", 0.6, "standard")},
			min:     20 * s, max: 20 * s,
		},
		"bulk pulls over": {
			workers: []Heartbeat{beat("a", "m", 1, "standard"), beat("b", "m", 0.2, "bulk")},
			min:     11 * s, max: 13 * s,
		},
		"strangers compete": {
			workers: []Heartbeat{beat("a", "m", 0.3, "standard"), beat("b", "m", 0.3, "standard")},
			min:     40 * s, max: 40 * s,
		},
		"a worker that starts shares it, too": {
			workers: []Heartbeat{beat("a", "m", 1.2, "standard")},
			pools:   []PoolStatus{{Name: "general", Target: 2, Ready: 1, Expected: []time.Time{now}}},
			ahead:   1, min: 18 * s, max: 20 * s,
		},
	} {
		f := Forecast{
			Effective: &lanes.Effective{Policy: *policy}, Workers: c.workers,
			Snapshot: Snapshot{At: now, Lanes: []LaneStatus{{Name: "standard", Ready: c.ahead + 1}}, Pools: c.pools},
			Left:     map[string]Load{"a": load, "b": load}, Waiting: map[string][]Load{"standard": {load}},
		}
		got, ok := f.Start("standard", c.ahead)
		if got = got.Round(time.Millisecond); !ok || got < c.min || got > c.max {
			t.Errorf("%s: %s, %t; want %s to %s", name, got, ok, c.min, c.max)
		}
	}
}

// A pool whose own lanes are empty keeps its guests' slots for the hold window only.
func TestForecastShrinks(t *testing.T) {
	now, s := time.Unix(5000, 0), time.Second
	policy, err := lanes.Load("../testdata/siren.yaml")
	if err != nil {
		t.Fatal(err)
	}
	beat := func(name string) Heartbeat { return Heartbeat{Worker: name, Pool: "general", At: now, Slots: 1} }
	for hold, want := range map[time.Duration]time.Duration{
		0:         40 * s, // it isn't known how the pool shrinks: two slots take ten jobs before
		25 * s:    50 * s, // three rounds of two, and then one slot alone
		time.Hour: 40 * s,
	} {
		f := Forecast{
			Effective: &lanes.Effective{Policy: *policy}, Workers: []Heartbeat{beat("a"), beat("b")},
			Snapshot: Snapshot{
				At: now, Lanes: []LaneStatus{{Name: "bulk", Ready: 9, Service: lanes.Duration(10 * s)}},
				Pools: []PoolStatus{{Name: "general", Min: 1, Target: 2, Ready: 2, Hold: lanes.Duration(hold)}},
			},
		}
		if got, ok := f.Start("bulk", 8); !ok || got != want {
			t.Errorf("hold %s: %s, %t; want %s", hold, got, ok, want)
		}
	}
}
