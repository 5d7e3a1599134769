package main

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
	jobsExchange = "siren.jobs"
	deadQueue    = "siren.dead"
)

func laneQueue(lane string) string { return "siren.lane." + lane }

// raw is what plain amqp091-go does with the same broker, queues and messages: the yardstick. Publishing and taking
// have a connection each, as in Siren.
type raw struct {
	producer, consumer *amqp.Connection
	admin              *amqp.Channel
}

func dialRaw(url string) (*raw, error) {
	var r raw
	var err error
	if r.producer, err = amqp.Dial(url); err != nil {
		return nil, err
	}
	if r.consumer, err = amqp.Dial(url); err == nil {
		r.admin, err = r.consumer.Channel()
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return &r, nil
}

func (r *raw) close() error {
	err := r.producer.Close()
	if r.consumer != nil {
		err = errors.Join(err, r.consumer.Close())
	}
	return err
}

// purge empties the queues of all lanes.
func (r *raw) purge() error {
	for _, lane := range []string{expressLane, standardLane, bulkLane} {
		if _, err := r.admin.QueuePurge(laneQueue(lane), false); err != nil {
			return fmt.Errorf("purge lane %q: %w", lane, err)
		}
	}
	return nil
}

// ready returns how many messages wait in a queue.
func (r *raw) ready(queue string) (int, error) {
	q, err := r.admin.QueueDeclarePassive(queue, true, false, false, false, nil)
	return q.Messages, err
}

// bare returns the jobs as messages without Siren's headers and timestamp: what a producer sends that only wants them
// to run.
func bare(jobs []job.Job) []amqp.Publishing {
	messages := publishings(jobs)
	for i := range messages {
		messages[i].Headers, messages[i].Timestamp = nil, time.Time{}
	}
	return messages
}

// publishings returns the jobs as messages like Siren's, to the byte.
func publishings(jobs []job.Job) []amqp.Publishing {
	messages := make([]amqp.Publishing, len(jobs))
	now := time.Now()
	for i, j := range jobs {
		messages[i] = amqp.Publishing{
			ContentType: "application/json", DeliveryMode: amqp.Persistent, MessageId: j.ID, Timestamp: now,
			Headers: amqp.Table{"enqueuedAt": now.UnixMilli(), "readyAt": now.UnixMilli()}, Body: wireForm(j),
		}
	}
	return messages
}

// outlet is a confirming channel that publishes to one exchange and key.
type outlet struct {
	*amqp.Channel
	exchange, key string
	returns       chan amqp.Return
}

func (r *raw) outlet(exchange, key string) (*outlet, error) {
	ch, err := r.producer.Channel()
	if err != nil {
		return nil, err
	}
	o := &outlet{Channel: ch, exchange: exchange, key: key, returns: ch.NotifyReturn(make(chan amqp.Return, 1))}
	return o, ch.Confirm(false)
}

// publish sends the messages with at most window of them unconfirmed, and returns when all are confirmed.
func (o *outlet) publish(ctx context.Context, messages []amqp.Publishing, window int) error {
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

// get takes n messages by basic.get and acknowledges each, with so many slots, each with a channel of its own.
func (r *raw) get(queue string, n, slots int) ([]arrivals, error) {
	var left atomic.Int64
	left.Store(int64(n))
	return r.take(slots, func(ch *amqp.Channel) (came arrivals, err error) {
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

// push takes n messages by one consumer with a prefetch, and acknowledges each.
func (r *raw) push(ctx context.Context, queue string, n, prefetch int) ([]arrivals, error) {
	return r.take(1, func(ch *amqp.Channel) (came arrivals, err error) {
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
func (r *raw) take(slots int, slot func(*amqp.Channel) (arrivals, error)) ([]arrivals, error) {
	all, errs := make([]arrivals, slots), make([]error, slots)
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

// arrivals is when the jobs of one slot came, in order.
type arrivals []time.Time

// perSecond returns the throughput of all slots together.
func perSecond(slots []arrivals) float64 {
	var first, last time.Time
	n := 0
	for _, s := range slots {
		if len(s) == 0 {
			continue
		}
		n += len(s)
		if first.IsZero() || s[0].Before(first) {
			first = s[0]
		}
		if end := s[len(s)-1]; end.After(last) {
			last = end
		}
	}
	return float64(n-1) / last.Sub(first).Seconds()
}

// perJob returns the median time in milliseconds that a slot needs for one job: from its arrival to that of the next.
func perJob(slots []arrivals) float64 {
	var times []float64
	for _, s := range slots {
		for i := 1; i < len(s); i++ {
			times = append(times, millis(s[i].Sub(s[i-1])))
		}
	}
	return percentile(times, 50)
}
