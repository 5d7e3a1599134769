package rabbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	// depthWithin is how long one queue may take to answer: it takes a fraction of a millisecond, or its leader is
	// away.
	depthWithin = 500 * time.Millisecond
	// sureFor is how long an empty queue is taken to have its leader still: each time it is asked, all members write.
	sureFor = 5 * time.Second
)

// Backlog reads how many jobs are ready in the lanes. Passive declares tell that exactly and cheaply, without any
// management plugin.
type Backlog struct {
	conn  *rabbitlink.Conn
	busy  chan struct{}                       // a mutex that knows contexts
	ch    *rabbitlink.Channel                 // nil or closed: to be opened
	asked *rabbitlink.Session                 // over which this call has asked
	slow  map[lanes.Queue]*rabbitlink.Channel // of those that didn't answer in time when they were last asked
	sure  map[lanes.Queue]time.Time           // when the leader of one without jobs and consumers said so
}

// NewBacklog asks over conn, which must never publish: on a connection that an alarm blocks, the question hangs.
// Nothing else should use conn, since a connection over which nothing is answered is dropped, or left for another
// address.
func NewBacklog(conn *rabbitlink.Conn) *Backlog {
	return &Backlog{
		conn: conn, busy: make(chan struct{}, 1),
		slow: map[lanes.Queue]*rabbitlink.Channel{}, sure: map[lanes.Queue]time.Time{},
	}
}

// Depths returns the depth of each of the queues, and leaves out those that don't exist. Only jobs that wait are
// counted, not those that a worker holds. Right after a start of the broker, and while a quorum queue's leader is away,
// the broker says 0 and 0 consumers whatever is in it: then a job is asked for, which only the leader answers, and
// given back.
//
// With an error the depths are those that were answered all the same. A queue that doesn't answer delays the others by
// half a second at most, and is asked after them from then on. It returns when ctx ends, also when the connection
// hangs.
func (b *Backlog) Depths(ctx context.Context, queues []lanes.Queue) (map[lanes.Queue]fleet.Depth, error) {
	select {
	case b.busy <- struct{}{}:
		defer func() { <-b.busy }()
	case <-ctx.Done():
		return nil, fmt.Errorf("read the backlog: %w", ctx.Err())
	}
	queues = slices.Clone(queues)
	slices.SortStableFunc(queues, func(x, y lanes.Queue) int { return b.order(x) - b.order(y) })
	depths := make(map[lanes.Queue]fleet.Depth, len(queues))
	var problems []error
	answered := false
	b.asked = nil
	for _, q := range queues {
		if ctx.Err() != nil {
			problems = append(problems, fmt.Errorf("read the backlog: %w", ctx.Err()))
			break
		}
		d, err := b.depth(ctx, q)
		switch {
		case err == nil:
			depths[q] = d
		case rabbitlink.Absent(err): // the channel is gone with it
		default:
			problems = append(problems, fmt.Errorf("read the backlog of lane %q: %w", q.Lane, err))
		}
		answered = answered || err == nil || rabbitlink.Code(err) != 0
	}
	// It isn't one of the queues that is slow, but the node, or the connection.
	if !answered && b.asked != nil && !b.conn.Leave(b.asked, "it answers for no queue", answersFor(queues)) {
		b.asked.Broken()
	}
	return depths, errors.Join(problems...)
}

// answersFor tries whether another node answers for any of the queues.
func answersFor(queues []lanes.Queue) rabbitlink.Trial {
	return func(s *rabbitlink.Session) (err error) {
		for _, q := range queues {
			ch, failed := s.Channel()
			if failed != nil {
				return failed
			}
			ch.Patience = depthWithin
			if _, _, err = ch.Depth(topology.QueueName(q)); err == nil || rabbitlink.Code(err) != 0 {
				return nil
			}
		}
		return err
	}
}

// order returns the place of a queue among those that are asked.
func (b *Backlog) order(q lanes.Queue) int {
	if b.slow[q] != nil {
		return 1
	}
	return 0
}

// depth asks for one queue. A question that isn't answered in time stands; until it ends that queue isn't asked again.
func (b *Backlog) depth(ctx context.Context, queue lanes.Queue) (d fleet.Depth, err error) {
	s, err := b.conn.Session(ctx)
	if err != nil {
		return d, err
	}
	b.asked = s
	if b.slow[queue].Unanswered() {
		return d, rabbitlink.ErrSilent
	}
	delete(b.slow, queue)
	if b.ch == nil || b.ch.IsClosed() || b.ch.Session != s {
		ctx, cancel := context.WithTimeout(ctx, depthWithin)
		defer cancel()
		if b.ch, err = b.conn.Channel(ctx); err != nil {
			return d, err
		}
	}
	patience, cancel := context.WithTimeout(ctx, depthWithin)
	defer cancel()
	end, _ := patience.Deadline()
	d, err = b.ask(queue, end)
	if errors.Is(err, rabbitlink.ErrSilent) {
		b.slow[queue] = b.ch
		<-patience.Done()
		err = cmp.Or(ctx.Err(), err)
	}
	return d, err
}

// ask asks for one queue, and makes sure that there is nothing in it if that is the answer.
func (b *Backlog) ask(queue lanes.Queue, end time.Time) (d fleet.Depth, err error) {
	name := topology.QueueName(queue)
	b.ch.Patience = time.Until(end)
	d.Ready, d.Consumers, err = b.ch.Depth(name)
	if err != nil || d != (fleet.Depth{}) || queue.Type != lanes.Quorum {
		delete(b.sure, queue)
		return d, err
	}
	if time.Since(b.sure[queue]) < sureFor {
		return d, nil
	}
	b.ch.Patience = time.Until(end)
	empty, err := b.ch.Empty(name)
	if err == nil && empty {
		b.sure[queue] = time.Now()
	} else {
		d.Ready = 1 // at least
	}
	return d, err
}
