package rabbit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/polyglot-media/siren/lanes"
)

// ErrStale is a settle that came too late: the session that delivered the job is over, and the broker has given the job
// back to its lane. Nothing was touched.
var ErrStale = lanes.Away(errors.New("the session that delivered this job is over; the broker has put the job back into its lane"))

// receipt is what it takes to settle a delivery: the very channel it came over, since a tag means another job on any other.
type receipt struct {
	ch  *channel
	tag uint64
}

// Settle carries out what was decided about a delivery of this slot's taker. Retry and DeadLetter publish afresh, wait for
// the confirm and then acknowledge; when that publish fails, the job goes back to its lane after a pause of at
// least 5 s (cut short when ctx ends), and the error says so. ErrStale: the broker has the job back already.
func (s *Slot) Settle(ctx context.Context, d lanes.Delivery, disp lanes.Disposition) error {
	r, ok := d.Receipt.(*receipt)
	if !ok {
		return fmt.Errorf("settle job %q: it was not taken from RabbitMQ", d.Job.ID)
	}
	err := s.settle(ctx, r, d, disp)
	if err != nil {
		return fmt.Errorf("settle job %q of lane %q (%s): %w", d.Job.ID, d.Lane, disp.Action, err)
	}
	return nil
}

func (s *Slot) settle(ctx context.Context, r *receipt, d lanes.Delivery, disp lanes.Disposition) error {
	if r.ch.IsClosed() {
		return ErrStale // before anything is published: the job comes again as it was
	}
	switch disp.Action {
	case lanes.Ack:
		return r.ack()
	case lanes.Return:
		return r.giveBack()
	case lanes.Retry:
		return s.move(ctx, r, delayed(d, disp, s.taker.conn.options.Now()))
	case lanes.DeadLetter:
		return s.move(ctx, r, dead(d, disp, s.taker.conn.options.Now()))
	default:
		return errors.New("no such disposition")
	}
}

// move replaces the delivery by a message elsewhere. Between confirm and ack there are two of the job, never none.
func (s *Slot) move(ctx context.Context, r *receipt, m message) error {
	err := s.taker.publish.send(ctx, m)
	if err == nil {
		return r.ack()
	}
	// At once, it would come straight back to a broker that is in trouble.
	sleep(ctx, s.taker.pause+rand.N(s.taker.pause/4))
	return errors.Join(fmt.Errorf("publish to %s failed, so the job goes back to its lane: %w", m.key, err), r.giveBack())
}

func (r *receipt) ack() error { return r.tell(func() error { return r.ch.Ack(r.tag, false) }) }

func (r *receipt) giveBack() error {
	return r.tell(func() error { return r.ch.Nack(r.tag, false, true) })
}

// tell settles on the channel of the delivery. It fails only with that channel, and so with the delivery.
func (r *receipt) tell(what func() error) error {
	if err := r.ch.call(what); err != nil {
		return fmt.Errorf("%w (%w)", ErrStale, err)
	}
	return nil
}
