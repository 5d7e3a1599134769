package confirms

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/lanes"
)

// errLost is the verdict on a message whose connection broke before its confirm came: it is to be sent again.
var errLost = lanes.Away(errors.New("the connection was lost"))

// errLeft is the same where the connection was left for another one: that is no suspicion against the message.
var errLeft = fmt.Errorf("%w: it was left for another one", errLost)

// carrier is one confirming channel of one session, to one address. One goroutine writes to it, since a write hangs
// when the broker stops reading; another takes what comes back. Both end with the channel.
type carrier struct {
	ch     *rabbitlink.Channel
	send   chan *outgoing // to the writer
	window chan struct{}  // one token for each message without a verdict
	gone   chan struct{}  // closed once the channel is
	// confirms counts the messages that the broker has taken on.
	confirms atomic.Int64
	by       *Publisher

	mu       sync.Mutex
	underway map[uint64]*flight // by delivery tag
	overdue  *time.Timer        // runs while something is under way
}

// flight is a message that is written and has no verdict yet.
type flight struct {
	*outgoing
	returned *amqp.Return // it came back as unroutable; its confirm comes all the same
}

func (p *Publisher) openCarrier(ch *rabbitlink.Channel) (*carrier, error) {
	c := &carrier{
		ch:       ch,
		send:     make(chan *outgoing),
		window:   make(chan struct{}, p.window),
		gone:     make(chan struct{}),
		by:       p,
		underway: map[uint64]*flight{},
	}
	c.overdue = time.AfterFunc(p.Quiet, c.complain)
	c.overdue.Stop()
	// amqp091 hands a return over before the confirm that follows it on the wire, and waits while a buffer is full.
	returns := ch.NotifyReturn(make(chan amqp.Return, p.window))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, p.window))
	if err := ch.Prompt(func() error { return ch.Confirm(false) }); err != nil {
		ch.Close()
		return nil, fmt.Errorf("ask RabbitMQ for confirms: %w", err)
	}
	go c.write()
	go c.read(returns, confirms)
	return c, nil
}

func (c *carrier) ended() bool {
	select {
	case <-c.gone:
		return true
	default:
		return c.ch.IsClosed()
	}
}

// carry sends the messages and collects their verdicts. It returns those to be sent again on another carrier.
func (c *carrier) carry(ctx context.Context, all []*outgoing, progress func()) (again []*outgoing) {
	handed := c.hand(ctx, all, progress)
	for _, o := range all[:handed] {
		if o.err = c.await(ctx, o); !errors.Is(o.err, errLost) {
			progress()
		} else if o.lost() {
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
		o.giveUp(c.delay(ctx))
	}
	return nil
}

// hand gives the messages to the writer, one after the other, and returns how many it took. Progress is a confirm.
func (c *carrier) hand(ctx context.Context, all []*outgoing, progress func()) int {
	confirms := c.confirms.Load()
	for i, o := range all {
		select {
		case c.send <- o:
		case <-c.gone:
			return i
		case <-ctx.Done():
			return i
		}
		if n := c.confirms.Load(); n != confirms {
			confirms = n
			progress()
		}
	}
	return len(all)
}

// await waits for the verdict on a message that the writer took. A verdict that is there wins over a ctx that has
// ended.
func (c *carrier) await(ctx context.Context, o *outgoing) error {
	select {
	case err := <-o.done:
		return err
	default:
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		o.giveUp(c.delay(ctx))
		return o.err
	}
}

// delay returns why a message didn't get through in time.
func (c *carrier) delay(ctx context.Context) error {
	cause := context.Cause(ctx)
	if why, _ := c.ch.Session.Block(); why != "" {
		return fmt.Errorf("RabbitMQ accepts no jobs for now, %s: %w", why, cause)
	}
	return cause
}

// write runs the writer: it alone publishes, so that delivery tags count its messages.
func (c *carrier) write() {
	for tag := uint64(1); ; {
		var o *outgoing
		select {
		case o = <-c.send:
		case <-c.gone:
			return
		}
		if !c.admitted() {
			o.done <- c.lost()
			return
		}
		if !o.leave() {
			<-c.window
			continue
		}
		c.mu.Lock()
		c.underway[tag] = &flight{outgoing: o}
		if len(c.underway) == 1 {
			c.overdue.Reset(c.by.Quiet)
		}
		c.mu.Unlock()
		if err := c.ch.Publish(o.Exchange, o.Key, true, false, o.Publishing); err != nil {
			if bad := o.Headers.Validate(); bad != nil {
				c.verdict(tag, bad)
				continue // nothing was written, the tag wasn't used
			}
			c.ch.Session.Broken()
			c.verdict(tag, c.lost()) // unless read was first
			return
		}
		tag++
	}
}

// admitted waits until the window has room and no alarm blocks the connection; false when the channel has closed.
func (c *carrier) admitted() bool {
	select {
	case c.window <- struct{}{}:
	case <-c.gone:
		return false
	}
	_, unblocked := c.ch.Session.Block()
	select {
	case <-unblocked:
		return true
	case <-c.gone:
		return false
	}
}

// read takes returns and confirms until the channel closes.
func (c *carrier) read(returns <-chan amqp.Return, confirms <-chan amqp.Confirmation) {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			c.returned(r)
		case confirm, ok := <-confirms:
			if !ok {
				c.end()
				return
			}
			c.drain(returns) // a return that came before this confirm may still be in its buffer
			c.confirmed(confirm)
		}
	}
}

