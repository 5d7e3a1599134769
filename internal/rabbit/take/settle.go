package take

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes/work"
)

// Settle carries out what was decided about a delivery of this slot's taker. Retry and DeadLetter publish afresh, wait
// for the confirm and then acknowledge; when that publish fails, the job goes back to its lane after a pause of at
// least 5 s (cut short when ctx ends), and the error says so. ErrStale: the broker has the job back already.
func (s *Slot) Settle(ctx context.Context, d work.Delivery, disp work.Disposition) error {
	r, ok := d.Receipt.(rabbitlink.Arrival)
	if !ok {
		return fmt.Errorf("settle job %q: it was not taken from RabbitMQ", d.Job.ID)
	}
	err := s.settle(ctx, r, d, disp)
	if err != nil {
		return fmt.Errorf("settle job %q of lane %q (%s): %w", d.Job.ID, d.Lane, disp.Action, err)
	}
	return nil
}

func (s *Slot) settle(ctx context.Context, r rabbitlink.Arrival, d work.Delivery, disp work.Disposition) error {
	if r.On.IsClosed() {
		return rabbitlink.ErrStale // before anything is published: the job comes again as it was
	}
	switch disp.Action {
	case work.Ack:
		return r.Ack()
	case work.Return:
		return r.GiveBack()
	case work.Retry:
		return s.move(ctx, r, wire.Retried(d, disp, s.taker.conn.Now()))
	case work.DeadLetter:
		return s.move(ctx, r, wire.Buried(d, disp, s.taker.conn.Now()))
	default:
		return errors.New("no such disposition")
	}
}

// move replaces the delivery by a message elsewhere. Between confirm and ack there are two of the job, never none.
func (s *Slot) move(ctx context.Context, r rabbitlink.Arrival, m confirms.Message) error {
	err := s.taker.publish.Publish(ctx, []confirms.Message{m})[0]
	if err == nil {
		return r.Ack()
	}
	// At once, it would come straight back to a broker that is in trouble.
	rabbitlink.Sleep(ctx, s.taker.Pause+rand.N(s.taker.Pause/4))
	err = fmt.Errorf("publish to %s failed, so the job goes back to its lane: %w", m.Key, err)
	return errors.Join(err, r.GiveBack())
}
