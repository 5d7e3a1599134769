package report

import (
	"math"
	"slices"
	"time"
)

// Percentile returns the p-th (0 to 100) of the values by nearest rank: one of the values, never between two.
func Percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// Median returns the middle value, the mean of the middle two when there are as many below as above.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[half-1] + sorted[half]) / 2
	}
	return sorted[half]
}

// Pairwise combines the values of each run.
func Pairwise(x, y []float64, combine func(x, y float64) float64) []float64 {
	pairs := make([]float64, min(len(x), len(y)))
	for i := range pairs {
		pairs[i] = combine(x[i], y[i])
	}
	return pairs
}

// over divides.
func over(x, y float64) float64 { return x / y }

// Minus subtracts.
func Minus(x, y float64) float64 { return x - y }

// Millis returns d in milliseconds.
func Millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
