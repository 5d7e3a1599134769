package rabbit

import (
	"context"
	"fmt"

	"github.com/polyglot-media/siren/lanes"
)

// moveBatch is how many jobs are put back in one go.
const moveBatch = 100

// Waiting is the jobs that wait in one queue of a lane, while somebody goes through them. What was taken is out of the
// lane until it is removed, or Close gives it back, as a lost connection does too. It is not safe for concurrent use.
type Waiting struct {
	ch    *channel
	queue lanes.Queue
	conn  *Conn
}

// OpenWaiting begins to go through a queue. conn must publish nothing, and Close has to be called.
func OpenWaiting(ctx context.Context, conn *Conn, q lanes.Queue) (*Waiting, error) {
	ch, err := conn.channel(ctx)
	if err != nil {
		return nil, err
	}
	return &Waiting{ch: ch, queue: q, conn: conn}, nil
}

// Count returns how many jobs are ready in the queue now, ErrUndeclared for a lane without it.
func (w *Waiting) Count() (n int, err error) {
	err = w.ch.call(func() error {
		q, err := w.ch.QueueDeclarePassive(queueName(w.queue), true, false, false, false, nil)
		n = q.Messages
		return err
	})
	return n, undeclared(err)
}

// Take takes the next n jobs, in the queue's order (priority, then age); fewer when there are no more. The errors are
// ErrUndeclared, that of ctx, and that of a lost connection.
func (w *Waiting) Take(ctx context.Context, n int) ([]lanes.Delivery, error) {
	var batch []lanes.Delivery
	for len(batch) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, found, err := w.ch.get(queueName(w.queue))
		if err != nil {
			return nil, undeclared(err)
		}
		if !found {
			break
		}
		batch = append(batch, arrival{queue: w.queue, ch: w.ch, Delivery: d}.delivery(w.conn.options.Now()))
	}
	return batch, nil
}

// Remove acknowledges jobs that were taken, and that are carried on elsewhere, or over. When the broker has them back
// already (ErrStale), that is no harm: whoever claims them is told that they are settled.
func (w *Waiting) Remove(jobs ...lanes.Delivery) error {
	for _, d := range jobs {
		if err := d.Receipt.(*receipt).ack(); err != nil {
			return err
		}
	}
	return nil
}

// Close gives back what was taken and not removed.
func (w *Waiting) Close() { w.ch.close() }

// acknowledge ends messages whose jobs others carry on. When the broker has them back already, that is no harm: whoever
// claims them is told that they are settled.
func acknowledge(jobs []arrival) error {
	for _, a := range jobs {
		if err := a.ch.call(func() error { return a.Ack(false) }); err != nil {
			return fmt.Errorf("%w (%w)", ErrStale, err)
		}
	}
	return nil
}
