package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
)

const evenings = usual + `
schedules:
  - name: friday
    at: fri 18:00
    every: week
    for: 1h
    timezone: Europe/Berlin
    set: {pools.general.min: 12, pools.general.max: 40, budget: 44, lanes.bulk.paused: true}
`

// At the minute the workers of a scheduled floor are ready, whatever they take to start, and no earlier than that
// needs; an hour later they go.
func TestAScheduledFloorIsReadyAtTheMinute(t *testing.T) {
	for name, cold := range map[string]sim.Cold{
		"fast":      {Median: 2 * time.Second},
		"slow":      {Median: time.Minute},
		"unsteady":  {Median: 20 * time.Second, CV: 0.2},
		"very slow": {Median: 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			p := policyOf(t, evenings)
			// some jobs before, from which the cold start is known
			made := load.Made{
				Pattern: load.Batch, Rate: 0.05, Period: 10 * time.Minute, Service: 10 * time.Second,
				Spread: load.Fixed, Shares: []float64{0, 1, 0}, For: 40 * time.Minute, Seed: 1,
			}
			c := sim.NewConfig(p, made.Jobs(), 3*time.Hour)
			c.Start = time.Date(2026, 12, 4, 16, 0, 0, 0, time.UTC) // an hour before
			c.Cold, c.Sample, c.Seed = cold, 10*time.Second, 3
			r := play(t, c, sim.NewSiren(p))
			ready := func(after time.Duration) (up, all int) {
				for _, pt := range r.Series {
					if pt.At.D() == after {
						q := pt.Pools[0]
						return q.Busy + q.Idle, q.Replicas
					}
				}
				t.Fatalf("there is no point at %s", after)
				return 0, 0
			}
			if up, _ := ready(time.Hour); up < 12 {
				t.Errorf("at the minute %d workers are ready, want 12", up)
			}
			early := 2*cold.Median + 10*time.Second
			if up, all := ready((time.Hour - early).Truncate(10 * time.Second)); all > 4 {
				t.Errorf("%s before %d workers are ready, and %d asked for", early, up, all)
			}
			if up, _ := ready(2*time.Hour - 10*time.Second); up < 12 {
				t.Errorf("at its end %d workers are ready, want 12", up)
			}
			if _, all := ready(3 * time.Hour); all > 4 {
				t.Errorf("an hour after its end there are %d workers", all)
			}
			found := false
			for _, d := range r.Decisions {
				found = found || strings.Contains(d.Why, "for schedule friday from 18:00 CET on")
			}
			if !found {
				t.Error("no decision says what the workers are for")
			}
		})
	}
}

// What else a schedule sets is so at the minute, in the plant too: a paused lane's jobs wait for its end.
func TestASchedulePausesALane(t *testing.T) {
	p := policyOf(t, evenings)
	jobs := load.Listed{
		{At: 30 * time.Minute, Lane: 2, Service: time.Second}, {At: 70 * time.Minute, Lane: 2, Service: time.Second},
	}
	c := sim.NewConfig(p, jobs.Jobs(), 4*time.Hour)
	c.Start = time.Date(2026, 12, 4, 16, 0, 0, 0, time.UTC)
	r := play(t, c, sim.NewSiren(p))
	if l := r.Lanes[2]; l.Ended != 2 || l.Max.D() < 50*time.Minute || l.Max.D() > 52*time.Minute {
		t.Errorf("%+v", l)
	}
}
