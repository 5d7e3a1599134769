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
	forwardBatch = 64              // jobs of a lane that are on their way at a time, so that the others have room
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
// A delay queue that doesn't answer delays only what is in it, and a lane whose queue doesn't only its own jobs.
//
// policy is asked what its lane allows of the priority that a job had; it may answer nil, and then the worker that
// takes the job sees to it. consume must publish nothing. The error is nil when ctx has ended, and says so when consume
// was closed.
func Forward(
	ctx context.Context, consume *rabbitlink.Conn, publish *confirms.Publisher, policy func() *lanes.Policy,
) error {
	f := &forwarder{
		conn: consume, publish: publish, policy: policy, log: consume.Log(),
		arrivals: make(chan delayed), landed: make(chan flight), flying: map[string][]*heldJob{},
	}
	running, end := context.WithCancelCause(ctx)
	held, giveBack := context.WithCancel(context.WithoutCancel(ctx)) // until what is on its way has landed
	var feeding sync.WaitGroup
	for _, b := range topology.Buckets {
		feeding.Go(func() { f.feed(held, b.Queue, end) })
	}
	f.run(running)
	giveBack()
	feeding.Wait()
	end(nil)
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(running)
}

type forwarder struct {
	conn    *rabbitlink.Conn
	publish *confirms.Publisher
	policy  func() *lanes.Policy
	log     *slog.Logger

	mu     sync.Mutex
	said   string // what was last complained about
	saidAt time.Time

	arrivals chan delayed
	landed   chan flight
	// The rest is run's.
	held   schedule
	flying map[string][]*heldJob // by lane that jobs are on their way to: those that have to wait for it
}

// delayed is a job that a delay queue has handed over, or the news that its channel is over: then the queue has its
// jobs again.
type delayed struct {
	rabbitlink.Arrival
	over bool
}

// flight is jobs that were published to one lane, or to other delay queues, and what has become of each.
type flight struct {
	lane string
	jobs []*heldJob
	errs []error
}

// feed takes the jobs of one delay queue, over one channel after the other, until ctx ends or the connection is closed.
func (f *forwarder) feed(ctx context.Context, queue string, end context.CancelCauseFunc) {
	pause := rabbitlink.NewBackoff()
	for ctx.Err() == nil {
		began := time.Now()
		err := f.session(ctx, queue)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, rabbitlink.ErrClosed):
			end(err)
			return
		}
		f.complain(rabbitlink.Undeclared(err))
		if pause.Lasted(time.Since(began)) {
			f.complain(nil)
		}
		pause.Wait(ctx)
	}
}

// complainEvery is the least time between two complaints: all delay queues lose their channels at once.
const complainEvery = 5 * time.Second

// complain warns, the same only once; nil takes it back.
func (f *forwarder) complain(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.said = ""
		return
	case errors.Is(err, rabbitlink.ErrUndeclared):
		err = rabbitlink.ErrUndeclared // the same of every queue
	}
	if text := plain.Trouble(err); text != f.said && time.Since(f.saidAt) > complainEvery {
		f.said, f.saidAt = text, time.Now()
		f.log.Warn("delayed jobs wait: the forwarder lost its channel; retrying", slog.Any("error", err))
	}
}

// session passes on what a delay queue hands over, until the channel closes or ctx ends.
func (f *forwarder) session(ctx context.Context, queue string) error {
	ch, err := f.conn.Channel(ctx)
	if err != nil {
		return err
	}
	defer ch.Close()
	if err := ch.Prompt(func() error { return ch.Qos(forwardPrefetch, 0, false) }); err != nil {
		return err
	}
	jobs, err := ch.Receive(queue, queue, nil)
	if err != nil {
		return err
	}
	for {
		d := delayed{over: true}
		select {
		case message, more := <-jobs:
			d.Arrival, d.over = rabbitlink.Arrival{Delivery: message, On: ch}, !more
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case f.arrivals <- d:
		case <-ctx.Done():
			return ctx.Err()
		}
		if d.over {
			return fmt.Errorf("the broker has ended a subscription%s", ch.Reason())
		}
	}
}

// run holds jobs and lets them go, until ctx ends.
func (f *forwarder) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	round := time.NewTicker(roundEvery)
	defer round.Stop()
	var flights sync.WaitGroup
	defer func() {
		go func() { flights.Wait(); close(f.landed) }()
		for landed := range f.landed {
			f.settle(landed)
		}
	}()
	for {
		select {
		case d := <-f.arrivals:
			if d.over {
				f.forget(d.On)
			} else {
				f.hold(d.Arrival)
			}
		case <-timer.C:
			for _, start := range f.due() {
				flights.Go(func() { f.fly(ctx, start) })
			}
		case landed := <-f.landed:
			f.settle(landed)
		case <-round.C:
			f.makeRoom()
		case <-ctx.Done():
			return
		}
		if len(f.held) > 0 {
			timer.Reset(time.Until(f.held[0].next))
		}
	}
}

// forget drops what came over a channel that is over.
func (f *forwarder) forget(ch *rabbitlink.Channel) {
	f.held = slices.DeleteFunc(f.held, func(j *heldJob) bool { return j.arrival.On == ch })
	heap.Init(&f.held)
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

// due lets go of the jobs whose next step is due: for each lane those that may be on their way together. The others
// wait until these have landed.
func (f *forwarder) due() (flights []flight) {
	now := time.Now()
	at := map[string]int{}
	for len(f.held) > 0 && !f.held[0].next.After(now) {
		j := heap.Pop(&f.held).(*heldJob)
		i, starts := at[j.Lane]
		switch waiting, flies := f.flying[j.Lane]; {
		case starts && len(flights[i].jobs) < forwardBatch:
			flights[i].jobs = append(flights[i].jobs, j)
		case flies:
			f.flying[j.Lane] = append(waiting, j)
		default:
			at[j.Lane] = len(flights)
			flights = append(flights, flight{lane: j.Lane, jobs: []*heldJob{j}})
			f.flying[j.Lane] = nil
		}
	}
	return flights
}

// fly publishes jobs and acknowledges those that are confirmed.
func (f *forwarder) fly(ctx context.Context, of flight) {
	policy, now := f.policy(), f.conn.Now()
	messages := make([]confirms.Message, len(of.jobs))
	for i, j := range of.jobs {
		messages[i] = j.message(policy, now)
	}
	of.errs = f.publish.Publish(ctx, messages)
	failed := 0
	for i, err := range of.errs {
		if err != nil {
			failed++
			continue
		}
		_ = of.jobs[i].arrival.Ack() // its error shows in session
	}
	if failed > 0 && ctx.Err() == nil {
		f.log.Warn("delayed jobs could not be put back into their lanes; retrying",
			slog.String("lane", of.lane), slog.Int("jobs", failed), slog.Any("error", cmp.Or(of.errs...)))
	}
	f.landed <- of
}

// settle keeps the jobs that couldn't be published, to try them again; or gives them back before the broker takes them
// away.
func (f *forwarder) settle(landed flight) {
	for i, j := range landed.jobs {
		switch {
		case landed.errs[i] == nil, j.arrival.On.IsClosed():
		case time.Since(j.since) > LongestHold:
			_ = j.arrival.GiveBack()
		default:
			j.next = time.Now().Add(forwardRetry)
			heap.Push(&f.held, j)
		}
	}
	for _, j := range f.flying[landed.lane] {
		if !j.arrival.On.IsClosed() {
			heap.Push(&f.held, j)
		}
	}
	delete(f.flying, landed.lane)
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
