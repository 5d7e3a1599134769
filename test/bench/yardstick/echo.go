package yardstick

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// Echo is a raw producer and a raw consumer of one queue.
type Echo struct {
	*Outlet
	consumer *amqp.Channel
	came     <-chan amqp.Delivery
}

// Echo begins one.
func (r *Client) Echo(ctx context.Context) (*Echo, error) {
	const queue = "bench.echo"
	ch, err := r.consumer.Channel()
	if err != nil {
		return nil, err
	}
	if _, err := ch.QueueDeclare(queue, true, false, false, false,
		amqp.Table{"x-queue-type": lanes.Classic}); err != nil {
		return nil, err
	}
	if err := ch.Qos(1, 0, false); err != nil {
		return nil, err
	}
	e := &Echo{consumer: ch}
	if e.came, err = ch.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil); err != nil {
		return nil, err
	}
	e.Outlet, err = r.Outlet("", queue)
	return e, err
}

// Send publishes a job and returns when the consumer has it.
func (e *Echo) Send(ctx context.Context, j []job.Job) (time.Time, error) {
	at := make(chan time.Time, 1)
	go func() {
		if d, ok := <-e.came; ok {
			at <- time.Now()
			_ = d.Ack(false)
		}
	}()
	if err := e.Publish(ctx, Publishings(j), 1); err != nil {
		return time.Time{}, err
	}
	select {
	case t := <-at:
		return t, nil
	case <-time.After(10 * time.Second):
		return time.Time{}, errors.New("a raw message didn't come within 10 s")
	}
}

// Close ends both.
func (e *Echo) Close() error { return errors.Join(e.Outlet.Close(), e.consumer.Close()) }
