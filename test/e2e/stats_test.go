//go:build e2e

package e2e

import (
	"iter"
	"maps"
	"slices"
	"time"
)

func keysOf[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// median returns the middle one; 0 of none.
func median(of []time.Duration) time.Duration { return quantile(of, 0.5) }

// quantile returns the value below which the share q of them lies.
func quantile(of []time.Duration, q float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
