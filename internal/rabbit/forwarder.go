package rabbit

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

const (
	forwardBatch = 500              // jobs published in one go
	forwardRetry = 5 * time.Second  // after a publish that failed
	LongestHold  = 15 * time.Minute // the policy demands 5 min more of the broker's consumer timeout
	roundEvery   = time.Second      // between two looks at which queues hold back jobs that weren't seen yet
	roundOf      = 100              // jobs of such a queue that go round each time: all of 90,000 within a quarter of an hour
)

// forwardPrefetch is how many jobs are held of one delay queue. A job of 500 bytes takes 2 kB, so that full queues take 14 MB together;
// of the largest jobs (64 KiB) they would take 450 MB, which is why it isn't more.
var forwardPrefetch = 1000

// Forward puts delayed jobs back into their lanes when their time has come, until ctx ends. It is RabbitMQ's single
// active consumer for each delay queue: any number of processes may run it, one at a time works, another takes over when
// that one's connection ends.
//
// A job is published to its lane with confirm and then acknowledged, so a crash doubles it at most. A job that says no
// lane, or one that isn't there any more, goes to the default lane; one that says no time is due. A job whose time is
// farther off than the other queues reach waits in siren.delay.far, and is moved to the one that fits when that reaches. Where more jobs
// stand in a queue than are held of it, those held longest go round to its end, so that none stands long behind jobs that are due later.
//
// policy is asked what its lane allows of the priority that a job had; it may answer nil, and then the worker that takes the job sees to it.
// consume must publish nothing. The error is nil when ctx has ended, and says so when consume was closed.
func Forward(ctx context.Context, consume *Conn, publish *Publisher, policy func() *lanes.Policy) error {
	f := &forwarder{conn: consume, publish: publish, policy: policy, log: consume.log}
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
	policy  func() *lanes.Policy
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
	round := time.NewTicker(roundEvery)
	defer round.Stop()
	for {
		select {
		case a := <-arrivals:
			if a.over {
				return fmt.Errorf("the broker has ended a subscription%s", f.ch.reason())
			}
			f.hold(a.Delivery)
		case <-timer.C:
			f.release(ctx)
		case <-round.C:
			f.makeRoom()
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(f.held) > 0 {
			timer.Reset(time.Until(f.held[0].next))
		}
	}
}

// hold keeps the job until it is due, but no longer than its queue reaches: then it is due, whatever its header says by the clock of
// a machine that may be wrong. Only of what is far off the header is believed: it goes round until one of the other queues reaches.
func (f *forwarder) hold(d amqp.Delivery) {
	now, clock := time.Now(), f.conn.options.Now()
	h, _ := parseHeaders(d.Headers, inDelay, clock)
	j := &heldJob{Delivery: d, headers: h, since: now, next: now}
	j.priority = cmp.Or(int(d.Priority), j.priority) // the property is from before there was the header
	wait := j.dueAt.Sub(clock)
	for _, b := range buckets {
		switch {
		case b.queue != d.ConsumerTag || wait <= 0:
		case b.queue == farQueue:
			j.again = true
			j.next = now.Add(min(max(0, wait-longest()), LongestHold))
		case b.reach == longest() && wait > b.reach: // from before there was a queue for those
			j.again = true
		default:
			j.next, j.early = now.Add(min(wait, b.reach)), wait > b.reach
		}
	}
	heap.Push(&f.held, j)
}

// makeRoom sends the jobs that were held longest on their next round, for each queue of which as many are held as may be: behind them
// may be some that are due sooner. Left alone are those that are about to be released, or tried again, and those whose header isn't believed.
func (f *forwarder) makeRoom() {
	now := time.Now()
	held := map[string][]*heldJob{}
	for _, j := range f.held {
		held[j.ConsumerTag] = append(held[j.ConsumerTag], j)
	}
	for _, jobs := range held {
		if len(jobs) < forwardPrefetch {
			continue
		}
		jobs = slices.DeleteFunc(jobs, func(j *heldJob) bool { return j.early || j.next.Sub(now) <= forwardRetry })
		slices.SortFunc(jobs, func(a, b *heldJob) int { return a.since.Compare(b.since) })
		for _, j := range jobs[:min(roundOf, len(jobs))] {
			j.next, j.again = now, true
		}
	}
	heap.Init(&f.held)
}

// release publishes the jobs whose next step is due and acknowledges those that are confirmed.
func (f *forwarder) release(ctx context.Context) {
	now := time.Now()
	var jobs []*heldJob
	var messages []*outgoing
	policy := f.policy()
	for len(f.held) > 0 && len(jobs) < forwardBatch && !f.held[0].next.After(now) {
		j := heap.Pop(&f.held).(*heldJob)
		jobs = append(jobs, j)
		messages = append(messages, newOutgoing(j.message(policy, f.conn.options.Now())))
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
	case time.Since(j.since) > LongestHold:
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
	early bool      // that is before the time that its header says
	again bool      // then it goes to the queue that fits, unless it is due
}

// message is the job's next step: back to its lane, or to the delay queue that fits.
func (j *heldJob) message(policy *lanes.Policy, now time.Time) message {
	if wait := j.dueAt.Sub(now); j.again && wait > 0 {
		return newMessage("", fitting(wait).queue, j.MessageId, j.Body, j.headers, now)
	}
	h := j.headers
	if policy != nil {
		h.priority = policy.Priority(h.lane, h.priority)
	}
	return ready(j.Delivery, h, now, now)
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
