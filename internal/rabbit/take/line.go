package take

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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

	mu   sync.Mutex
	to   chan<- arrival // where to goes what comes; nil: the slot is busy
	held *arrival       // what has come meanwhile
}

// holdFor is how long a busy slot holds a job of a queue that doesn't answer, and that it listens to all the same: not
// so long that an idle one elsewhere would miss it, nor so short that busy ones hand it round.
const holdFor = time.Second

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
			l.taker.came(l.queue)
			l.pass(arrival{queue: l.queue, Arrival: rabbitlink.Arrival{Delivery: d, On: on}})
		}
		l.pass(arrival{queue: l.queue, over: true, Arrival: rabbitlink.Arrival{On: on}})
	}()
	return nil
}

// setTo says where to goes what comes, and what is held.
func (l *line) setTo(to chan<- arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
	if to != nil && l.held != nil {
		to <- *l.held
		l.held = nil
	}
}

// pass hands a job on, or holds it for a while.
func (l *line) pass(a arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.to != nil:
		l.to <- a
	case !a.over:
		l.held = &a
		time.AfterFunc(holdFor, func() { l.giveBack(&a) })
	}
}

// giveBack puts a job back if it is held yet; nil: whichever is.
func (l *line) giveBack(a *arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil && (a == nil || a == l.held) {
		l.held.handBack()
		l.held = nil
	}
}

// takeHeld returns the job that is held; false when none is.
func (l *line) takeHeld() (a arrival, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil || l.held.On.IsClosed() {
		return a, false
	}
	a, l.held = *l.held, nil
	return a, true
}

// rest ends listening, and returns once nothing more comes. Where the queue doesn't answer, it listens on. A job that
// it meets as it makes sure goes the way of those that come.
func (l *line) rest() {
	defer l.setTo(nil)
	if !l.listening() || l.taker.leftOut(l.queue) {
		return
	}
	if err := l.check(); errors.Is(err, rabbitlink.ErrSilent) {
		l.taker.trouble(err)
		return
	}
	l.hears.Patience = l.taker.patienceFor(l.queue)
	if l.hears.StopReceiving(topology.QueueName(l.queue), l.queue.String()) != nil {
		l.hears.Close() // what is unacknowledged goes back by itself
	} else {
		<-l.over
	}
	l.over = nil
}

// check asks whether the leader of the queue that the line listens to is there: it knows of that.
func (l *line) check() error {
	if l.taker.mayCount() {
		err := l.open(context.Background(), &l.asks)
		if err != nil {
			return err
		}
		ready, consumers, err := l.asks.Depth(topology.QueueName(l.queue))
		switch {
		case errors.Is(err, lanes.ErrRefused):
			l.taker.mayNotCount()
		case err == nil && ready == 0 && consumers == 0: // as a broker says for a leader that is away
			return &queueError{l.queue, rabbitlink.ErrSilent}
		case err != nil:
			return &queueError{l.queue, err}
		default:
			return nil
		}
	}
	a, found, err := l.get(context.Background())
	if found {
		l.pass(a)
	}
	return err
}

// close gives the channels back, and what came over them.
func (l *line) close() {
	l.giveBack(nil)
	for _, ch := range []*rabbitlink.Channel{l.asks, l.hears} {
		if ch != nil {
			ch.Close()
		}
	}
}
