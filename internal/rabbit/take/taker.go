// Package take takes jobs from RabbitMQ for a worker's slots, most urgent lane first, and settles them. Which lanes a
// slot serves, and what becomes of a job, comes from the callers.
package take

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// Taker takes jobs for one worker, each slot by itself. Its slots share one connection and the order of lanes that
// Follow sets. It is safe for concurrent use; a Slot belongs to one goroutine.
type Taker struct {
	// Lowered is told of jobs that were put back since they had a higher priority than their lane allows, with that
	// which they have now. It is set before the first job is taken; nil: nobody wants to know.
	Lowered func(ctx context.Context, jobs []work.Delivery)
	// Pause comes before a job goes back whose retry or dead letter couldn't be published, and is how long it is tried
	// to put jobs in hand back: 5 s, unless it is set before the first job is taken.
	Pause time.Duration
	// Patience is how long a slot waits for the answer of a queue while others may have jobs: half a second, unless it
	// is set before the first job is taken. A queue that is slower is given four times as long as it takes.
	Patience time.Duration
	// Channels is how many channels all slots may open together: 1,000, unless it is set before the first slot is made.
	// A broker allows 2,047 on a connection, unless it is told otherwise.
	Channels int

	conn    *rabbitlink.Conn
	publish *confirms.Publisher
	pool    string
	log     *slog.Logger

	mu        sync.Mutex
	slots     int                    // that there are
	effective *lanes.Effective       // nil until the first Follow
	changed   chan struct{}          // closed and replaced at each Follow
	said      map[lanes.Queue]string // what was last complained about, by queue; the zero Queue is the channel
	lowered   map[string]int         // what was last said to be allowed, by lane (see lower)
	answers                          // of queues
}

// NewTaker takes jobs for a worker of the pool. consume must publish nothing, or an alarm stops the taking too; publish
// carries retries and dead letters. Nothing is taken before the first Follow.
func NewTaker(consume *rabbitlink.Conn, publish *confirms.Publisher, pool string) *Taker {
	return &Taker{
		conn: consume, publish: publish, pool: pool,
		log:   consume.Log(),
		Pause: 5 * time.Second, Patience: 500 * time.Millisecond, Channels: 1000,
		changed: make(chan struct{}),
		said:    map[lanes.Queue]string{},
		lowered: map[string]int{},
		answers: newAnswers(),
	}
}

// Follow sets the order of lanes that shared slots take by, and which lanes are paused, from now on: slots that wait
// for a job follow at once.
func (t *Taker) Follow(e *lanes.Effective) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.effective = e
	t.reorder()
}

// reorder makes every order void. The caller holds mu.
func (t *Taker) reorder() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// Shared returns a new slot that takes the most urgent job of all lanes that its pool serves.
func (t *Taker) Shared() *Slot { return t.slot("") }

// Shoulder returns a new slot for one lane alone. The broker gives it a job only while no shared slot waits for one.
func (t *Taker) Shoulder(lane string) *Slot {
	return t.slot(lane)
}

func (t *Taker) slot(lane string) *Slot {
	t.mu.Lock()
	t.slots++
	t.mu.Unlock()
	return &Slot{taker: t, lane: lane, lines: map[lanes.Queue]*line{}, backoff: rabbitlink.NewBackoff()}
}

// mayOpen returns how many pairs of channels a slot may have.
func (t *Taker) mayOpen() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(1, t.Channels/(2*t.slots))
}

// Subscribed reports whether slots can get jobs: there is a session with the broker, and an order to take by.
func (t *Taker) Subscribed() bool {
	t.mu.Lock()
	following := t.effective != nil
	t.mu.Unlock()
	return following && t.conn.Up()
}

// order is which queues a slot serves now.
type order struct {
	queues  []lanes.Queue // of the most urgent lane first
	out     map[lanes.Queue]bool
	changed <-chan struct{} // closed when the order is void
}

// order returns the order of a slot; lane is a shoulder's, "" for a shared slot.
func (t *Taker) order(lane string, turn int) order {
	t.mu.Lock()
	defer t.mu.Unlock()
	return order{queues: t.served(lane, turn), out: maps.Clone(t.out), changed: t.changed}
}

// served lists the queues that a slot takes from at its turn, those that are left out too. The caller holds mu.
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

// trouble notes an error that cost a slot a channel, and is whether the slot should pause before its next attempt. A
// queue that isn't there, or doesn't answer, is left out.
func (t *Taker) trouble(err error) (pause bool) {
	var about *queueError
	switch {
	case !errors.As(err, &about):
		t.complain(lanes.Queue{}, "can't take jobs; retrying", err)
		return true
	case rabbitlink.Absent(err):
		t.complain(about.queue, "a lane's queue isn't there: "+
			"start `siren scaler` (or `siren up`), which declares it; the other lanes are served", err)
	case errors.Is(err, rabbitlink.ErrDown):
		t.complain(about.queue, "a lane's queue is on a node that is down; the other lanes are served", err)
	case errors.Is(err, rabbitlink.ErrSilent):
		t.complain(about.queue, "a lane's queue doesn't answer; the other lanes are served", err)
	default:
		t.complain(about.queue, "can't take jobs from a lane; retrying", err)
		return true
	}
	t.leaveOut(about.queue)
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
