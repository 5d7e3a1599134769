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

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
)

const (
	forwardBatch = 500             // jobs published in one go
	forwardRetry = 5 * time.Second // after a publish that failed
	// LongestHold is how long Forward holds a job that waits for its next attempt.
	LongestHold = 15 * time.Minute // the policy demands 5 min more of the broker's consumer timeout
	roundEvery  = time.Second      // between two looks at which queues hold back jobs that weren't seen yet
	roundOf     = 100              // jobs of such a queue that go round each time: 90,000 within a quarter of an hour
)

// forwardPrefetch is how many jobs are held of one delay queue. A job of 500 bytes takes 2 kB, so that full queues take
// 14 MB together; of the largest jobs (64 KiB) they would take 450 MB, which is why it isn't more.
var forwardPrefetch = 1000

// Forward puts delayed jobs back into their lanes when their time has come, until ctx ends. It is RabbitMQ's single
// active consumer for each delay queue: any number of processes may run it, one at a time works, another takes over
// when that one's connection ends.
//
// A job is published to its lane with confirm and then acknowledged, so a crash doubles it at most. A job that says no
// lane, or one that isn't there any more, goes to the default lane; one that says no time is due. A job whose time is
// farther off than the other queues reach waits in siren.delay.far, and is moved to the one that fits when that
// reaches. Where more jobs stand in a queue than are held of it, those held longest go round to its end, so that none
// stands long behind jobs that are due later.
//
// policy is asked what its lane allows of the priority that a job had; it may answer nil, and then the worker that
// takes the job sees to it. consume must publish nothing. The error is nil when ctx has ended, and says so when consume
// was closed.
func Forward(
	ctx context.Context, consume *rabbitlink.Conn, publish *confirms.Publisher, policy func() *lanes.Policy,
) error {
	f := &forwarder{conn: consume, publish: publish, policy: policy, log: consume.Log()}
	pause := rabbitlink.NewBackoff()
	said := ""
	for ctx.Err() == nil {
		began := time.Now()
		err := f.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, rabbitlink.ErrClosed):
			return err
		}
		err = rabbitlink.Undeclared(err)
		if trouble := plain.Trouble(err); trouble != said {
			said = trouble
			f.log.Warn("delayed jobs wait: the forwarder lost its channel; retrying",
				slog.Any("error", err))
		}
		if pause.Lasted(time.Since(began)) {
			said = ""
		}
		pause.Wait(ctx)
	}
	return nil
}

type forwarder struct {
	conn    *rabbitlink.Conn
	publish *confirms.Publisher
	policy  func() *lanes.Policy
	log     *slog.Logger

	ch   *rabbitlink.Channel // of this session
	held schedule
}