func (c *carrier) drain(returns <-chan amqp.Return) {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				return
			}
			c.returned(r)
		default:
			return
		}
	}
}

// returned marks the message that came back. A return carries no delivery tag: it is the oldest unmarked message with
// its id and address.
func (c *carrier) returned(r amqp.Return) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var oldest *flight
	var at uint64
	for tag, f := range c.underway {
		same := f.MessageId == r.MessageId && f.Key == r.RoutingKey && f.Exchange == r.Exchange
		if same && f.returned == nil && (oldest == nil || tag < at) {
			oldest, at = f, tag
		}
	}
	if oldest != nil {
		oldest.returned = &r
	}
}

func (c *carrier) confirmed(confirm amqp.Confirmation) {
	c.mu.Lock()
	f := c.underway[confirm.DeliveryTag]
	c.mu.Unlock()
	switch {
	case f == nil:
	case f.returned != nil:
		c.verdict(confirm.DeliveryTag,
			fmt.Errorf("%w (%s: exchange %q, key %q)", rabbitlink.ErrUndeclared, f.returned.ReplyText, f.Exchange,
				f.Key))
	case !confirm.Ack:
		c.verdict(confirm.DeliveryTag, fmt.Errorf("%w: RabbitMQ could not store it (nack)", ErrUnconfirmed))
	default:
		c.confirms.Add(1)
		c.by.confirmed.Store(time.Now().UnixNano())
		c.verdict(confirm.DeliveryTag, nil)
	}
}

// verdict ends a message and makes room for the next.
func (c *carrier) verdict(tag uint64, err error) {
	c.mu.Lock()
	f := c.underway[tag]
	delete(c.underway, tag)
	if c.overdue.Stop(); len(c.underway) > 0 {
		c.overdue.Reset(c.by.Quiet)
	}
	c.mu.Unlock()
	if f != nil {
		f.done <- err
		<-c.window
	}
}

// complain leaves the node when no verdict has come for too long, and no alarm says why.
func (c *carrier) complain() {
	if why, _ := c.ch.Session.Block(); why == "" {
		c.by.leave(c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.underway) > 0 {
		c.overdue.Reset(c.by.Quiet) // there was nowhere to go to yet
	}
}

// sample returns one of the messages under way; nil when there is none.
func (c *carrier) sample() *outgoing {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.underway {
		return f.outgoing
	}
	return nil
}

// end gives a verdict on everything under way once the channel has closed.
func (c *carrier) end() {
	why := c.closing()
	close(c.gone)
	c.mu.Lock()
	tags := make([]uint64, 0, len(c.underway))
	for tag := range c.underway {
		tags = append(tags, tag)
	}
	c.mu.Unlock()
	for _, tag := range tags {
		c.verdict(tag, why)
	}
}

// lost returns the verdict on what was under way as the connection ended.
func (c *carrier) lost() error {
	if c.ch.Session.Left() {
		return errLeft
	}
	return errLost
}

// closing returns the verdict on a closed channel. When only the channel closed, the broker has refused something, and
// would refuse it again.
func (c *carrier) closing() error {
	reason := c.ch.Ended()
	switch {
	case reason == nil || c.ch.Session.IsClosed():
		return c.lost()
	case reason.Code == amqp.NotFound:
		return fmt.Errorf("%w (%s)", rabbitlink.ErrUndeclared, reason.Reason)
	default:
		return fmt.Errorf("%w: RabbitMQ closed the channel: %w", ErrUnconfirmed, rabbitlink.Answered(reason))
	}
}
