package rabbitlink

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// channel opens a channel on the session.
func (s *Session) channel() (*Channel, error) {
	var ch *amqp.Channel
	err := s.ask(func() (err error) {
		ch, err = s.conn.Channel()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Channel{Channel: ch, Session: s, closed: ch.NotifyClose(make(chan *amqp.Error, 1))}, nil
}

// Channel is an AMQP channel with the session that it belongs to.
type Channel struct {
	*amqp.Channel
	Session *Session
	closed  chan *amqp.Error // the reason, then closed
}

// Call runs one request to the broker over the channel, bounded in time. Every one that waits for an answer goes
// through it.
func (c *Channel) Call(request func() error) error { return c.Session.ask(request) }

// Get takes the next message of a queue; false when none is ready.
func (c *Channel) Get(queue string) (a Arrival, found bool, err error) {
	err = c.Call(func() (err error) {
		a.Delivery, found, err = c.Channel.Get(queue, false)
		return err
	})
	a.On = c
	return a, found, err
}

// Receive consumes a queue's messages, as many at a time as the prefetch says, until the consumer of that tag is
// cancelled.
func (c *Channel) Receive(queue, tag string, args map[string]any) (messages <-chan amqp.Delivery, err error) {
	err = c.Call(func() (err error) {
		messages, err = c.Consume(queue, tag, false, false, false, false, args)
		return err
	})
	return messages, err
}

// Ready returns how many messages wait in a queue now.
func (c *Channel) Ready(queue string) (n int, err error) {
	err = c.Call(func() error {
		q, err := c.QueueDeclarePassive(queue, true, false, false, false, nil)
		n = q.Messages
		return err
	})
	return n, err
}

// Close gives the channel back. What it held unacknowledged goes back to its queues.
func (c *Channel) Close() {
	_ = c.Call(c.Channel.Close)
}

// Ended waits until the channel has closed, and says why; nil when it was closed on purpose, or somebody has asked
// before.
func (c *Channel) Ended() *amqp.Error { return <-c.closed }

// Reason returns why the channel has closed, as the end of a sentence; "" while it is open.
func (c *Channel) Reason() string {
	if !c.IsClosed() {
		return ""
	}
	select {
	case e := <-c.closed:
		if e != nil {
			return ": " + e.Error()
		}
	default:
	}
	return ": the channel was closed"
}

// Arrival is a message that the broker has handed over. It is settled on the very channel that it came over, since its
// tag means another message on any other.
type Arrival struct {
	amqp.Delivery
	On *Channel // that it came over
}

// Ack ends the message: it is carried on elsewhere, or over. An error is an ErrStale.
func (a Arrival) Ack() error { return a.settle(func() error { return a.Delivery.Ack(false) }) }

// GiveBack puts the message back into its queue. An error is an ErrStale: the broker has it back already.
func (a Arrival) GiveBack() error { return a.settle(func() error { return a.Nack(false, true) }) }

// settle fails only with the channel, and so with the delivery.
func (a Arrival) settle(how func() error) error {
	if err := a.On.Call(how); err != nil {
		return fmt.Errorf("%w (%w)", ErrStale, err)
	}
	return nil
}
