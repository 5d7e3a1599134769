package system_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/job"
)

// broker gives a plain AMQP channel: for what other producers do, and to look behind Siren.
func (s *site) broker(use func(*amqp.Channel)) {
	s.t.Helper()
	conn, err := amqp.Dial(s.amqpURL)
	s.must(err)
	defer conn.Close()
	ch, err := conn.Channel()
	s.must(err)
	use(ch)
}

// publish sends jobs to the exchange with a routing key as any AMQP client may, past all of Siren's checks.
func (s *site) publish(key string, jobs ...job.Job) {
	s.t.Helper()
	s.broker(func(ch *amqp.Channel) {
		s.must(ch.Confirm(false))
		for _, j := range jobs {
			body, err := json.Marshal(j)
			s.must(err)
			c, err := ch.PublishWithDeferredConfirm("siren.jobs", key, true, false,
				amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
			s.must(err)
			if ok, err := c.WaitContext(s.t.Context()); err != nil || !ok {
				s.t.Fatalf("publish job %s: confirmed %t, %v", j.ID, ok, err)
			}
		}
	})
}

// ready returns how many messages wait in a queue; 0 when there is no such queue.
func (s *site) ready(queue string) (n int) {
	s.t.Helper()
	s.broker(func(ch *amqp.Channel) {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if refused := (*amqp.Error)(nil); !errors.As(err, &refused) || refused.Code != amqp.NotFound {
			s.must(err)
		}
		n = q.Messages
	})
	return n
}

// deadLetters takes every message out of siren.dead, by id.
func (s *site) deadLetters() map[string]amqp.Delivery {
	s.t.Helper()
	letters := map[string]amqp.Delivery{}
	s.broker(func(ch *amqp.Channel) {
		for {
			d, ok, err := ch.Get(deadQueue, true)
			s.must(err)
			if !ok {
				return
			}
			letters[d.MessageId] = d
		}
	})
	return letters
}

// Queues that somebody deletes, or a broker that lost its data comes back without, are there again soon, and served.
func TestQueuesComeBack(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	clip := s.put("clip.mp4")
	before := s.jobs("before", clip, 1)
	s.publish("express", before...)
	s.completed(before[0].ID, 30*time.Second)
	s.broker(func(ch *amqp.Channel) {
		for _, lane := range []string{"express", "standard", "bulk"} {
			_, err := ch.QueueDelete(laneQueue(lane), false, false, false)
			s.must(err)
		}
	})
	after := s.jobs("after", clip, 2)
	s.must(s.send(after[0])) // by labels, again until a queue takes it
	s.await("the queue of lane express", 15*time.Second, func() (bool, string) {
		there := false
		s.broker(func(ch *amqp.Channel) {
			_, err := ch.QueueDeclarePassive(laneQueue("express"), true, false, false, false, amqp.Table{})
			there = err == nil
		})
		return there, "no such queue"
	})
	s.publish("express", after[1])
	for _, j := range after {
		s.completed(j.ID, 30*time.Second)
	}
}
