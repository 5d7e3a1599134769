package topology

import (
	"math"
	"slices"
	"time"
)

// DelayPrefix begins the names of the delay queues.
const DelayPrefix = "siren.delay."

// Bucket is one delay queue.
type Bucket struct {
	Queue string
	Reach time.Duration // the longest that a job in it has to wait
}

// Buckets are the delay queues, shortest first.
var Buckets = []Bucket{
	{DelayPrefix + "1s", time.Second},
	{DelayPrefix + "5s", 5 * time.Second},
	{DelayPrefix + "15s", 15 * time.Second},
	{DelayPrefix + "1m", time.Minute},
	{DelayPrefix + "5m", 5 * time.Minute},
	{DelayPrefix + "15m", 15 * time.Minute},
	{FarQueue, math.MaxInt64},
}

// FarQueue has the jobs that are due later than the others reach. They go round in it until one of the others fits: in
// one of those they would stand before jobs that are due sooner.
const FarQueue = DelayPrefix + "far"

// Fitting returns the first bucket that reaches as far as the wait.
func Fitting(wait time.Duration) Bucket {
	return Buckets[slices.IndexFunc(Buckets, func(b Bucket) bool { return wait <= b.Reach })]
}

// Longest returns the reach of the last bucket whose jobs come back at an exact time.
func Longest() time.Duration { return Buckets[len(Buckets)-2].Reach }
