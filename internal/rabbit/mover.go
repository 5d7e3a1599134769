package rabbit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// moveBatch is how many jobs are decided about in one go.
const moveBatch = 100

// Mover decides about waiting jobs that are taken out of their lane (see Move), and hears of their copies.
type Mover struct {
	// Decide says what becomes of each job of a batch of at most 100, in the batch's order. Its error ends the move, and the
	// whole batch goes back.
	Decide func(ctx context.Context, batch []lanes.Delivery) ([]Fate, error)
	// Confirmed is told of the copies that the broker has, before their originals are acknowledged, so that the ledger
	// knows which message carries the job. Its ctx doesn't end with that of Move. Its error ends the move, and the originals go
	// back: two messages of one job are harmless. It may be nil when nothing is copied.
	Confirmed func(ctx context.Context, copies []Copied) error
}

// Fate is what becomes of a waiting job. The zero Fate gives it back to where it was, once the move ends.
type Fate struct {
	Copy *Copy // a fresh copy of it is published, and this one acknowledged
	Drop bool  // it is acknowledged: its record says already that it is over
}

// Copy is where a fresh copy of a message goes. It keeps body, id, attempt and the time of the first enqueue; it is ready from now on.
type Copy struct {
	Lane     string // one that doesn't exist means the default lane
	Replay   int    // the copy's number, higher than the original's
	Priority int    // inside its new lane: no more than that allows
}

// Copied is a job whose fresh copy the broker has confirmed.
type Copied struct {
	Copy
	Original lanes.Delivery
	ReadyAt  time.Time // of the copy
}

// Move takes up to limit waiting jobs out of a lane's queue, in its order (priority, then age), and does with each what m decides; limit <= 0 means as
// many as were ready when it began. What it neither copies nor drops is out of the lane until it returns. conn must publish
// nothing.
//
// moved is how many jobs it copied or dropped, also beside an error. The errors are those of m and of the publisher, ErrUndeclared
// for a lane without a queue, that of ctx, and that of a lost connection. What isn't acknowledged by then goes back by
// itself, so a crash at any moment leaves two messages of a job at most, and never none.
func Move(ctx context.Context, conn *Conn, publish *Publisher, from lanes.Queue, limit int, m Mover) (moved int, err error) {
	ch, err := conn.channel(ctx)
	if err != nil {
		return 0, err
	}
	defer ch.close() // gives back what nobody acknowledged
	v := &move{Mover: m, ch: ch, publish: publish, queue: from}
	if err := v.all(ctx, limit); err != nil {
		return v.moved, fmt.Errorf("move jobs out of lane %q: %w", from.Lane, err)
	}
	return v.moved, nil
}

// move is a Move under way.
type move struct {
	Mover
	ch      *channel
	publish *Publisher
	queue   lanes.Queue
	moved   int
}

func (v *move) all(ctx context.Context, limit int) error {
	if limit <= 0 {
		var err error
		if limit, err = v.waiting(); err != nil {
			return err
		}
	}
	for limit > 0 {
		want := min(limit, moveBatch)
		batch, err := v.take(ctx, want)
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			if err := v.carryOut(ctx, batch); err != nil {
				return err
			}
		}
		if len(batch) < want {
			return nil
		}
		limit -= want
	}
	return nil
}

// waiting is how many jobs are ready in the lane now.
func (v *move) waiting() (n int, err error) {
	err = v.ch.call(func() error {
		q, err := v.ch.QueueDeclarePassive(QueueName(v.queue), true, false, false, false, nil)
		n = q.Messages
		return err
	})
	return n, undeclared(err)
}

// take is the next n jobs; fewer when the lane has no more.
func (v *move) take(ctx context.Context, n int) ([]arrival, error) {
	var batch []arrival
	for len(batch) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, found, err := v.ch.get(QueueName(v.queue))
		if err != nil {
			return nil, undeclared(err)
		}
		if !found {
			break
		}
		batch = append(batch, arrival{queue: v.queue, ch: v.ch, Delivery: d})
	}
	return batch, nil
}

// carryOut has a batch decided about and does what was decided: drops first, then copies.
func (v *move) carryOut(ctx context.Context, batch []arrival) error {
	deliveries := make([]lanes.Delivery, len(batch))
	for i, a := range batch {
		deliveries[i] = a.delivery(v.publish.conn.options.Now())
	}
	fates, err := v.Decide(ctx, deliveries)
	if err != nil {
		return err
	}
	if len(fates) != len(batch) {
		return fmt.Errorf("%d fates for %d jobs", len(fates), len(batch))
	}
	var dropped, originals []arrival
	var copies []Copied
	for i, f := range fates {
		switch {
		case f.Copy != nil:
			originals = append(originals, batch[i])
			copies = append(copies, Copied{Copy: *f.Copy, Original: deliveries[i]})
		case f.Drop:
			dropped = append(dropped, batch[i])
		}
	}
	v.moved += len(dropped)
	if err := acknowledge(dropped); err != nil || len(copies) == 0 {
		return err
	}
	return v.replace(ctx, originals, copies)
}

// replace publishes the copies, tells of those that are confirmed, and acknowledges the originals of these.
func (v *move) replace(ctx context.Context, originals []arrival, copies []Copied) error {
	now := v.publish.conn.options.Now()
	messages := make([]*outgoing, len(copies))
	for i, c := range copies {
		copies[i].ReadyAt = now
		h, _ := parseHeaders(originals[i].Headers, inLane, now)
		h.lane, h.replay, h.priority = c.Lane, c.Replay, c.Priority
		messages[i] = newOutgoing(ready(originals[i].Delivery, h, now, now))
	}
	v.publish.publish(ctx, messages)

	var done []arrival
	var confirmed []Copied
	for i, o := range messages {
		if o.err == nil {
			done, confirmed = append(done, originals[i]), append(confirmed, copies[i])
		}
	}
	failed := failure(messages)
	if len(confirmed) > 0 && v.Confirmed != nil {
		if err := v.Confirmed(context.WithoutCancel(ctx), confirmed); err != nil {
			return errors.Join(err, failed)
		}
	}
	v.moved += len(done)
	return errors.Join(acknowledge(done), failed)
}

// acknowledge ends jobs that are carried on elsewhere, or over. When the broker has them back already, that is no harm: whoever claims
// them is told that they are settled.
func acknowledge(jobs []arrival) error {
	for _, a := range jobs {
		if err := a.ch.call(func() error { return a.Ack(false) }); err != nil {
			return fmt.Errorf("%w (%w)", ErrStale, err)
		}
	}
	return nil
}
