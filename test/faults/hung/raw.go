package hung

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/wait"
)

const rawQueue = "raw"

// raw is a producer and a consumer on a queue that the node leads. Neither is connected to it.
type raw struct {
	publisher, consumer *amqp.Connection
	confirmed           *amqp.Channel

	mu    sync.Mutex
	times map[string]*done
}

func openRaw(ctx context.Context, s *site.Site, node *cluster.Node) (r *raw, err error) {
	others := slices.DeleteFunc(slices.Clone(s.Cluster.Nodes), func(n *cluster.Node) bool { return n == node })
	r = &raw{times: map[string]*done{}}
	if r.publisher, err = amqp.Dial(others[0].URL()); err != nil {
		return nil, err
	}
	if r.consumer, err = amqp.Dial(others[1].URL()); err != nil {
		return r, err
	}
	if r.confirmed, err = r.publisher.Channel(); err != nil {
		return r, err
	}
	if err = r.confirmed.Confirm(false); err != nil {
		return r, err
	}
	if _, err = r.confirmed.QueueDeclare(rawQueue, true, false, false, false, amqp.Table{
		"x-queue-type": "quorum",
	}); err != nil {
		return r, err
	}
	if err = s.Cluster.MoveLeader(ctx, rawQueue, node); err != nil {
		return r, err
	}
	ch, err := r.consumer.Channel()
	if err != nil {
		return r, err
	}
	if err = ch.Qos(1, 0, false); err != nil {
		return r, err
	}
	deliveries, err := ch.ConsumeWithContext(ctx, rawQueue, "", false, false, false, false, nil)
	if err != nil {
		return r, err
	}
	go r.consume(deliveries)
	return r, nil
}

func (r *raw) consume(deliveries <-chan amqp.Delivery) {
	for d := range deliveries {
		r.mu.Lock()
		if t := r.times[d.MessageId]; t != nil && t.out.IsZero() {
			t.out = time.Now()
		}
		r.mu.Unlock()
		_ = d.Ack(false)
	}
}

// publish sends a message each time that a lane gets a job.
func (r *raw) publish(ctx context.Context, lasts time.Duration) error {
	var all sync.WaitGroup
	defer all.Wait()
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		id := time.Now().Format(time.RFC3339Nano)
		r.mu.Lock()
		r.times[id] = &done{}
		r.mu.Unlock()
		c, err := r.confirmed.PublishWithDeferredConfirmWithContext(ctx, "", rawQueue, true, false, amqp.Publishing{
			MessageId: id, DeliveryMode: amqp.Persistent,
		})
		if err != nil {
			return fmt.Errorf("publish to %s: %w", rawQueue, err)
		}
		all.Go(func() {
			if ok, err := c.WaitContext(ctx); ok && err == nil {
				r.mu.Lock()
				r.times[id].confirmed = time.Now()
				r.mu.Unlock()
			}
		})
		if err := wait.Pause(ctx, every); err != nil {
			return err
		}
	}
	return nil
}

// done returns when each message was confirmed and came.
func (r *raw) done() (list []done) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.times {
		if !t.confirmed.IsZero() && !t.out.IsZero() {
			list = append(list, *t)
		}
	}
	return list
}

func (r *raw) close() {
	_ = r.publisher.Close()
	_ = r.consumer.Close()
}
