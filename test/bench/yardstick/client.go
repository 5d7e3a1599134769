// Package yardstick does with plain amqp091-go what Siren does, on the same broker, queues and messages: what Siren is
// measured against.
package yardstick

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/job"
)

// The names on the wire that a producer or consumer without Siren's code goes by.
const (
	JobsExchange = "siren.jobs"
	DeadQueue    = "siren.dead"
)

// LaneQueue returns the name of the queue of a lane.
func LaneQueue(lane string) string { return "siren.lane." + lane }

// Client is what plain amqp091-go does with the same broker, queues and messages: the yardstick. Publishing and taking
// have a connection each, as in Siren.
type Client struct {
	lanes              []string
	producer, consumer *amqp.Connection
	admin              *amqp.Channel
}

// Dial connects to the broker that has these lanes.
func Dial(url string, lanes ...string) (*Client, error) {
	r := Client{lanes: lanes}
	var err error
	if r.producer, err = amqp.Dial(url); err != nil {
		return nil, err
	}
	if r.consumer, err = amqp.Dial(url); err == nil {
		r.admin, err = r.consumer.Channel()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &r, nil
}

// Close ends its connections.
func (r *Client) Close() error {
	err := r.producer.Close()
	if r.consumer != nil {
		err = errors.Join(err, r.consumer.Close())
	}
	return err
}

// Purge empties the queues of all lanes.
func (r *Client) Purge() error {
	for _, lane := range r.lanes {
		if _, err := r.admin.QueuePurge(LaneQueue(lane), false); err != nil {
			return fmt.Errorf("purge lane %q: %w", lane, err)
		}
	}
	return nil
}

// Ready returns how many messages wait in a queue.
func (r *Client) Ready(queue string) (int, error) {
	q, err := r.admin.QueueDeclarePassive(queue, true, false, false, false, nil)
	return q.Messages, err
}

// Bare returns the jobs as messages without Siren's headers and timestamp: what a producer sends that only wants them
// to run.
func Bare(jobs []job.Job) []amqp.Publishing {
	messages := Publishings(jobs)
	for i := range messages {
		messages[i].Headers, messages[i].Timestamp = nil, time.Time{}
	}
	return messages
}

// Publishings returns the jobs as messages like Siren's, to the byte.
func Publishings(jobs []job.Job) []amqp.Publishing {
	messages := make([]amqp.Publishing, len(jobs))
	now := time.Now()
	for i, j := range jobs {
		messages[i] = amqp.Publishing{
			ContentType: "application/json", DeliveryMode: amqp.Persistent, MessageId: j.ID, Timestamp: now,
			Headers: amqp.Table{"enqueuedAt": now.UnixMilli(), "readyAt": now.UnixMilli()}, Body: WireForm(j),
		}
	}
	return messages
}

// Outlet is a confirming channel that publishes to one exchange and key.
type Outlet struct {
	*amqp.Channel
	exchange, key string
	returns       chan amqp.Return
}

// Outlet opens one.
func (r *Client) Outlet(exchange, key string) (*Outlet, error) {
	ch, err := r.producer.Channel()
	if err != nil {
		return nil, err
	}
	o := &Outlet{Channel: ch, exchange: exchange, key: key, returns: ch.NotifyReturn(make(chan amqp.Return, 1))}
	return o, ch.Confirm(false)
}

// Publish sends the messages with at most window of them unconfirmed, and returns when all are confirmed.
func (o *Outlet) Publish(ctx context.Context, messages []amqp.Publishing, window int) error {
	pending := make([]*amqp.DeferredConfirmation, len(messages))
	confirmed := func(i int) error {
		switch ok, err := pending[i].WaitContext(ctx); {
		case err != nil:
			return err
		case !ok:
			return errors.New("not confirmed")
		}
		return nil
	}
	for i, m := range messages {
		if i >= window {
			if err := confirmed(i - window); err != nil {
				return err
			}
		}
		var err error
		if pending[i], err = o.PublishWithDeferredConfirm(o.exchange, o.key, true, false, m); err != nil {
			return err
		}
	}
	for i := max(0, len(messages)-window); i < len(messages); i++ {
		if err := confirmed(i); err != nil {
			return err
		}
	}
	select {
	case back := <-o.returns:
		return fmt.Errorf("unroutable: %s", back.ReplyText)
	default:
		return nil
	}
}

// Get takes n messages by basic.get and acknowledges each, with so many slots, each with a channel of its own.
func (r *Client) Get(queue string, n, slots int) ([]Arrivals, error) {
	var left atomic.Int64
	left.Store(int64(n))
	return r.take(slots, func(ch *amqp.Channel) (came Arrivals, err error) {
		for left.Add(-1) >= 0 {
			d, ok, err := ch.Get(queue, false)
			if err == nil && !ok {
				err = errors.New("the queue is empty too soon")
			}
			if err != nil {
				return came, err
			}
			came = append(came, time.Now())
			if err := d.Ack(false); err != nil {
				return came, err
			}
		}
		return came, nil
	})
}

// Push takes n messages by one consumer with a prefetch, and acknowledges each.
func (r *Client) Push(ctx context.Context, queue string, n, prefetch int) ([]Arrivals, error) {
	return r.take(1, func(ch *amqp.Channel) (came Arrivals, err error) {
		if err := ch.Qos(prefetch, 0, false); err != nil {
			return nil, err
		}
		deliveries, err := ch.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil)
		if err != nil {
			return nil, err
		}
		for d := range deliveries {
			came = append(came, time.Now())
			if err := d.Ack(false); err != nil || len(came) == n {
				return came, err
			}
		}
		return came, errors.New("the consumer ended too soon")
	})
}

// take runs so many slots at the same time.
func (r *Client) take(slots int, slot func(*amqp.Channel) (Arrivals, error)) ([]Arrivals, error) {
	all, errs := make([]Arrivals, slots), make([]error, slots)
	var running sync.WaitGroup
	for i := range slots {
		ch, err := r.consumer.Channel()
		if err != nil {
			errs[i] = err
			break
		}
		running.Go(func() {
			all[i], errs[i] = slot(ch)
			errs[i] = errors.Join(errs[i], ch.Close())
		})
	}
	running.Wait()
	return all, errors.Join(errs...)
}

// WireForm returns the job's body on the wire.
func WireForm(j job.Job) []byte {
	body, err := job.Encode(j)
	if err != nil {
		panic(err) // our own jobs are valid
	}
	return body
}
