package rabbit

import (
	"math"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// This file is a retry's way out of its lane and back: which delay queue it waits in, the message that puts it there, and the one that
// brings it back. The forwarder carries it, at its time.

const DelayPrefix = "siren.delay."

// bucket is one delay queue.
type bucket struct {
	queue string
	reach time.Duration // the longest that a job in it has to wait
}

// buckets are the delay queues, shortest first.
var buckets = []bucket{
	{DelayPrefix + "1s", time.Second},
	{DelayPrefix + "5s", 5 * time.Second},
	{DelayPrefix + "15s", 15 * time.Second},
	{DelayPrefix + "1m", time.Minute},
	{DelayPrefix + "5m", 5 * time.Minute},
	{DelayPrefix + "15m", 15 * time.Minute},
	{farQueue, math.MaxInt64},
}

// farQueue has the jobs that are due later than the others reach. They go round in it until one of the others fits: in one of those they would
// stand before jobs that are due sooner.
const farQueue = DelayPrefix + "far"

// fitting is the first bucket that reaches as far as the wait.
func fitting(wait time.Duration) bucket {
	return buckets[slices.IndexFunc(buckets, func(b bucket) bool { return wait <= b.reach })]
}

// longest is how far the last bucket reaches whose jobs come back at an exact time.
func longest() time.Duration { return buckets[len(buckets)-2].reach }

// delayed is the job put off for a while; the forwarder puts it back into its lane.
func delayed(d lanes.Delivery, disp lanes.Disposition, now time.Time) message {
	h := headers{
		enqueuedAt: d.EnqueuedAt, readyAt: d.ReadyAt, dueAt: now.Add(disp.After),
		attempt: max(1, d.Attempt), replay: d.Replay, lane: d.Lane, priority: d.Job.Priority, error: disp.Error,
	}
	if disp.Counted {
		h.attempt++
	}
	return newMessage("", fitting(disp.After).queue, d.Job.ID, d.Body, h, now)
}

// ready is a message published afresh to the lane that h says, with h's priority there and ready since then: a delayed job on its way back, or a copy of a waiting
// one. Without a lane it goes to the default one: the exchange sees to that for every routing key it doesn't know.
func ready(from amqp.Delivery, h headers, since, now time.Time) message {
	m := newMessage(JobsExchange, h.lane, from.MessageId, from.Body, headers{
		enqueuedAt: h.enqueuedAt, readyAt: since, attempt: h.attempt, replay: h.replay, error: h.error,
	}, now)
	m.Priority = uint8(h.priority)
	return m
}
