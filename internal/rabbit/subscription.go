package rabbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// shoulderPriority is the consumer priority of shoulder slots: the broker fills the waiting shared ones (0) first.
const shoulderPriority = -1

// errAgain is why a wait ended without a job and without trouble: the order of lanes is void.
var errAgain = errors.New("the order of lanes has changed")

// arrival is a job that the broker has handed over, or the news that it hands over no more of a queue.
type arrival struct {
	queue lanes.Queue
	ch    *channel
	over  bool // the consumer has ended
	amqp.Delivery
}

// handBack puts the job back to its lane; the broker does so by itself when the channel has closed.
func (a arrival) handBack() {
	_ = a.ch.call(func() error { return a.Nack(false, true) })
}

// delivery is the job as a slot's caller gets it, with the priority that the message asks for: by its property, else by the job's field. What its headers say of times later than now is a wrong clock's: the job is here.
func (a arrival) delivery(now time.Time) lanes.Delivery {
	job, unknown, err := lanes.Decode(a.Body, a.MessageId)
	h, odd := parseHeaders(a.Headers, inLane, now)
	job.Priority = cmp.Or(int(a.Priority), job.Priority)
	return lanes.Delivery{
		Job: job, Lane: a.queue.Lane, EnqueuedAt: earlier(h.enqueuedAt, now), ReadyAt: earlier(h.readyAt, now),
		Attempt: max(1, h.attempt), Replay: h.replay, Returned: a.Redelivered, Error: h.error,
		Body: a.Body, Unknown: unknown, Err: err, Odd: odd,
		Receipt: &receipt{ch: a.ch, tag: a.DeliveryTag},
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// subscription is a slot's consumers, one for each queue, with prefetch 1.
type subscription struct {
	ch       *channel
	queues   []lanes.Queue
	arrivals chan arrival // holds everything that can come at a time, so that nothing blocks on it
	merging  sync.WaitGroup
}

// subscribe consumes from the queues. On an error nothing is left of it: a refusal closes the channel.
func subscribe(ch *channel, queues []lanes.Queue, priority int) (*subscription, error) {
	s := &subscription{ch: ch, queues: queues, arrivals: make(chan arrival, 2*len(queues))}
	var args amqp.Table
	if priority != 0 {
		args = amqp.Table{"x-priority": int32(priority)}
	}
	for _, q := range queues {
		err := ch.call(func() error {
			deliveries, err := ch.Consume(QueueName(q), q.String(), false, false, false, false, args)
			if err == nil {
				s.merging.Go(func() { s.merge(q, deliveries) })
			}
			return err
		})
		if err != nil {
			ch.close()
			s.merging.Wait()
			return nil, &queueError{q, err}
		}
	}
	return s, nil
}

func (s *subscription) merge(q lanes.Queue, deliveries <-chan amqp.Delivery) {
	for d := range deliveries {
		s.arrivals <- arrival{queue: q, ch: s.ch, Delivery: d}
	}
	s.arrivals <- arrival{queue: q, ch: s.ch, over: true}
}

// first waits for a job, until ctx ends or the order is void.
func (s *subscription) first(ctx context.Context, o order) (arrival, error) {
	select {
	case a := <-s.arrivals:
		if a.over {
			return arrival{}, &queueError{a.queue, fmt.Errorf("the broker has ended the subscription%s", s.ch.reason())}
		}
		return a, nil
	case <-o.changed:
		return arrival{}, errAgain
	case <-o.again:
		return arrival{}, errAgain
	case <-ctx.Done():
		return arrival{}, ctx.Err()
	}
}

// stop cancels the consumers and returns what came meanwhile. Nothing comes after it.
func (s *subscription) stop() []arrival {
	for _, q := range s.queues {
		err := s.ch.call(func() error { return s.ch.Cancel(q.String(), false) })
		if err != nil {
			s.ch.close() // then everything unacknowledged goes back by itself
			break
		}
	}
	s.merging.Wait()
	var came []arrival
	for {
		select {
		case a := <-s.arrivals:
			if !a.over && !s.ch.IsClosed() {
				came = append(came, a)
			}
		default:
			return came
		}
	}
}
