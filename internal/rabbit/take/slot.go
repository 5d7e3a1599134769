package take

import (
	"context"
	"errors"
	"slices"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// Slot takes one job at a time, over lines of its own. It belongs to one goroutine.
type Slot struct {
	taker    *Taker
	lane     string // a shoulder's only lane, "" for a shared slot
	turn     int    // jobs taken so far: promotion alternates by it
	lines    map[lanes.Queue]*line
	channels []*channels   // of its lines
	plain    *subscription // stays between calls of Next, nil when there is none
	backoff  *rabbitlink.Backoff
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
		case s.taker.trouble(err) && !s.lost():
			s.backoff.Wait(ctx)
		}
	}
	s.unsubscribe()
	s.stopListening()
	return work.Delivery{}, ctx.Err()
}

// stopListening gives back the lines that are listened to all the same: no more jobs are wanted.
func (s *Slot) stopListening() {
	for q, l := range s.lines {
		if l.listening() {
			l.close()
			delete(s.lines, q)
		}
	}
}

// take waits for one job in the order of lanes as it is now; errAgain when that changes.
func (s *Slot) take(ctx context.Context) (arrival, error) {
	o := s.taker.order(s.lane, s.turn)
	if len(o.queues) != 1 {
		s.unsubscribe()
	}
	s.serveOnly(o.queues)
	if len(o.queues) == 1 {
		return s.await(ctx, o)
	}
	if a, err := s.sweep(ctx, o); !errors.Is(err, errEmpty) {
		return a, err
	}
	// Every idle slot looks by itself: with one looking for the whole worker, the broker would hand the second job of a
	// burst to a shoulder while a shared slot is idle.
	return s.look(ctx, o)
}

// pending waits for another order.
func pending(ctx context.Context, o order) error {
	select {
	case <-o.changed:
	case <-ctx.Done():
	}
	return errAgain
}

// line returns the slot's line to a queue.
func (s *Slot) line(q lanes.Queue) *line {
	if s.lines[q] == nil {
		s.lines[q] = &line{queue: q, taker: s.taker, channels: s.leastUsed()}
	}
	return s.lines[q]
}

// leastUsed returns the channels for one more line: of its own as long as the slot may have more.
func (s *Slot) leastUsed() *channels {
	var least *channels
	for _, c := range s.channels {
		if least == nil || c.lines < least.lines {
			least = c
		}
	}
	if least == nil || least.lines > 0 && len(s.channels) < s.taker.mayOpen() {
		least = &channels{}
		s.channels = append(s.channels, least)
	}
	least.lines++
	return least
}

// serveOnly gives back the lines to all other queues.
func (s *Slot) serveOnly(queues []lanes.Queue) {
	for q, l := range s.lines {
		if !slices.Contains(queues, q) {
			l.close()
			delete(s.lines, q)
		}
	}
}

// lost reports whether the session is over. Conn says so and makes the next one; opening a channel waits for it.
func (s *Slot) lost() bool {
	for _, l := range s.lines {
		if l.asks.lost() || l.hears.lost() {
			return true
		}
	}
	return false
}

// errEmpty is a sweep that found nothing.
var errEmpty = errors.New("no lane has a job")

// sweep takes a job from the first of the queues that has one.
func (s *Slot) sweep(ctx context.Context, o order) (arrival, error) {
	for _, q := range o.queues {
		if err := ctx.Err(); err != nil {
			return arrival{}, err
		}
		if a, held := s.line(q).takeHeld(); held {
			return a, nil
		}
		if o.out[q] {
			continue
		}
		if a, found, err := s.line(q).get(ctx); err != nil || found {
			return a, err
		}
	}
	return arrival{}, errEmpty
}

// look listens to all queues until a job comes, keeps the most urgent of what came, and gives back the rest.
func (s *Slot) look(ctx context.Context, o order) (arrival, error) {
	lines := s.audible(o)
	if len(lines) == 0 {
		return arrival{}, pending(ctx, o)
	}
	sub, err := subscribe(ctx, lines, s.priority())
	var came []arrival
	if err == nil {
		var first arrival
		if first, err = sub.first(ctx, o); err == nil {
			came = append(came, first)
		}
	}
	came = append(came, sub.stop()...)
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

// audible returns the lines of the queues that jobs may come from: of one that is left out only while the slot listens
// to it from before.
func (s *Slot) audible(o order) (lines []*line) {
	for _, q := range o.queues {
		if l := s.line(q); !o.out[q] || l.listening() {
			lines = append(lines, l)
		}
	}
	return lines
}

// mostUrgent returns the index of the arrival whose queue comes first in the order; -1 when there is none.
func mostUrgent(came []arrival, order []lanes.Queue) int {
	for _, q := range order {
		if i := slices.IndexFunc(came, func(a arrival) bool { return a.queue == q && !a.On.IsClosed() }); i >= 0 {
			return i
		}
	}
	return -1
}

// await takes from the plain consumer of the one queue there is, subscribing at need.
func (s *Slot) await(ctx context.Context, o order) (arrival, error) {
	lines := s.audible(o)
	if s.plain != nil && (len(lines) == 0 || s.plain.lines[0] != lines[0]) {
		s.unsubscribe()
	}
	if len(lines) == 0 {
		return arrival{}, pending(ctx, o)
	}
	if s.plain == nil {
		sub, err := subscribe(ctx, lines, s.priority())
		if err != nil {
			return arrival{}, err
		}
		s.plain = sub
	}
	a, err := s.plain.first(ctx, o)
	var ended *queueError
	if errors.As(err, &ended) {
		s.unsubscribe()
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
