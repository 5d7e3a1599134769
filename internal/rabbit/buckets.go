package rabbit

import (
	"math"
	"slices"
	"time"
)

const delayPrefix = "siren.delay."

// bucket is one delay queue.
type bucket struct {
	queue string
	reach time.Duration // the longest that a job in it has to wait
}

// buckets are the delay queues, shortest first.
var buckets = []bucket{
	{delayPrefix + "1s", time.Second},
	{delayPrefix + "5s", 5 * time.Second},
	{delayPrefix + "15s", 15 * time.Second},
	{delayPrefix + "1m", time.Minute},
	{delayPrefix + "5m", 5 * time.Minute},
	{delayPrefix + "15m", 15 * time.Minute},
	{farQueue, math.MaxInt64},
}

// farQueue has the jobs that are due later than the others reach. They go round in it until one of the others fits: in one of those they would
// stand before jobs that are due sooner.
const farQueue = delayPrefix + "far"

// fitting is the first bucket that reaches as far as the wait.
func fitting(wait time.Duration) bucket {
	return buckets[slices.IndexFunc(buckets, func(b bucket) bool { return wait <= b.reach })]
}

// longest is how far the last bucket reaches whose jobs come back at an exact time.
func longest() time.Duration { return buckets[len(buckets)-2].reach }
