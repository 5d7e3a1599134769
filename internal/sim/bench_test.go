package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
)

// BenchmarkJobs is how many jobs a core plays in a second, with a tick of the scaler each simulated second: on a fleet
// of the usual size, and on one with 1,000 lanes and 10,000 workers (docs/simulating.md).
func BenchmarkJobs(b *testing.B) {
	for _, c := range []struct {
		name    string
		policy  *lanes.Policy
		rate    float64
		service time.Duration
	}{
		{"30 workers, 100 ms each", policyOf(b, usual), 180, 100 * time.Millisecond},
		{"200 pools, 10000 workers", policyOf(b, wide(200)), 8000, time.Second},
	} {
		b.Run(c.name, func(b *testing.B) {
			jobs := 0
			shares := make([]float64, len(c.policy.Lanes))
			for i := range shares {
				shares[i] = 1 / float64(len(shares))
			}
			lasts := time.Duration(float64(400_000) / c.rate * float64(time.Second))
			b.ReportAllocs()
			for b.Loop() {
				made := load.Made{
					Pattern: load.Poisson, Rate: c.rate, Period: time.Hour, Service: c.service,
					Spread: load.Exponential, Shares: shares, For: lasts, Seed: 1,
				}
				r, err := sim.Run(b.Context(), sim.NewConfig(c.policy, made.Jobs(), lasts), sim.NewSiren(c.policy))
				if err != nil {
					b.Fatal(err)
				}
				for _, l := range r.Lanes {
					jobs += l.Ended
				}
			}
			b.ReportMetric(float64(jobs)/b.Elapsed().Seconds(), "jobs/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(jobs), "ns/job")
		})
	}
}

// wide is a policy of so many pools, each home to five lanes and with up to fifty workers.
func wide(pools int) string {
	lanes, text := "lanes:\n", "pools:\n"
	for i := range pools {
		text += fmt.Sprintf("  - {name: p%[1]d, lanes: [l%[1]d-0, l%[1]d-1, l%[1]d-2, l%[1]d-3, l%[1]d-4], "+
			"shoulder: {l%[1]d-0: 1}, min: 40, max: 50}\n", i)
		for k := range 5 {
			match := fmt.Sprintf("match: [\"lane=l%d-%d\"], ", i, k)
			if i+k == 0 {
				match = ""
			}
			lanes += fmt.Sprintf("  - {name: l%d-%d, %sstartWithin: %ds}\n", i, k, match, 10*(k+1))
		}
	}
	return lanes + text + fmt.Sprintf("budget: %d\n", 50*pools)
}
