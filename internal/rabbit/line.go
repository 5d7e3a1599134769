package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// errLost is the verdict on a message whose connection broke before its confirm came: it is to be sent again.
var errLost = lanes.Away(errors.New("the connection was lost"))

// line is one confirming channel of one session. One goroutine writes to it, since a write hangs when the broker stops
// reading; another takes what comes back. Both end with the channel.
type line struct {
	ch     *channel
	send   chan *outgoing // to the writer
	window chan struct{}  // one token for each message without a verdict
	gone   chan struct{}  // closed once the channel is
	// confirms counts the messages that the broker has taken on.
	confirms atomic.Int64

	mu       sync.Mutex
	underway map[uint64]*flight // by delivery tag
}

// flight is a message that is written and has no verdict yet.
type flight struct {
	*outgoing
	returned *amqp.Return // it came back as unroutable; its confirm comes all the same
}

func openLine(ch *channel, window int) (*line, error) {
	l := &line{
		ch:       ch,
		send:     make(chan *outgoing),
		window:   make(chan struct{}, window),
		gone:     make(chan struct{}),
		underway: map[uint64]*flight{},
	}
	// amqp091 hands a return over before the confirm that follows it on the wire, and waits while a buffer is full.
	returns := ch.NotifyReturn(make(chan amqp.Return, window))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, window))
	if err := ch.call(func() error { return ch.Confirm(false) }); err != nil {
		ch.close()
		return nil, fmt.Errorf("ask RabbitMQ for confirms: %w", err)
	}
	go l.write()
	go l.read(returns, confirms)
	return l, nil
}

func (l *line) ended() bool {
	select {
	case <-l.gone:
		return true
	default:
		return l.ch.IsClosed()
	}
}

// carry sends the messages and collects their verdicts. It returns those to be sent again on another line.
func (l *line) carry(ctx context.Context, all []*outgoing, progress func()) (again []*outgoing) {
	handed := l.hand(ctx, all, progress)
	for _, o := range all[:handed] {
		if o.err = l.await(ctx, o); !errors.Is(o.err, errLost) {
			progress()
		} else if o.losses++; o.losses >= maxLosses {
			o.giveUp(errLost)
		} else {
			again = append(again, o)
		}
	}
	again = append(again, all[handed:]...)
	if ctx.Err() == nil {
		return again
	}
	for _, o := range again {
		o.giveUp(l.delay(ctx))
	}
	return nil
}

// hand gives the messages to the writer, one after the other, and returns how many it took. Progress is a confirm.
func (l *line) hand(ctx context.Context, all []*outgoing, progress func()) int {
	confirms := l.confirms.Load()
	for i, o := range all {
		select {
		case l.send <- o:
		case <-l.gone:
			return i
		case <-ctx.Done():
			return i
		}
		if n := l.confirms.Load(); n != confirms {
			confirms = n
			progress()
		}
	}
	return len(all)
}

// await is the verdict on a message that the writer took. A verdict that is there wins over a ctx that has ended.
func (l *line) await(ctx context.Context, o *outgoing) error {
	select {
	case err := <-o.done:
		return err
	default:
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		o.giveUp(l.delay(ctx))
		return o.err
	}
}

// delay is why a message didn't get through in time.
func (l *line) delay(ctx context.Context) error {
	cause := context.Cause(ctx)
	if why, _ := l.ch.session.block(); why != "" {
		return fmt.Errorf("RabbitMQ accepts no jobs for now, %s: %w", why, cause)
	}
	return cause
}

// write is the writer: it alone publishes, so that delivery tags count its messages.
func (l *line) write() {
	for tag := uint64(1); ; {
		var o *outgoing
		select {
		case o = <-l.send:
		case <-l.gone:
			return
		}
		if !l.admitted() {
			o.done <- errLost
			return
		}
		if !o.leave() {
			<-l.window
			continue
		}
		l.mu.Lock()
		l.underway[tag] = &flight{outgoing: o}
		l.mu.Unlock()
		if err := l.ch.Publish(o.exchange, o.key, true, false, o.Publishing); err != nil {
			if bad := o.Headers.Validate(); bad != nil {
				l.verdict(tag, bad)
				continue // nothing was written, the tag wasn't used
			}
			l.ch.session.broken()
			l.verdict(tag, errLost) // unless read was first
			return
		}
		tag++
	}
}

// admitted waits until the window has room and no alarm blocks the connection; false when the channel has closed.
func (l *line) admitted() bool {
	select {
	case l.window <- struct{}{}:
	case <-l.gone:
		return false
	}
	_, unblocked := l.ch.session.block()
	select {
	case <-unblocked:
		return true
	case <-l.gone:
		return false
	}
}

// read takes returns and confirms until the channel closes.
func (l *line) read(returns <-chan amqp.Return, confirms <-chan amqp.Confirmation) {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			l.returned(r)
		case c, ok := <-confirms:
			if !ok {
				l.end()
				return
			}
			l.drain(returns) // a return that came before this confirm may still be in its buffer
			l.confirmed(c)
		}
	}
}

func (l *line) drain(returns <-chan amqp.Return) {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				return
			}
			l.returned(r)
		default:
			return
		}
	}
}

// returned marks the message that came back. A return carries no delivery tag: it is the oldest unmarked message with its
// id and address.
func (l *line) returned(r amqp.Return) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest *flight
	var at uint64
	for tag, f := range l.underway {
		same := f.MessageId == r.MessageId && f.key == r.RoutingKey && f.exchange == r.Exchange
		if same && f.returned == nil && (oldest == nil || tag < at) {
			oldest, at = f, tag
		}
	}
	if oldest != nil {
		oldest.returned = &r
	}
}

func (l *line) confirmed(c amqp.Confirmation) {
	l.mu.Lock()
	f := l.underway[c.DeliveryTag]
	l.mu.Unlock()
	switch {
	case f == nil:
	case f.returned != nil:
		l.verdict(c.DeliveryTag, fmt.Errorf("%w (%s: exchange %q, key %q)", ErrUndeclared, f.returned.ReplyText, f.exchange, f.key))
	case !c.Ack:
		l.verdict(c.DeliveryTag, fmt.Errorf("%w: RabbitMQ could not store it (nack)", ErrUnconfirmed))
	default:
		l.confirms.Add(1)
		l.verdict(c.DeliveryTag, nil)
	}
}

// verdict ends a message and makes room for the next.
func (l *line) verdict(tag uint64, err error) {
	l.mu.Lock()
	f := l.underway[tag]
	delete(l.underway, tag)
	l.mu.Unlock()
	if f != nil {
		f.done <- err
		<-l.window
	}
}

// end gives a verdict on everything under way once the channel has closed.
func (l *line) end() {
	why := l.closing()
	close(l.gone)
	l.mu.Lock()
	tags := make([]uint64, 0, len(l.underway))
	for tag := range l.underway {
		tags = append(tags, tag)
	}
	l.mu.Unlock()
	for _, tag := range tags {
		l.verdict(tag, why)
	}
}

// closing is why the channel closed, as a verdict. When only the channel did, the broker has refused something: sending
// it again would be refused again.
func (l *line) closing() error {
	reason := <-l.ch.closed
	switch {
	case reason == nil || l.ch.session.conn.IsClosed():
		return errLost
	case reason.Code == amqp.NotFound:
		return fmt.Errorf("%w (%s)", ErrUndeclared, reason.Reason)
	default:
		return fmt.Errorf("%w: RabbitMQ closed the channel: %w", ErrUnconfirmed, answered(reason))
	}
}
