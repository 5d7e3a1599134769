package rabbit

import (
	"context"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
)

// deadLimit is how many dead letters may be out of siren.dead at a time.
const deadLimit = 100_000

// ErrTooManyLetters is that so many dead letters were taken and neither removed nor given back that the rest can't be
// reached.
var ErrTooManyLetters = fmt.Errorf("%d dead letters lie before the rest; remove some of them first", deadLimit)

// DeadLetters is siren.dead while somebody goes through it. What was taken is out of the queue until it is removed or
// given back; Close gives all of it back, and so does a lost connection. It is not safe for concurrent use.
type DeadLetters struct {
	ch     *rabbitlink.Channel
	now    func() time.Time
	held   int    // taken, and neither removed nor given back
	last   uint64 // the tag of the latest that was taken
	bursts int
}

// OpenDead begins to go through siren.dead. conn must publish nothing, and Close has to be called.
func OpenDead(ctx context.Context, conn *rabbitlink.Conn) (*DeadLetters, error) {
	ch, err := conn.Channel(ctx)
	if err != nil {
		return nil, err
	}
	return &DeadLetters{ch: ch, now: conn.Now}, nil
}

// CountDead returns how many dead letters are in siren.dead now, without those that somebody has taken; ErrSilent where
// nobody knows by the end of ctx.
func CountDead(ctx context.Context, conn *rabbitlink.Conn) (int, error) {
	d, err := OpenDead(ctx, conn)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	if end, bounded := ctx.Deadline(); bounded {
		d.ch.Patience = min(d.ch.Patience, time.Until(end))
	}
	n, err := d.ch.Ready(topology.DeadQueue)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", topology.DeadQueue, rabbitlink.Undeclared(err))
	}
	return n, nil
}

// Take takes the next n letters; fewer when there are no more. The errors are ErrUndeclared, ErrTooManyLetters, that of
// ctx, and that of a lost connection.
func (d *DeadLetters) Take(ctx context.Context, n int) ([]wire.DeadLetter, error) {
	var taken []wire.DeadLetter
	for len(taken) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if d.held >= deadLimit {
			return nil, ErrTooManyLetters
		}
		m, found, err := d.ch.Get(topology.DeadQueue) // it alone says for certain that there are no more
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", topology.DeadQueue, rabbitlink.Undeclared(err))
		}
		if !found {
			break
		}
		taken = append(taken, d.hold(m))
		rest, err := d.burst(ctx, n-len(taken))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", topology.DeadQueue, err)
		}
		taken = append(taken, rest...)
	}
	return taken, nil
}

func (d *DeadLetters) hold(m rabbitlink.Arrival) wire.DeadLetter {
	d.held++
	d.last = m.DeliveryTag
	l := wire.Letter(m.Delivery, d.now())
	l.Receipt = m
	return l
}

// burstEnds is how long no letter comes before a burst is taken to have ended.
const burstEnds = 20 * time.Millisecond

// burst takes up to n letters that the broker sends without being asked for each: many times faster than one by one,
// above all from a quorum queue.
func (d *DeadLetters) burst(ctx context.Context, n int) (taken []wire.DeadLetter, err error) {
	if n <= 0 {
		return nil, nil
	}
	d.bursts++
	tag := fmt.Sprintf("dead-%d", d.bursts)
	if err := d.ch.Prompt(func() error { return d.ch.Qos(n, 0, false) }); err != nil {
		return nil, err
	}
	letters, err := d.ch.Receive(topology.DeadQueue, tag, nil)
	if err != nil {
		return nil, err
	}
	idle := time.NewTimer(burstEnds)
	defer idle.Stop()
	for open := true; open && len(taken) < n; {
		select {
		case m, ok := <-letters:
			if open = ok; ok {
				taken = append(taken, d.hold(rabbitlink.Arrival{Delivery: m, On: d.ch}))
			}
			idle.Reset(burstEnds)
		case <-idle.C:
			open = false
		case <-ctx.Done():
			open = false
		}
	}
	if err := d.ch.StopReceiving(topology.DeadQueue, tag); err != nil {
		return nil, err
	}
	for m := range letters { // those that were on their way
		taken = append(taken, d.hold(rabbitlink.Arrival{Delivery: m, On: d.ch}))
	}
	return taken, ctx.Err()
}

// Remove removes letters that were taken. Should the connection be lost by then, they are still there.
func (d *DeadLetters) Remove(letters ...wire.DeadLetter) error {
	for _, l := range letters {
		taken, ok := l.Receipt.(rabbitlink.Arrival)
		if !ok { // made of a job's record: it was never in the queue
			continue
		}
		if err := d.ch.Call(func() error { return taken.Delivery.Ack(false) }); err != nil {
			return fmt.Errorf("remove the letter of job %s: %w", l.ID, err)
		}
		d.held--
	}
	return nil
}

// GiveBack puts all that was taken and not removed back into the queue: to its front, but for quorum queues of RabbitMQ
// 3.x, where it goes to the end.
func (d *DeadLetters) GiveBack() error {
	if d.held == 0 {
		return nil
	}
	d.held = 0
	if err := d.ch.Call(func() error { return d.ch.Nack(d.last, true, true) }); err != nil {
		return fmt.Errorf("give dead letters back: %w", err)
	}
	return nil
}

// Close ends it. What is removed by then is gone for good.
func (d *DeadLetters) Close() { d.ch.Close() }
