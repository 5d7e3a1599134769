package take

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
)

// line is a slot's way to one queue. It has channels of its own, so that a queue that doesn't answer keeps only itself
// waiting; and two of them, so that it can listen on while nothing is answered: RabbitMQ hands jobs over again as soon
// as a queue has a new leader, but a cancel that was sent to the old one stands for up to a minute, and holds a job.
type line struct {
	queue lanes.Queue
	taker *Taker
	asks  *rabbitlink.Channel // gets from the queue; nil or closed: to be opened
	hears *rabbitlink.Channel // consumes from it; nil or closed: to be opened
	over  chan struct{}       // closed once nothing comes over hears any more; nil: nobody listens

	mu sync.Mutex
	to chan<- arrival // where to goes what comes; nil: back
}

// open makes sure of a channel of the live session.
func (l *line) open(ctx context.Context, ch **rabbitlink.Channel) error {
	if *ch != nil && !(*ch).IsClosed() {
		(*ch).Patience = l.taker.patienceFor(l.queue)
		return nil
	}
	*ch = nil
	opened, err := l.taker.conn.Channel(ctx)
	if err != nil {
		return err
	}
	qos := func() (*rabbitlink.Channel, error) {
		return opened, opened.Call(func() error { return opened.Qos(1, 0, false) })
	}
	if _, err := rabbitlink.UnlessEnded(ctx, qos, (*rabbitlink.Channel).Close); err != nil {
		return fmt.Errorf("set the prefetch: %w", err)
	}
	*ch = opened
	return l.open(ctx, ch)
}

// get takes the next job of the queue; false when it has none.
func (l *line) get(ctx context.Context) (arrival, bool, error) {
	if err := l.open(ctx, &l.asks); err != nil {
		return arrival{}, false, err
	}
	a, found, err := l.asks.Get(topology.QueueName(l.queue))
	if err != nil {
		return arrival{}, false, &queueError{l.queue, err}
	}
	l.taker.fine(l.queue)
	return arrival{queue: l.queue, Arrival: a}, found, nil
}

// listening reports whether jobs of the queue come by themselves.
func (l *line) listening() bool { return l.over != nil && !l.hears.IsClosed() }

// listen has the broker hand over jobs of the queue, one at a time, to a channel that never makes it wait.
func (l *line) listen(ctx context.Context, priority int, to chan<- arrival) error {
	l.setTo(to)
	if l.listening() {
		return nil
	}
	if err := l.open(ctx, &l.hears); err != nil {
		return err
	}
	var args map[string]any
	if priority != 0 {
		args = map[string]any{"x-priority": int32(priority)}
	}
	jobs, err := l.hears.Receive(topology.QueueName(l.queue), l.queue.String(), args)
	if err != nil {
		l.hears.Close()
		return &queueError{l.queue, err}
	}
	l.taker.fine(l.queue)
	on, over := l.hears, make(chan struct{})
	l.over = over
	go func() {
		defer close(over)
		for d := range jobs {
			l.taker.fine(l.queue)
			l.pass(arrival{queue: l.queue, Arrival: rabbitlink.Arrival{Delivery: d, On: on}})
		}
		l.pass(arrival{queue: l.queue, over: true, Arrival: rabbitlink.Arrival{On: on}})
	}()
	return nil
}

func (l *line) setTo(to chan<- arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

// pass hands a job on, or back when nobody waits for one.
func (l *line) pass(a arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.to != nil:
		l.to <- a
	case !a.over:
		a.handBack()
	}
}

// rest ends listening, and returns once nothing more comes. A job that it meets as it makes sure that the queue answers
// goes the way of those that come. Where the queue doesn't answer, it listens on, and what comes goes back.
func (l *line) rest() {
	defer l.setTo(nil)
	if !l.listening() {
		return
	}
	if !l.taker.heard(l.queue) {
		switch a, found, err := l.get(context.Background()); {
		case found:
			l.pass(a)
		case errors.Is(err, rabbitlink.ErrSilent):
			l.taker.trouble(err)
			return
		}
	}
	l.hears.Patience = l.taker.patienceFor(l.queue)
	if l.hears.StopReceiving(topology.QueueName(l.queue), l.queue.String()) != nil {
		l.hears.Close() // what is unacknowledged goes back by itself
	} else {
		<-l.over
	}
	l.over = nil
}

// close gives the channels back, and what came over them.
func (l *line) close() {
	l.setTo(nil)
	for _, ch := range []*rabbitlink.Channel{l.asks, l.hears} {
		if ch != nil {
			ch.Close()
		}
	}
}
