package yardstick

import (
	"time"

	"github.com/polyglot-media/siren/test/bench/report"
)

// Arrivals is when the jobs of one slot came, in order.
type Arrivals []time.Time

// PerSecond returns the throughput of all slots together.
func PerSecond(slots []Arrivals) float64 {
	var first, last time.Time
	n := 0
	for _, s := range slots {
		if len(s) == 0 {
			continue
		}
		n += len(s)
		if first.IsZero() || s[0].Before(first) {
			first = s[0]
		}
		if end := s[len(s)-1]; end.After(last) {
			last = end
		}
	}
	return float64(n-1) / last.Sub(first).Seconds()
}

// PerJob returns the median time in milliseconds that a slot needs for one job: from its arrival to that of the next.
func PerJob(slots []Arrivals) float64 {
	var times []float64
	for _, s := range slots {
		for i := 1; i < len(s); i++ {
			times = append(times, report.Millis(s[i].Sub(s[i-1])))
		}
	}
	return report.Percentile(times, 50)
}
