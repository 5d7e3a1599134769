package rabbitlink

import (
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Channel opens a channel on the session.
func (s *Session) Channel() (*Channel, error) {
	defer s.unlessMute()()
	var ch *amqp.Channel
	err := s.ask(func() (err error) {
		ch, err = s.conn.Channel()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Channel{
		Channel: ch, Session: s, Patience: Patience,
		closed: ch.NotifyClose(make(chan *amqp.Error, 1)),
	}, nil
}

// Channel is an AMQP channel with the session that it belongs to.
type Channel struct {
	*amqp.Channel
	Session  *Session
	Patience time.Duration // how long a queue may take to answer; then it is ErrSilent, and the channel left

	closed chan *amqp.Error // the reason, then closed
	left   atomic.Bool      // a question stands on it that nobody waits for
}

// IsClosed reports whether the channel is of no use any more.
func (c *Channel) IsClosed() bool { return c.left.Load() || c.Channel.IsClosed() }

// Call runs one request to the broker over the channel, bounded in time: one that no queue has to answer for. After 30
// seconds the session is over.
func (c *Channel) Call(request func() error) error { return c.Session.ask(request) }

// Prompt runs one request that the broker answers by itself, such as for a prefetch: where it doesn't within the time
// that it has to open a channel, the session is given up.
func (c *Channel) Prompt(request func() error) error {
	defer c.Session.unlessMute()()
	return c.Session.ask(request)
}

// Get takes the next message of a queue; false when none is ready.
func (c *Channel) Get(queue string) (Arrival, bool, error) {
	var got struct {
		amqp.Delivery
		found bool
	}
	err := c.About(queue, func() (err error) {
		got.Delivery, got.found, err = c.Channel.Get(queue, false)
		return err
	})
	if err != nil {
		return Arrival{}, false, err
	}
	return Arrival{Delivery: got.Delivery, On: c}, got.found, nil
}

// Receive consumes a queue's messages, as many at a time as the prefetch says, until the consumer of that tag is
// cancelled.
func (c *Channel) Receive(queue, tag string, args map[string]any) (<-chan amqp.Delivery, error) {
	var messages struct{ come <-chan amqp.Delivery }
	err := c.About(queue, func() (err error) {
		messages.come, err = c.Consume(queue, tag, false, false, false, false, args)
		return err
	})
	if err != nil {
		return nil, err
	}
	return messages.come, nil
}

// StopReceiving cancels the consumer of that tag.
func (c *Channel) StopReceiving(queue, tag string) error {
	return c.About(queue, func() error { return c.Cancel(tag, false) })
}

// Depth returns how many messages wait in a queue now, and how many consumers it has. It says 0 and 0 for a queue whose
// leader is away, too.
func (c *Channel) Depth(queue string) (ready, consumers int, err error) {
	var is struct{ amqp.Queue }
	err = c.About(queue, func() (err error) {
		is.Queue, err = c.QueueDeclarePassive(queue, true, false, false, false, nil)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return is.Messages, is.Consumers, nil
}

// Ready returns how many messages wait in a queue now. Where it may be that only the leader is away, it makes sure.
func (c *Channel) Ready(queue string) (int, error) {
	ready, consumers, err := c.Depth(queue)
	if err != nil || ready > 0 || consumers > 0 {
		return ready, err
	}
	empty, err := c.Empty(queue)
	if err != nil || empty {
		return 0, err
	}
	ready, _, err = c.Depth(queue)
	return max(1, ready), err
}

// Empty reports whether no message waits in a queue now. It asks for one, which nobody but the leader answers, and
// gives it back.
func (c *Channel) Empty(queue string) (bool, error) {
	m, found, err := c.Get(queue)
	if found {
		err = m.GiveBack()
	}
	return !found, err
}

// Close gives the channel back. What it held unacknowledged goes back to its queues.
func (c *Channel) Close() {
	if !c.left.Load() {
		_ = c.About("", c.Channel.Close)
	}
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
