package take

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// This file is a job's priority inside its lane: what is done about messages that ask for more than it allows.

// putBackBatch is how many jobs are put back in one go.
const putBackBatch = 100

// allowed returns the highest priority that jobs of the lane may have now.
func (t *Taker) allowed(lane string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.effective == nil {
		return 0
	}
	return t.effective.Policy.Priority(lane, lanes.MaxPriority)
}

// tooHigh reports whether the broker serves the message before others that it may not overtake.
func (t *Taker) tooHigh(a arrival) bool {
	return a.Priority > 0 && int(a.Priority) > t.allowed(a.queue.Lane) &&
		topology.ReleaseOf(a.On.Session.Version()).Ordered(a.queue.Type)
}

// putBack publishes a, and those directly behind it in its queue that ask for more than the lane allows too, afresh
// with what is allowed: they come after the jobs that they would have overtaken. It returns the job behind them, for
// the slot to take; errAgain when it saw none.
//
// Their waits and numbers stay as they are: broken off between confirm and acknowledgement, it leaves two messages of a
// job, of which one runs, as a retry does. Where nothing can be published for now, a is taken as it came: that keeps no
// other job waiting any longer.
func (s *Slot) putBack(ctx context.Context, a arrival) (arrival, error) {
	s.unsubscribe() // or this slot would be handed another job beside the one that it takes
	lifted := []arrival{a}
	var behind *arrival
	for len(lifted) < putBackBatch && behind == nil {
		next, found, err := s.line(a.queue).get(ctx)
		if err != nil {
			return arrival{}, err
		}
		if !found {
			break
		}
		if s.taker.tooHigh(next) {
			lifted = append(lifted, next)
		} else {
			behind = &next
		}
	}
	left, err := s.lower(ctx, lifted)
	if behind != nil {
		left = append(left, *behind)
	}
	switch {
	case errors.Is(err, rabbitlink.ErrStale):
		return arrival{}, &queueError{a.queue, err} // the broker has all of them back
	case err != nil:
		s.taker.complain(a.queue,
			"can't put jobs back that ask for a higher priority than their lane allows; taking them as they are", err)
	case len(left) == 0:
		return arrival{}, errAgain
	}
	for _, other := range left[1:] {
		other.handBack()
	}
	return left[0], nil
}

// lower publishes jobs of one lane afresh with the priority that it allows, and acknowledges those that are confirmed.
// The others are left.
func (s *Slot) lower(ctx context.Context, jobs []arrival) (left []arrival, err error) {
	lane := jobs[0].queue.Lane
	allowed := s.taker.allowed(lane)
	s.taker.sayLowered(jobs[0].queue, allowed)
	messages, now := make([]confirms.Message, len(jobs)), s.taker.conn.Now()
	for i, a := range jobs {
		e, _ := wire.Read(a.Delivery, wire.InLane, now)
		e.Lane, e.Priority = lane, allowed
		messages[i] = e.ToLane(now)
	}
	ctx, cancel := context.WithTimeout(ctx, s.taker.Pause)
	defer cancel()
	var done []arrival
	var stale, failed error
	for i, err := range s.taker.publish.Publish(ctx, messages) {
		if err == nil {
			done, stale = append(done, jobs[i]), cmp.Or(stale, jobs[i].Ack())
		} else {
			left, failed = append(left, jobs[i]), cmp.Or(failed, messages[i].Failed(err))
		}
	}
	err = errors.Join(stale, failed)
	s.taker.tellLowered(ctx, done, allowed)
	return left, err
}

// tellLowered tells of jobs that were put back.
func (t *Taker) tellLowered(ctx context.Context, jobs []arrival, allowed int) {
	if t.Lowered == nil || len(jobs) == 0 {
		return
	}
	told := make([]work.Delivery, len(jobs))
	for i, a := range jobs {
		told[i] = a.delivery(t.conn.Now())
		told[i].Job.Priority = allowed
	}
	t.Lowered(ctx, told)
}

// sayLowered warns that jobs of a lane ask for more than it allows, once for each limit.
func (t *Taker) sayLowered(q lanes.Queue, allowed int) {
	t.mu.Lock()
	before, known := t.lowered[q.Lane]
	t.lowered[q.Lane] = allowed
	t.mu.Unlock()
	if !known || before != allowed {
		t.log.Warn("jobs ask for a higher priority than their lane allows; they are put back with what it allows",
			slog.String("lane", q.Lane), slog.Int("allowed", allowed))
	}
}