// session holds and forwards jobs over one channel until that closes or ctx ends. What it holds then goes back to the
// delay queues by itself.
func (f *forwarder) session(ctx context.Context) error {
	ch, err := f.conn.Channel(ctx)
	if err != nil {
		return err
	}
	f.ch, f.held = ch, nil
	arrivals := make(chan *rabbitlink.Arrival) // nil: a subscription has ended
	var merging sync.WaitGroup
	defer func() {
		ch.Close()
		go func() { merging.Wait(); close(arrivals) }()
		for range arrivals {
			// The broker has it again.
		}
	}()
	if err := ch.Call(func() error { return ch.Qos(forwardPrefetch, 0, false) }); err != nil {
		return err
	}
	for _, b := range topology.Buckets {
		err := ch.Call(func() error {
			deliveries, err := ch.Consume(b.Queue, b.Queue, false, false, false, false, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", b.Queue, err)
			}
			merging.Go(func() {
				for d := range deliveries {
					arrivals <- &rabbitlink.Arrival{Delivery: d, On: ch}
				}
				arrivals <- nil
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return f.run(ctx, arrivals)
}

func (f *forwarder) run(ctx context.Context, arrivals <-chan *rabbitlink.Arrival) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	round := time.NewTicker(roundEvery)
	defer round.Stop()
	for {
		select {
		case a := <-arrivals:
			if a == nil {
				return fmt.Errorf("the broker has ended a subscription%s", f.ch.Reason())
			}
			f.hold(*a)
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

// hold keeps the job until it is due, but no longer than its queue reaches: then it is due, whatever its header says by
// the clock of a machine that may be wrong. Only of what is far off the header is believed: it goes round until one of
// the other queues reaches.
func (f *forwarder) hold(a rabbitlink.Arrival) {
	now, clock := time.Now(), f.conn.Now()
	e, _ := wire.Read(a.Delivery, wire.InDelay, clock)
	j := &heldJob{Envelope: e, arrival: a, since: now, next: now}
	wait := j.DueAt.Sub(clock)
	for _, b := range topology.Buckets {
		switch {
		case b.Queue != a.ConsumerTag || wait <= 0:
		case b.Queue == topology.FarQueue:
			j.again = true
			j.next = now.Add(min(max(0, wait-topology.Longest()), LongestHold))
		case b.Reach == topology.Longest() && wait > b.Reach: // from before there was a queue for those
			j.again = true
		default:
			j.next, j.early = now.Add(min(wait, b.Reach)), wait > b.Reach
		}
	}
	heap.Push(&f.held, j)
}

// makeRoom sends the jobs that were held longest on their next round, for each queue of which as many are held as may
// be: behind them may be some that are due sooner. Left alone are those that are about to be released, or tried again,
// and those whose header isn't believed.
func (f *forwarder) makeRoom() {
	now := time.Now()
	held := map[string][]*heldJob{}
	for _, j := range f.held {
		held[j.arrival.ConsumerTag] = append(held[j.arrival.ConsumerTag], j)
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
	var messages []confirms.Message
	policy := f.policy()
	for len(f.held) > 0 && len(jobs) < forwardBatch && !f.held[0].next.After(now) {
		j := heap.Pop(&f.held).(*heldJob)
		jobs = append(jobs, j)
		messages = append(messages, j.message(policy, f.conn.Now()))
	}
	failed := 0
	var first error
	for i, err := range f.publish.Publish(ctx, messages) {
		f.settle(jobs[i], err)
		if err != nil {
			failed++
			first = cmp.Or(first, err)
		}
	}
	if failed > 0 && ctx.Err() == nil {
		f.log.Warn("delayed jobs could not be put back into their lanes; retrying",
			slog.Int("jobs", failed), slog.Any("error", first))
	}
}

// settle ends a job that was published. One that wasn't is tried again, or given back before the broker takes it away.
// Errors of the channel itself show in run.
func (f *forwarder) settle(j *heldJob, published error) {
	switch {
	case published == nil:
		_ = j.arrival.Ack()
	case time.Since(j.since) > LongestHold:
		_ = j.arrival.GiveBack()
	default:
		j.next = time.Now().Add(forwardRetry)
		heap.Push(&f.held, j)
	}
}

// heldJob is a delayed job in the forwarder's hands.
type heldJob struct {
	wire.Envelope
	arrival rabbitlink.Arrival
	since   time.Time // in hand
	next    time.Time // when to do something about it
	early   bool      // that is before the time that its header says
	again   bool      // then it goes to the queue that fits, unless it is due
}

// message builds the job's next step: back to its lane, or to the delay queue that fits.
func (j *heldJob) message(policy *lanes.Policy, now time.Time) confirms.Message {
	if j.again && j.DueAt.After(now) {
		return j.ToDelay(now)
	}
	e := j.Envelope
	e.ReadyAt = now
	if policy != nil {
		e.Priority = policy.Priority(e.Lane, e.Priority)
	}
	return e.ToLane(now)
}

// schedule is a heap of held jobs, the next one to act on first.
type schedule []*heldJob

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].next.Before(s[j].next) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push implements heap.Interface.
func (s *schedule) Push(x any) { *s = append(*s, x.(*heldJob)) }

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	j := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return j
}
