package rabbit

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	forwardPrefetch = 1000             // jobs held of one delay queue
	forwardBatch    = 500              // jobs published in one go
	forwardRetry    = 5 * time.Second  // after a publish that failed
	longestHold     = 15 * time.Minute // well under the broker's consumer timeout
)

// Forward puts delayed jobs back into their lanes when their time has come, until ctx ends. It is RabbitMQ's single
// active consumer for each delay queue: any number of processes may run it, one at a time works, another takes over when
// that one's connection ends.
//
// A job is published to its lane with confirm and then acknowledged, so a crash doubles it at most. A job that says no
// lane, or one that isn't there any more, goes to the default lane; one that says no time is due. A job whose time is
// farther off than the last queue reaches goes round again.
//
// consume must publish nothing. The error is nil when ctx has ended, and says so when consume was closed.
func Forward(ctx context.Context, consume *Conn, publish *Publisher) error {
	f := &forwarder{conn: consume, publish: publish, log: consume.log}
	pause := newBackoff()
	said := ""
	for ctx.Err() == nil {
		began := time.Now()
		err := f.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errConnClosed):
			return err
		}
		err = undeclared(err)
		if err.Error() != said {
			said = err.Error()
			f.log.Warn("delayed jobs wait: the forwarder lost its channel; trying again and again", slog.Any("error", err))
		}
		if time.Since(began) >= steadyAfter {
			pause.reset()
			said = ""
		}
		pause.wait(ctx)
	}
	return nil
}

type forwarder struct {
	conn    *Conn
	publish *Publisher
	log     *slog.Logger

	ch   *channel // of this session
	held schedule
}

// session holds and forwards jobs over one channel until that closes or ctx ends. What it holds then goes back to the
// delay queues by itself.
func (f *forwarder) session(ctx context.Context) error {
	ch, err := f.conn.channel(ctx)
	if err != nil {
		return err
	}
	f.ch, f.held = ch, nil
	arrivals := make(chan arrival)
	var merging sync.WaitGroup
	defer func() {
		ch.close()
		go func() { merging.Wait(); close(arrivals) }()
		for range arrivals {
			// The broker has it again.
		}
	}()
	if err := ch.call(func() error { return ch.Qos(forwardPrefetch, 0, false) }); err != nil {
		return err
	}
	for _, b := range buckets {
		err := ch.call(func() error {
			deliveries, err := ch.Consume(b.queue, b.queue, false, false, false, false, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", b.queue, err)
			}
			merging.Go(func() {
				for d := range deliveries {
					arrivals <- arrival{Delivery: d}
				}
				arrivals <- arrival{over: true}
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return f.run(ctx, arrivals)
}

func (f *forwarder) run(ctx context.Context, arrivals <-chan arrival) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case a := <-arrivals:
			if a.over {
				return fmt.Errorf("the broker has ended a subscription%s", f.ch.reason())
			}
			f.hold(a.Delivery)
		case <-timer.C:
			f.release(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(f.held) > 0 {
			timer.Reset(time.Until(f.held[0].next))
		}
	}
}

// hold keeps the job until it is due, but no longer than its queue reaches: then it is due, whatever its header says by the clock of
// a machine that may be wrong. Only what is in the last queue may go round again.
func (f *forwarder) hold(d amqp.Delivery) {
	now := time.Now()
	j := &heldJob{Delivery: d, headers: parseHeaders(d.Headers), since: now, next: now}
	wait := j.dueAt.Sub(f.conn.options.Now())
	for i, b := range buckets {
		if b.queue == d.ConsumerTag && wait > 0 {
			j.next = now.Add(min(wait, b.reach))
			j.again = wait > b.reach && i == len(buckets)-1
		}
	}
	heap.Push(&f.held, j)
}

// release publishes the jobs whose next step is due and acknowledges those that are confirmed.
func (f *forwarder) release(ctx context.Context) {
	now := time.Now()
	var jobs []*heldJob
	var messages []*outgoing
	for len(f.held) > 0 && len(jobs) < forwardBatch && !f.held[0].next.After(now) {
		j := heap.Pop(&f.held).(*heldJob)
		jobs = append(jobs, j)
		messages = append(messages, newOutgoing(j.message(f.conn.options.Now())))
	}
	f.publish.publish(ctx, messages)
	failed := 0
	var first error
	for i, o := range messages {
		if err := f.settle(jobs[i], o.err); err != nil {
			failed++
			first = cmp.Or(first, err)
		}
	}
	if failed > 0 && ctx.Err() == nil {
		f.log.Warn("delayed jobs could not be put back into their lanes; trying again", slog.Int("jobs", failed), slog.Any("error", first))
	}
}

// settle ends a job that was published. One that wasn't is tried again, or given back before the broker takes it away.
// Errors of the channel itself show in run.
func (f *forwarder) settle(j *heldJob, published error) error {
	switch {
	case published == nil:
		_ = f.ch.call(func() error { return j.Ack(false) })
	case time.Since(j.since) > longestHold:
		_ = f.ch.call(func() error { return j.Nack(false, true) })
	default:
		j.next = time.Now().Add(forwardRetry)
		heap.Push(&f.held, j)
	}
	return published
}

// heldJob is a delayed job in the forwarder's hands.
type heldJob struct {
	amqp.Delivery
	headers
	since time.Time // in hand
	next  time.Time // when to do something about it
	again bool      // it isn't due then, but goes round again
}

// message is the job's next step: back to its lane, or another round when it isn't due yet.
func (j *heldJob) message(now time.Time) message {
	if wait := j.dueAt.Sub(now); j.again && wait > 0 {
		m := newMessage("", fitting(wait).queue, j.MessageId, j.Body, j.headers)
		m.Priority = j.Priority
		return m
	}
	return ready(j.Delivery, j.headers, now)
}

// schedule is a heap of held jobs, the next one to act on first.
type schedule []*heldJob

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].next.Before(s[j].next) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push is for container/heap.
func (s *schedule) Push(x any) { *s = append(*s, x.(*heldJob)) }

// Pop is for container/heap.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	j := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return j
}
