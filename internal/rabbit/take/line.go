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

// line is a slot's way to one queue. It has two channels, so that it can listen on while nothing is answered: RabbitMQ
// hands jobs over again as soon as a queue has a new leader, but a cancel that was sent to the old one stands for up to
// a minute, and holds a job.
type line struct {
	queue lanes.Queue
	taker *Taker
	*channels
	on   *rabbitlink.Channel // that it listens on
	over chan struct{}       // closed once nothing comes over that any more; nil: nobody listens

	mu   sync.Mutex
	to   chan<- arrival // where to goes what comes; nil: the slot is busy
	held *arrival       // what has come meanwhile
}

// channels are those of a line, so that a queue that doesn't answer keeps only itself waiting. A slot of very many
// queues has several lines share them.
type channels struct {
	asks  channel // gets from queues
	hears channel // consumes from them
	lines int     // that use them
}

// channel is one of them. RabbitMQ answers on it one question after the other.
type channel struct {
	mu sync.Mutex
	*rabbitlink.Channel
}

// holdFor is how long a busy slot holds a job of a queue that doesn't answer, and that it listens to all the same: not
// so long that an idle one elsewhere would miss it, nor so short that busy ones hand it round.
const holdFor = time.Second

// opensWithin is how long a slot that stops listening waits for a channel to ask on.
const opensWithin = 2 * time.Second

// ask puts a question about the line's queue on one of its channels, opened at need.
func (l *line) ask(ctx context.Context, on *channel, question func(*rabbitlink.Channel) error) error {
	on.mu.Lock()
	defer on.mu.Unlock()
	if on.Channel == nil || on.IsClosed() {
		opened, err := l.taker.open(ctx)
		if err != nil {
			return err
		}
		on.Channel = opened
	}
	on.Patience = l.taker.patienceFor(l.queue)
	if err := question(on.Channel); err != nil {
		return &queueError{l.queue, err}
	}
	return nil
}

// open returns a new channel of the live session that is handed one job at a time.
func (t *Taker) open(ctx context.Context) (*rabbitlink.Channel, error) {
	opened, err := t.conn.Channel(ctx)
	if err != nil {
		return nil, err
	}
	qos := func() (*rabbitlink.Channel, error) {
		return opened, opened.Prompt(func() error { return opened.Qos(1, 0, false) })
	}
	if _, err := rabbitlink.UnlessEnded(ctx, qos, (*rabbitlink.Channel).Close); err != nil {
		return nil, fmt.Errorf("set the prefetch: %w", err)
	}
	return opened, nil
}

// get takes the next job of the queue; false when it has none.
func (l *line) get(ctx context.Context) (a arrival, found bool, err error) {
	a.queue = l.queue
	err = l.ask(ctx, &l.asks, func(ch *rabbitlink.Channel) (err error) {
		a.Arrival, found, err = ch.Get(topology.QueueName(l.queue))
		return err
	})
	if err == nil {
		l.taker.fine(l.queue)
	}
	return a, found, err
}

// listening reports whether jobs of the queue come by themselves.
func (l *line) listening() bool { return l.over != nil && !l.on.IsClosed() }

// listen has the broker hand over jobs of the queue, one at a time, to a channel that never makes it wait.
func (l *line) listen(ctx context.Context, priority int, to chan<- arrival) error {
	l.setTo(to)
	if l.listening() {
		return nil
	}
	var args map[string]any
	if priority != 0 {
		args = map[string]any{"x-priority": int32(priority)}
	}
	over := make(chan struct{})
	err := l.ask(ctx, &l.hears, func(ch *rabbitlink.Channel) error {
		jobs, err := ch.Receive(topology.QueueName(l.queue), l.queue.String(), args)
		if err != nil {
			ch.Close()
			return err
		}
		l.on, l.over = ch, over
		go func() {
			defer close(over)
			for d := range jobs {
				l.taker.came(l.queue)
				l.pass(arrival{queue: l.queue, Arrival: rabbitlink.Arrival{Delivery: d, On: ch}})
			}
			l.pass(arrival{queue: l.queue, over: true, Arrival: rabbitlink.Arrival{On: ch}})
		}()
		return nil
	})
	if err == nil {
		l.taker.fine(l.queue)
	}
	return err
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
	if l.cancel() != nil {
		l.on.Close() // what is unacknowledged goes back by itself
	} else {
		<-l.over
	}
	l.over = nil
}

func (l *line) cancel() error {
	l.hears.mu.Lock()
	defer l.hears.mu.Unlock()
	l.on.Patience = l.taker.patienceFor(l.queue)
	return l.on.StopReceiving(topology.QueueName(l.queue), l.queue.String())
}

// check asks whether the leader of the queue that the line listens to is there: it knows of that.
func (l *line) check() error {
	// Without a session there is nobody to ask: a slot that stops doesn't wait for the next one.
	ctx, end := context.WithTimeout(context.Background(), opensWithin)
	defer end()
	if l.taker.mayCount() {
		var ready, consumers int
		err := l.ask(ctx, &l.asks, func(ch *rabbitlink.Channel) (err error) {
			ready, consumers, err = ch.Depth(topology.QueueName(l.queue))
			return err
		})
		switch {
		case errors.Is(err, lanes.ErrRefused):
			l.taker.mayNotCount()
		case err == nil && ready == 0 && consumers == 0: // as a broker says for a leader that is away
			return &queueError{l.queue, rabbitlink.ErrSilent}
		case err != nil:
			return err
		default:
			return nil
		}
	}
	a, found, err := l.get(ctx)
	if found {
		l.pass(a)
	}
	return err
}

// close gives the channels back, and what came over them. Whoever shares them opens others.
func (l *line) close() {
	l.giveBack(nil)
	l.lines--
	for _, ch := range []*channel{&l.asks, &l.hears} {
		ch.close()
	}
}

func (c *channel) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if open := c.Channel; open != nil {
		open.Close()
	}
}

// lost reports whether the session that the channel belongs to is over.
func (c *channel) lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Channel != nil && c.Session.IsClosed()
}
