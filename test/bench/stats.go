package main

import (
	"math"
	"slices"
	"time"
)

// percentile returns the p-th (0 to 100) of the values by nearest rank: one of the values, never between two.
func percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// median returns the middle value, the mean of the middle two when there are as many below as above.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[half-1] + sorted[half]) / 2
	}
	return sorted[half]
}

// pairwise combines the values of each run.
func pairwise(x, y []float64, combine func(x, y float64) float64) []float64 {
	pairs := make([]float64, min(len(x), len(y)))
	for i := range pairs {
		pairs[i] = combine(x[i], y[i])
	}
	return pairs
}

func over(x, y float64) float64  { return x / y }
func minus(x, y float64) float64 { return x - y }

// millis returns d in milliseconds.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
