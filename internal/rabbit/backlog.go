package rabbit

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// Backlog reads how many jobs are ready in the lanes. Passive declares tell that exactly and cheaply, without any
// management plugin.
type Backlog struct {
	conn *Conn
	busy chan struct{} // a mutex that knows contexts
	ch   *channel      // nil or closed: to be opened
}

// NewBacklog asks over conn, which must never publish: on a connection that an alarm blocks, the question hangs. Nothing
// else should use conn, since a question that isn't answered in time drops the connection.
func NewBacklog(conn *Conn) *Backlog {
	return &Backlog{conn: conn, busy: make(chan struct{}, 1)}
}

// Depths is the depth of each of the queues; one that isn't there is left out. Only jobs that wait are counted,
// not those that a worker holds. Right after a start of the broker, and while a queue's leader is away, it may say 0
// and 0 consumers for a queue that isn't empty: that is the caller's to doubt.
//
// It returns when ctx ends, with an error, also when the connection hangs.
func (b *Backlog) Depths(ctx context.Context, queues []lanes.Queue) (map[lanes.Queue]lanes.Depth, error) {
	select {
	case b.busy <- struct{}{}:
		defer func() { <-b.busy }()
	case <-ctx.Done():
		return nil, fmt.Errorf("read the backlog: %w", ctx.Err())
	}
	depths := make(map[lanes.Queue]lanes.Depth, len(queues))
	for _, q := range queues {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read the backlog: %w", ctx.Err())
		}
		d, err := b.depth(ctx, q)
		switch {
		case err == nil:
			depths[q] = d
		case code(err) == amqp.NotFound: // the channel is gone with it
		case ctx.Err() != nil:
			return nil, fmt.Errorf("read the backlog of lane %q: %w (%w)", q.Lane, ctx.Err(), err)
		default:
			return nil, fmt.Errorf("read the backlog of lane %q: %w", q.Lane, err)
		}
	}
	return depths, nil
}

func (b *Backlog) depth(ctx context.Context, queue lanes.Queue) (lanes.Depth, error) {
	s, err := b.conn.session(ctx)
	if err != nil {
		return lanes.Depth{}, err
	}
	defer context.AfterFunc(ctx, s.abandon)() // a question that hangs ends with its connection
	if b.ch == nil || b.ch.IsClosed() || b.ch.session != s {
		if b.ch, err = s.channel(); err != nil {
			return lanes.Depth{}, err
		}
	}
	q, err := b.ch.QueueDeclarePassive(queueName(queue), true, false, false, false, nil)
	return lanes.Depth{Ready: q.Messages, Consumers: q.Consumers}, err
}
