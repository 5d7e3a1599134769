package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// What a publish that didn't succeed means for its job.
var (
	// ErrNotSent: the broker doesn't have the job. There was no connection, or an alarm blocks publishing.
	ErrNotSent = lanes.Away(errors.New("the job was not sent"))
	// ErrUnconfirmed: the broker may or may not have the job. Publishing it again with the same id is harmless, since
	// a job id runs once.
	ErrUnconfirmed = lanes.Away(errors.New("the job may or may not have arrived"))
	// ErrUndeclared: the broker has no queue for the job.
	ErrUndeclared = lanes.Away(errors.New("the queues are not declared on this broker; start `siren scaler` (or `siren up`), which declares them"))
)

const (
	defaultWindow   = 256              // unconfirmed messages at a time
	defaultPatience = 30 * time.Second // without any confirm
)

// Publisher publishes persistent messages and returns once the broker has confirmed that a queue has them. It keeps a
// window of unconfirmed messages under way, for all its callers together, and is safe for concurrent use.
//
// It waits out lost connections and alarms, but for at most 30 s without any progress; then the error is ErrNotSent or
// ErrUnconfirmed. What was unconfirmed when a connection broke is published again on the next one: two copies of a job
// are harmless (claims see to it), none is not.
type Publisher struct {
	conn     *Conn
	window   int
	patience time.Duration
	opening  chan struct{} // the right to look at and replace line; a mutex that knows contexts
	line     *line         // of the latest session
}

// NewPublisher publishes over conn, which nothing else may use: an alarm stops everything on a connection that
// publishes. window is how many messages may be unconfirmed at a time, 0 for the default (256). It ends with conn.
func NewPublisher(conn *Conn, window int) *Publisher {
	if window <= 0 {
		window = defaultWindow
	}
	return &Publisher{conn: conn, window: window, patience: defaultPatience, opening: make(chan struct{}, 1)}
}

// EnqueueBatch puts many jobs into their lanes, without waiting for each one's confirm before sending the next. It
// returns one error per entry, nil for the confirmed ones. A lane that doesn't exist means the default lane. Errors: lanes.Encode's,
// ErrNotSent, ErrUnconfirmed, ErrUndeclared.
func (p *Publisher) EnqueueBatch(ctx context.Context, entries []Entry) []error {
	errs := make([]error, len(entries))
	all := make([]*outgoing, 0, len(entries))
	at := make([]int, 0, len(entries))
	now := p.conn.options.Now()
	for i, e := range entries {
		m, err := e.message(now)
		if err != nil {
			errs[i] = err
			continue
		}
		all = append(all, newOutgoing(m))
		at = append(at, i)
	}
	p.publish(ctx, all)
	for j, o := range all {
		if o.err != nil {
			errs[at[j]] = fmt.Errorf("job %s to lane %q: %w", o.MessageId, o.key, o.err)
		}
	}
	return errs
}

// send publishes one message and waits for its confirm.
func (p *Publisher) send(ctx context.Context, m message) error {
	o := newOutgoing(m)
	p.publish(ctx, []*outgoing{o})
	return o.err
}

// errPatience is why a publish gives up by itself.
var errPatience = errors.New("RabbitMQ has confirmed nothing for too long")

// publish sends them all and sets the error of each. It returns when each is confirmed or has failed, when ctx ends, or
// when nothing has moved for as long as patience lasts.
func (p *Publisher) publish(ctx context.Context, all []*outgoing) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(p.patience, func() { cancel(errPatience) })
	defer timer.Stop()
	progress := func() { timer.Reset(p.patience) }

	for rest := all; len(rest) > 0; {
		l, err := p.connect(ctx)
		if err != nil {
			for _, o := range rest {
				o.giveUp(err)
			}
			return
		}
		rest = l.carry(ctx, rest, progress)
	}
}

// connect is the line of the live session, opened at need.
func (p *Publisher) connect(ctx context.Context) (*line, error) {
	select {
	case p.opening <- struct{}{}:
		defer func() { <-p.opening }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for p.line == nil || p.line.ended() {
		ch, err := p.conn.channel(ctx)
		if err != nil {
			return nil, err
		}
		open := func() (*line, error) { return openLine(ch, p.window) }
		if l, err := unlessEnded(ctx, open, func(l *line) { l.ch.close() }); err == nil {
			p.line = l
		} else if ctx.Err() != nil || !ch.session.conn.IsClosed() {
			return nil, err
		}
	}
	return p.line, nil
}

// maxLosses is how often a message may go down with its connection before it is suspected of being the cause.
const maxLosses = 3

// outgoing is one message under way.
type outgoing struct {
	message
	done   chan error   // its verdict, once per line that carried it; never blocks the sender
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

func newOutgoing(m message) *outgoing {
	return &outgoing{message: m, done: make(chan error, 1)}
}

// failure is why the first of the messages that failed did; nil when all are confirmed.
func failure(messages []*outgoing) error {
	for _, o := range messages {
		if o.err != nil {
			return fmt.Errorf("job %s to lane %q: %w", o.MessageId, o.key, o.err)
		}
	}
	return nil
}

// leave is called just before sending; false when nobody wants it any more.
func (o *outgoing) leave() bool {
	return o.state.CompareAndSwap(waiting, sent) || o.state.Load() == sent
}

// giveUp ends the message from its caller's side.
func (o *outgoing) giveUp(cause error) {
	if o.state.Swap(dropped) == sent {
		o.err = fmt.Errorf("%w: %w", ErrUnconfirmed, cause)
	} else {
		o.err = fmt.Errorf("%w: %w", ErrNotSent, cause)
	}
}
