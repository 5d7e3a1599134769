package rabbit

import (
	"context"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// Waiting is the jobs that wait in one queue of a lane, while somebody goes through them. What was taken is out of the
// lane until it is removed, or Close gives it back, as a lost connection does too. It is not safe for concurrent use.
type Waiting struct {
	conn  *rabbitlink.Conn
	ch    *rabbitlink.Channel
	queue lanes.Queue
}

// OpenWaiting begins to go through a queue. conn must publish nothing, and Close has to be called.
func OpenWaiting(ctx context.Context, conn *rabbitlink.Conn, q lanes.Queue) (*Waiting, error) {
	ch, err := conn.Channel(ctx)
	if err != nil {
		return nil, err
	}
	return &Waiting{conn, ch, q}, nil
}

// Count returns how many jobs are ready in the queue now, ErrUndeclared for a lane without it, ErrSilent where nobody
// knows.
func (w *Waiting) Count() (int, error) {
	n, err := w.ch.Ready(topology.QueueName(w.queue))
	return n, rabbitlink.Undeclared(err)
}

// Take takes the next n jobs, in the queue's order (priority, then age); fewer when there are no more. The errors are
// ErrUndeclared, that of ctx, and that of a lost connection.
func (w *Waiting) Take(ctx context.Context, n int) ([]work.Delivery, error) {
	var batch []work.Delivery
	for len(batch) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a, found, err := w.ch.Get(topology.QueueName(w.queue))
		if err != nil {
			return nil, rabbitlink.Undeclared(err)
		}
		if !found {
			break
		}
		d := wire.Delivery(a.Delivery, w.queue.Lane, w.conn.Now())
		d.Receipt = a
		batch = append(batch, d)
	}
	return batch, nil
}

// Remove acknowledges jobs that were taken, and that are carried on elsewhere, or over. When the broker has them back
// already (ErrStale), that is no harm: whoever claims them is told that they are settled.
func (w *Waiting) Remove(jobs ...work.Delivery) error {
	for _, d := range jobs {
		if err := d.Receipt.(rabbitlink.Arrival).Ack(); err != nil {
			return err
		}
	}
	return nil
}

// Close gives back what was taken and not removed.
func (w *Waiting) Close() { w.ch.Close() }
