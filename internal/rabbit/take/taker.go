// Package take takes jobs from RabbitMQ for a worker's slots, most urgent lane first, and settles them. Which lanes a
// slot serves, and what becomes of a job, comes from the callers.
package take

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// lookAgain is how long a lane whose queue isn't there is left out.
const lookAgain = time.Second

// Taker takes jobs for one worker, each slot by itself. Its slots share one connection and the order of lanes that
// Follow sets. It is safe for concurrent use; a Slot belongs to one goroutine.
type Taker struct {
	// Lowered is told of jobs that were put back since they had a higher priority than their lane allows, with that
	// which they have now. It is set before the first job is taken; nil: nobody wants to know.
	Lowered func(ctx context.Context, jobs []work.Delivery)
	// Pause comes before a job goes back whose retry or dead letter couldn't be published, and is how long it is tried
	// to put jobs in hand back: 5 s, unless it is set before the first job is taken.
	Pause time.Duration

	conn    *rabbitlink.Conn
	publish *confirms.Publisher
	pool    string
	log     *slog.Logger

	mu        sync.Mutex
	effective *lanes.Effective          // nil until the first Follow
	changed   chan struct{}             // closed and replaced at each Follow
	absent    map[lanes.Queue]time.Time // queues that aren't there, and when to look again
	said      map[lanes.Queue]string    // what was last complained about, by queue; the zero Queue is the channel
	lowered   map[string]int            // what was last said to be allowed, by lane (see lower)
}

// NewTaker takes jobs for a worker of the pool. consume must publish nothing, or an alarm stops the taking too; publish
// carries retries and dead letters. Nothing is taken before the first Follow.
func NewTaker(consume *rabbitlink.Conn, publish *confirms.Publisher, pool string) *Taker {
	return &Taker{
		conn: consume, publish: publish, pool: pool,
		log:     consume.Log(),
		Pause:   5 * time.Second,
		changed: make(chan struct{}),
		absent:  map[lanes.Queue]time.Time{},
		said:    map[lanes.Queue]string{},
		lowered: map[string]int{},
	}
}

// Follow sets the order of lanes that shared slots take by, and which lanes are paused, from now on: slots that wait
// for a job follow at once.
func (t *Taker) Follow(e *lanes.Effective) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.effective = e
	close(t.changed)
	t.changed = make(chan struct{})
}

// Shared returns a new slot that takes the most urgent job of all lanes that its pool serves.
func (t *Taker) Shared() *Slot { return &Slot{taker: t, backoff: rabbitlink.NewBackoff()} }

// Shoulder returns a new slot for one lane alone. The broker gives it a job only while no shared slot waits for one.
func (t *Taker) Shoulder(lane string) *Slot {
	return &Slot{taker: t, lane: lane, backoff: rabbitlink.NewBackoff()}
}

// Subscribed reports whether slots can get jobs: there is a session with the broker, and an order to take by.
func (t *Taker) Subscribed() bool {
	t.mu.Lock()
	following := t.effective != nil
	t.mu.Unlock()
	return following && t.conn.Up()
}

// order is which queues a slot tries now.
type order struct {
	queues  []lanes.Queue   // of the most urgent lane first; without absent ones
	plain   bool            // one queue and no other: subscribe to it and stay so
	changed <-chan struct{} // closed when the order is void
	again   <-chan time.Time
}

// order returns the order of a slot; lane is a shoulder's, "" for a shared slot.
func (t *Taker) order(lane string, turn int) order {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := order{changed: t.changed}
	all := t.served(lane, turn)
	o.plain = len(all) == 1
	for _, q := range all {
		if wait := time.Until(t.absent[q]); wait <= 0 {
			o.queues = append(o.queues, q)
		} else if o.again == nil {
			o.again = time.After(wait)
		}
	}
	return o
}

// served lists the queues that a slot takes from at its turn, absent ones too. The caller holds mu.
func (t *Taker) served(lane string, turn int) (queues []lanes.Queue) {
	switch {
	case t.effective == nil:
		return nil
	case lane == "":
		for _, l := range t.effective.TakeOrder(t.pool, turn) {
			queues = append(queues, t.effective.QueuesOf(l)...)
		}
		return queues
	case t.effective.Policy.Paused(lane):
		return nil
	}
	return t.effective.QueuesOf(lane)
}

// paused reports whether the lane is paused: nobody may take from it now.
func (t *Taker) paused(lane string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.effective != nil && t.effective.Policy.Paused(lane)
}

// queueError is an error about one lane's queue.
type queueError struct {
	queue lanes.Queue
	err   error
}

func (e *queueError) Error() string { return fmt.Sprintf("lane %q: %v", e.queue.Lane, e.err) }
func (e *queueError) Unwrap() error { return e.err }

// trouble notes an error that cost a slot its channel, and is whether the slot should pause before its next attempt.
func (t *Taker) trouble(err error) (pause bool) {
	var about *queueError
	if !errors.As(err, &about) {
		t.complain(lanes.Queue{}, "can't take jobs; retrying", err)
		return true
	}
	if !rabbitlink.Absent(err) {
		t.complain(about.queue, "can't take jobs from a lane; retrying", err)
		return true
	}
	t.mu.Lock()
	t.absent[about.queue] = time.Now().Add(lookAgain)
	t.mu.Unlock()
	t.complain(about.queue, "a lane's queue isn't there: "+
		"start `siren scaler` (or `siren up`), which declares it; the other lanes are served", err)
	return false
}

// complain warns, the same about the same thing only once.
func (t *Taker) complain(about lanes.Queue, message string, err error) {
	t.mu.Lock()
	text := plain.Trouble(err)
	known := t.said[about] == text
	t.said[about] = text
	t.mu.Unlock()
	if !known {
		t.log.Warn(message, slog.String("lane", about.Lane), slog.Any("error", err))
	}
}

// fine takes complaints back.
func (t *Taker) fine(q lanes.Queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.said) > 0 {
		delete(t.said, q)
		delete(t.said, lanes.Queue{})
		delete(t.absent, q)
	}
}
