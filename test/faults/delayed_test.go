package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/site"
)

// delayedJobs wait in the delay queues, to be forwarded within delayedFor.
const (
	delayedJobs = 5000
	delayedFor  = 15 * time.Second
)

// The broker is killed in the middle of 5,000 delayed jobs, while they are on their way back to their lane, and again,
// and so is a scaler, whose forwarder moves them. None is lost.
func TestBrokerKilledAmongDelayedJobs(t *testing.T) {
	t.Parallel()
	o := testOptions(t, 1, time.Minute)
	s, err := openDelayed(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("everything is kept in %s", s.Dir)
		} else {
			_ = os.RemoveAll(s.Dir)
		}
	}()
	lane, began := s.QueueOf("standard"), time.Now()
	if err := delay(t.Context(), s, delayedJobs, rand.New(rand.NewPCG(o.seed, 3))); err != nil {
		t.Fatal(err)
	}
	for i, at := range []int{delayedJobs / 8, delayedJobs / 3, delayedJobs * 2 / 3} {
		if err := awaitReady(s, lane, at); err != nil {
			t.Fatal(err)
		}
		if err := s.RabbitMQ.Kill(); err != nil {
			t.Fatal(err)
		}
		t.Logf("kill %d of the broker, %s after the first job was delayed", i+1,
			time.Since(began).Round(100*time.Millisecond))
		if i == 1 {
			s.Scalers[0].Signal(syscall.SIGKILL)
		}
		if err := s.RabbitMQ.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.Rest(ctx, lane, func(time.Duration, int) bool { return true }); err != nil {
		t.Fatalf("jobs are still delayed, perhaps in a forwarder's hands: %v", err)
	}
	back, err := takeAll(s, lane)
	if err != nil {
		t.Fatal(err)
	}
	twice := 0
	for _, n := range back {
		twice += n - 1
	}
	t.Logf("%s, %s queues: %d of %d delayed jobs are back in their lane, %d copies more", s.RabbitMQ.Version(),
		o.queueType, len(back), delayedJobs, twice)
	for i := range delayedJobs {
		if back[delayedID(i)] == 0 {
			t.Errorf("job %s is lost", delayedID(i))
		}
	}
}

func delayedID(i int) string { return fmt.Sprintf("delayed-%04d", i) }

// openDelayed opens a site of two scalers and nothing else.
func openDelayed(ctx context.Context, o options) (*site.Site, error) {
	return site.Open(ctx, o.site(), func(s *site.Site) error {
		if err := s.Serve(ctx); err != nil {
			return err
		}
		if err := s.Lead(); err != nil {
			return err
		}
		if err := awaitReady(s, "siren.delay.15s", 0); err != nil {
			return err
		}
		return s.LearnQueues(ctx)
	})
}

// delay puts so many jobs off for a while, as a worker does, and returns when the broker has confirmed all of them.
func delay(ctx context.Context, s *site.Site, n int, r *rand.Rand) error {
	return s.Direct(func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return err
		}
		var confirms []*amqp.DeferredConfirmation
		for i := range n {
			wait := time.Second + time.Duration(r.Int64N(int64(delayedFor)))
			body, err := job.Encode(job.Job{
				ID: delayedID(i), Kind: "probe", Input: "file:///in",
				Output: "file:///out.json",
			})
			if err != nil {
				return err
			}
			queue := "siren.delay.15s"
			if wait <= 5*time.Second {
				queue = "siren.delay.5s"
			}
			c, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, amqp.Publishing{
				ContentType: "application/json", DeliveryMode: amqp.Persistent, MessageId: delayedID(i), Body: body,
				Headers: amqp.Table{"lane": "standard", "attempt": int64(2), "dueAt": time.Now().Add(wait).UnixMilli()},
			})
			if err != nil {
				return err
			}
			confirms = append(confirms, c)
		}
		for _, c := range confirms {
			if ok, err := c.WaitContext(ctx); err != nil || !ok {
				return fmt.Errorf("a delayed job was not confirmed: %w", err)
			}
		}
		return nil
	})
}

// awaitReady waits until a queue is there and so many messages are ready in it.
func awaitReady(s *site.Site, queue string, n int) error {
	var last error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		last = s.Direct(func(ch *amqp.Channel) error {
			q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			for err == nil && q.Messages < n && time.Now().Before(end) {
				time.Sleep(5 * time.Millisecond)
				q, err = ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			}
			return err
		})
		if last == nil {
			return nil
		}
	}
	return fmt.Errorf("wait for %d messages in %s: %w", n, queue, last)
}

// takeAll empties a queue, and counts how often each job was in it.
func takeAll(s *site.Site, queue string) (map[string]int, error) {
	taken := map[string]int{}
	return taken, s.Direct(func(ch *amqp.Channel) error {
		for {
			d, found, err := ch.Get(queue, true)
			if err != nil || !found {
				return err
			}
			taken[d.MessageId]++
		}
	})
}
