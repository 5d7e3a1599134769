// Package confirms publishes messages and waits for RabbitMQ's confirms, across lost connections and alarms. It knows
// where a message goes, and nothing of what it says.
package confirms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/lanes"
	amqp "github.com/rabbitmq/amqp091-go"
)

// What a publish that didn't succeed means for its job.
var (
	// ErrNotSent: the broker doesn't have the job. There was no connection, or an alarm blocks publishing.
	ErrNotSent = lanes.Away(errors.New("the job was not sent"))
	// ErrUnconfirmed: the broker may or may not have the job. Publishing it again with the same id is harmless, since
	// a job id runs once.
	ErrUnconfirmed = lanes.Away(errors.New("the job may or may not have arrived"))
)

const (
	defaultWindow   = 256              // unconfirmed messages at a time
	defaultPatience = 30 * time.Second // without any confirm
	defaultQuiet    = 5 * time.Second  // the same, for the node that is published to
)

// Publisher publishes persistent messages and returns once the broker has confirmed that a queue has them. It keeps a
// window of unconfirmed messages under way to each exchange and key, for all its callers together, and is safe for
// concurrent use. Each has a channel of its own, since a broker stops taking messages over a channel while a queue that
// they go to doesn't keep up: so a lane whose queue doesn't answer keeps no other lane's jobs waiting.
//
// It waits out lost connections and alarms, and leaves a node that confirms nothing for another one, but for at most
// its patience without any progress; then the error is ErrNotSent or ErrUnconfirmed. What was unconfirmed when a
// connection ended is published again on the next one: two copies of a job are harmless (claims see to it), none is
// not.
type Publisher struct {
	Patience time.Duration // how long a publish goes on without any confirm: 30 s, unless it is set before the first
	Quiet    time.Duration // after how long without any the node is left for another one: 5 s, unless likewise

	conn      *rabbitlink.Conn
	window    int
	opening   chan struct{}        // the right to look at and replace carriers; a mutex that knows contexts
	carriers  map[address]*carrier // of the latest session
	confirmed atomic.Int64         // when the broker last confirmed anything, in nanoseconds since 1970
}

// address is where messages go to.
type address struct{ exchange, key string }

// maxCarriers is how many addresses have a carrier of their own. The others share one: what a stranger writes into a
// header can't use up the connection's channels.
const maxCarriers = 1000

// NewPublisher publishes over conn, which nothing else may use: an alarm stops everything on a connection that
// publishes. window is how many messages to one address may be unconfirmed at a time, 0 for the default (256). It ends
// with conn.
func NewPublisher(conn *rabbitlink.Conn, window int) *Publisher {
	if window <= 0 {
		window = defaultWindow
	}
	return &Publisher{
		conn: conn, window: window, Patience: defaultPatience, Quiet: defaultQuiet,
		opening: make(chan struct{}, 1), carriers: map[address]*carrier{},
	}
}

// Now returns the time by the connection's clock.
func (p *Publisher) Now() time.Time { return p.conn.Now() }

// Publish publishes messages, without waiting for each one's confirm before sending the next. It returns one error per
// message, nil for the confirmed ones: ErrNotSent, ErrUnconfirmed, ErrUndeclared, or why the message can't be written.
func (p *Publisher) Publish(ctx context.Context, messages []Message) []error {
	all := make([]*outgoing, len(messages))
	to := map[address][]*outgoing{}
	for i, m := range messages {
		all[i] = &outgoing{Message: m, done: make(chan error, 1)}
		a := address{m.Exchange, m.Key}
		to[a] = append(to[a], all[i])
	}
	var publishing sync.WaitGroup
	for a, messages := range to {
		publishing.Go(func() { p.publish(ctx, a, messages) })
	}
	publishing.Wait()
	errs := make([]error, len(all))
	for i, o := range all {
		errs[i] = o.err
	}
	return errs
}

// errPatience is why a publish gives up by itself.
var errPatience = errors.New("RabbitMQ has confirmed nothing for too long")

