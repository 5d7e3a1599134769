package take

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// Slot takes one job at a time, over a channel of its own. It belongs to one goroutine.
type Slot struct {
	taker   *Taker
	lane    string              // a shoulder's only lane, "" for a shared slot
	turn    int                 // jobs taken so far: promotion alternates by it
	ch      *rabbitlink.Channel // nil or closed: to be opened
	plain   *subscription       // stays between calls of Next, nil when there is none
	backoff *rabbitlink.Backoff
}

// Next waits for a job and returns the most urgent one that was ready when it began to look. It waits out lost
// connections and missing queues; an error means that ctx has ended (or that the connection was closed for good).
//
// Call it after every job, with an ended ctx when no more are wanted: it then gives back whatever the broker has handed
// over meanwhile, so that no job is held by a slot that takes none.
func (s *Slot) Next(ctx context.Context) (work.Delivery, error) {
	for ctx.Err() == nil {
		a, err := s.take(ctx)
		if err == nil && ctx.Err() == nil && s.taker.tooHigh(a) {
			a, err = s.putBack(ctx, a)
		}
		switch {
		case err == nil && ctx.Err() == nil && !s.taker.paused(a.queue.Lane):
			s.turn++
			s.backoff.Reset()
			d := a.delivery(s.taker.conn.Now())
			d.Job.Priority = min(d.Job.Priority, s.taker.allowed(d.Lane))
			return d, nil
		case err == nil: // it came while the slot was told to stop, or its lane was paused
			a.handBack()
		case errors.Is(err, rabbitlink.ErrClosed):
			return work.Delivery{}, err
		case errors.Is(err, errAgain), ctx.Err() != nil:
		case s.ch != nil && s.ch.Session.IsClosed():
			// Conn says so and makes the next session; opening a channel waits for it.
		case s.taker.trouble(err):
			s.backoff.Wait(ctx)
		}
	}
	s.unsubscribe()
	return work.Delivery{}, ctx.Err()
}

// take waits for one job in the order of lanes as it is now; errAgain when that changes.
func (s *Slot) take(ctx context.Context) (arrival, error) {
	o := s.taker.order(s.lane, s.turn)
	if !o.plain || len(o.queues) == 0 {
		s.unsubscribe()
	}
	if len(o.queues) == 0 {
		return arrival{}, pending(ctx, o)
	}
	if err := s.open(ctx); err != nil {
		return arrival{}, err
	}
	if o.plain {
		return s.await(ctx, o)
	}
	if a, err := s.sweep(ctx, o.queues); !errors.Is(err, errEmpty) {
		return a, err
	}
	// Every idle slot looks by itself: with one looking for the whole worker, the broker would hand the second job of a
	// burst to a shoulder while a shared slot is idle.
	return s.look(ctx, o)
}

// pending waits for an order with queues in it.
func pending(ctx context.Context, o order) error {
	select {
	case <-o.changed:
	case <-o.again:
	case <-ctx.Done():
	}
	return errAgain
}

// open makes sure of a channel of the live session.
func (s *Slot) open(ctx context.Context) error {
	if s.ch != nil && !s.ch.IsClosed() {
		return nil
	}
	s.plain = nil
	ch, err := s.taker.conn.Channel(ctx)
	if err != nil {
		return err
	}
	s.ch = ch
	qos := func() (*rabbitlink.Channel, error) { return ch, ch.Call(func() error { return ch.Qos(1, 0, false) }) }
	if _, err := rabbitlink.UnlessEnded(ctx, qos, (*rabbitlink.Channel).Close); err != nil {
		if ctx.Err() != nil {
			s.ch = nil // it may be asked yet
		}
		return fmt.Errorf("set the prefetch: %w", err)
	}
	return nil
}

// errEmpty is a sweep that found nothing.
var errEmpty = errors.New("no lane has a job")

// sweep takes a job from the first of the queues that has one.
func (s *Slot) sweep(ctx context.Context, queues []lanes.Queue) (arrival, error) {
	for _, q := range queues {
		if err := ctx.Err(); err != nil {
			return arrival{}, err
		}
		a, found, err := s.ch.Get(topology.QueueName(q))
		if err != nil {
			return arrival{}, &queueError{q, err}
		}
		s.taker.fine(q)
		if found {
			return arrival{queue: q, Arrival: a}, nil
		}
	}
	return arrival{}, errEmpty
}

// look subscribes to all queues until a job comes, keeps the most urgent of what came, and gives back the rest.
func (s *Slot) look(ctx context.Context, o order) (arrival, error) {
	sub, err := subscribe(s.ch, o.queues, s.priority())
	if err != nil {
		return arrival{}, err
	}
	first, err := sub.first(ctx, o)
	came := sub.stop()
	if err == nil && !s.ch.IsClosed() {
		came = append(came, first)
	}
	// By the order as it is now: a lane that was shut out meanwhile isn't taken from.
	best := -1
	if ctx.Err() == nil {
		best = mostUrgent(came, s.taker.order(s.lane, s.turn).queues)
	}
	for i, a := range came {
		if i != best {
			a.handBack()
		}
	}
	switch {
	case best >= 0:
		return came[best], nil
	case err != nil:
		return arrival{}, err
	default:
		return arrival{}, errAgain
	}
}

// mostUrgent returns the index of the arrival whose queue comes first in the order; -1 when there is none.
func mostUrgent(came []arrival, order []lanes.Queue) int {
	for _, q := range order {
		if i := slices.IndexFunc(came, func(a arrival) bool { return a.queue == q }); i >= 0 {
			return i
		}
	}
	return -1
}

// await takes from the plain consumer of the one queue there is, subscribing at need.
func (s *Slot) await(ctx context.Context, o order) (arrival, error) {
	if s.plain != nil && s.plain.queues[0] != o.queues[0] {
		s.unsubscribe()
	}
	if s.plain == nil {
		sub, err := subscribe(s.ch, o.queues, s.priority())
		if err != nil {
			return arrival{}, err
		}
		s.taker.fine(o.queues[0])
		s.plain = sub
	}
	a, err := s.plain.first(ctx, o)
	var ended *queueError
	if errors.As(err, &ended) {
		s.plain = nil
	}
	return a, err
}

// priority returns the slot's priority among the consumers of a queue.
func (s *Slot) priority() int {
	if s.lane != "" {
		return shoulderPriority
	}
	return 0
}

// unsubscribe ends the plain consumer and gives back what it was handed.
func (s *Slot) unsubscribe() {
	if s.plain == nil {
		return
	}
	for _, a := range s.plain.stop() {
		a.handBack()
	}
	s.plain = nil
}