// publish sends messages to one address and sets the error of each. It returns when each is confirmed or has failed,
// when ctx ends, or when nothing has moved for as long as patience lasts.
func (p *Publisher) publish(ctx context.Context, to address, all []*outgoing) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(p.Patience, func() { cancel(errPatience) })
	defer timer.Stop()
	progress := func() { timer.Reset(p.Patience) }

	for rest := all; len(rest) > 0; {
		c, err := p.connect(ctx, to)
		if err != nil {
			for _, o := range rest {
				o.giveUp(err)
			}
			return
		}
		rest = c.carry(ctx, rest, progress)
	}
}

// connect returns the carrier to an address over the live session, opened at need.
func (p *Publisher) connect(ctx context.Context, to address) (*carrier, error) {
	select {
	case p.opening <- struct{}{}:
		defer func() { <-p.opening }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if p.carriers[to] == nil && len(p.carriers) >= maxCarriers {
		to = address{}
	}
	for p.carriers[to] == nil || p.carriers[to].ended() {
		ch, err := p.conn.Channel(ctx)
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(p.carriers, func(_ address, c *carrier) bool { return c.ended() })
		open := func() (*carrier, error) { return p.openCarrier(ch) }
		if c, err := rabbitlink.UnlessEnded(ctx, open, func(c *carrier) { c.ch.Close() }); err == nil {
			p.carriers[to] = c
		} else if ctx.Err() != nil || !ch.Session.IsClosed() {
			return nil, err
		}
	}
	return p.carriers[to], nil
}

// leave leaves a node that confirms nothing to anybody, though it accepts jobs: it may be cut off from the others.
func (p *Publisher) leave(c *carrier) {
	if time.Since(time.Unix(0, p.confirmed.Load())) >= p.Quiet {
		p.conn.Leave(c.ch.Session, "it confirms nothing", func(s *rabbitlink.Session) error {
			return tryElsewhere(s, c)
		})
	}
}

// confirmsWithin is how long another node may take to confirm what the present one doesn't.
const confirmsWithin = 3 * time.Second

// tryElsewhere tries whether another node confirms a message that the carrier waits for: where the leader of its queue
// hangs none does, and the carrier's own channel is the first to learn of the next leader.
func tryElsewhere(s *rabbitlink.Session, c *carrier) error {
	o := c.sample()
	if o == nil {
		return errors.New("nothing waits for a confirm any more")
	}
	ch, err := s.Channel()
	if err != nil {
		return err
	}
	ch.Patience = confirmsWithin
	return ch.About(o.Key, func() error {
		if err := ch.Confirm(false); err != nil {
			return err
		}
		confirm, err := ch.PublishWithDeferredConfirm(o.Exchange, o.Key, false, false, o.Publishing)
		if err == nil && !confirm.Wait() {
			err = amqp.ErrClosed
		}
		return err
	})
}

// maxLosses is how often a message may go down with its connection before it is suspected of being the cause. One that
// this process has left doesn't count.
const maxLosses = 3

// Message is a message on its way to the broker: where to, and what is published.
type Message struct {
	Exchange string
	Key      string
	amqp.Publishing
}

// Failed adds the job's name to the error of a message that wasn't published; nil for nil.
func (m Message) Failed(why error) error {
	if why == nil {
		return nil
	}
	return fmt.Errorf("job %s to lane %q: %w", m.MessageId, m.Key, why)
}

// outgoing is one message under way.
type outgoing struct {
	Message
	done   chan error   // its verdict, once per carrier that had it; never blocks the sender
	state  atomic.Int32 // waiting, sent or dropped
	losses int          // how often its connection broke; the caller's
	err    error        // the final verdict; the caller's
}

// The states of an outgoing message, so that one whose caller has gone isn't sent behind its back.
const (
	waiting int32 = iota
	sent          // at least once
	dropped       // its caller has given up
)

// leave marks the message as sent, just before sending; false when nobody wants it any more.
func (o *outgoing) leave() bool {
	return o.state.CompareAndSwap(waiting, sent) || o.state.Load() == sent
}

// lost counts a connection that ended, and is whether there were too many.
func (o *outgoing) lost() bool {
	if !errors.Is(o.err, errLeft) {
		o.losses++
	}
	return o.losses >= maxLosses
}

// giveUp ends the message from its caller's side.
func (o *outgoing) giveUp(cause error) {
	if o.state.Swap(dropped) == sent {
		o.err = fmt.Errorf("%w: %w", ErrUnconfirmed, cause)
	} else {
		o.err = fmt.Errorf("%w: %w", ErrNotSent, cause)
	}
}
