// Package nodes measures what one node costs, on a RabbitMQ of three: a lane's leader that hangs, and a restart of all
// in turn.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/wait"
)

const policyText = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m}
pools: [{name: general, lanes: [express, standard, bulk], slots: 2, shoulder: {express: 1}, max: 2}]
budget: 2
broker: {queueType: quorum}
`

const (
	runs  = 50 * time.Millisecond // each job
	slots = 2                     // of a worker, and a shoulder
)

// mark is when a job was confirmed and when it began.
type mark struct {
	sent, confirmed, began time.Time
}

// lab is one run.
type lab struct {
	*cluster.Cluster
	policy *lanes.Policy
	url    string        // of the nodes that workers and producers are with
	every  time.Duration // a job of each lane

	mu    sync.Mutex
	marks map[string]map[string]*mark // by lane and id
}

// newLab starts a cluster for one run.
func newLab(ctx context.Context, policy *lanes.Policy, every time.Duration) (*lab, error) {
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return nil, err
	}
	return &lab{Cluster: c, policy: policy, url: c.URL(), every: every, marks: map[string]map[string]*mark{}}, nil
}

// close ends the cluster.
func (l *lab) close(ctx context.Context) { _ = l.Stop(context.WithoutCancel(ctx)) }

func (l *lab) note(lane, id string, set func(*mark)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.marks[lane] == nil {
		l.marks[lane] = map[string]*mark{}
	}
	if l.marks[lane][id] == nil {
		l.marks[lane][id] = &mark{}
	}
	set(l.marks[lane][id])
}

// started notes that a job began, the first time.
func (l *lab) started(d work.Delivery, at time.Time) {
	l.note(d.Lane, d.Job.ID, func(m *mark) {
		if m.began.IsZero() {
			m.began = at
		}
	})
}

func (l *lab) connect(name string) (*rabbitlink.Conn, error) {
	return rabbitlink.Open(rabbitlink.Options{URL: l.url, Name: name})
}

// declare makes the lanes' queues, with a member on each node.
func (l *lab) declare(ctx context.Context) error {
	conn, err := l.connect("declare")
	if err != nil {
		return err
	}
	defer conn.Close()
	return topology.Declare(ctx, conn, l.policy, nil)
}

// loaded does something while others work and the lanes' producers, and others, produce. What waits at the end has a
// moment to begin.
func (l *lab) loaded(ctx context.Context, work, produce []func(context.Context) error, do func() error) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	producing, enough := context.WithCancel(ctx)
	defer enough()
	var serving, sending errgroup.Group
	for _, f := range work {
		serving.Go(func() error { return f(working) })
	}
	for _, f := range produce {
		sending.Go(func() error { return f(producing) })
	}
	for _, lane := range l.policy.Lanes {
		sending.Go(func() error { return l.produce(producing, lane.Name) })
	}
	err := do()
	enough()
	err = errors.Join(err, sending.Wait())
	if err == nil {
		err = wait.Pause(ctx, 2*time.Second)
	}
	stop()
	return errors.Join(err, serving.Wait())
}

// worker is one without a ledger.
type worker struct {
	policy           *lanes.Policy
	consume, publish *rabbitlink.Conn
	began            func(d work.Delivery, at time.Time) // a job
}

// newWorker prepares a worker that says of each job when it began.
func (l *lab) newWorker(began func(work.Delivery, time.Time)) (w *worker, err error) {
	w = &worker{policy: l.policy, began: began}
	if w.consume, err = l.connect("consume"); err != nil {
		return nil, err
	}
	if w.publish, err = l.connect("publish"); err != nil {
		w.consume.Close()
		return nil, err
	}
	return w, nil
}

// work runs jobs until ctx ends, and closes the worker.
func (w *worker) work(ctx context.Context) error {
	defer w.consume.Close()
	defer w.publish.Close()
	k := take.NewTaker(w.consume, confirms.NewPublisher(w.publish, 0), "general")
	k.Follow(&lanes.Effective{Policy: *w.policy})
	all := []*take.Slot{k.Shoulder("express")}
	for range slots {
		all = append(all, k.Shared())
	}
	var serving errgroup.Group
	for _, s := range all {
		serving.Go(func() error {
			for {
				d, err := s.Next(ctx)
				if err != nil {
					return nil
				}
				w.began(d, time.Now())
				time.Sleep(runs)
				if err := s.Settle(ctx, d, work.Disposition{Action: work.Ack}); err != nil && ctx.Err() == nil {
					continue // it comes again
				}
			}
		})
	}
	return serving.Wait()
}

// produce enqueues a job of the lane every so often, each by itself.
func (l *lab) produce(ctx context.Context, lane string) error {
	conn, err := l.connect("produce")
	if err != nil {
		return err
	}
	defer conn.Close()
	p := confirms.NewPublisher(conn, 0)
	return l.each(ctx, func(id string) error {
		now := time.Now()
		l.note(lane, id, func(m *mark) { m.sent = now })
		err := rabbit.Enqueue(context.WithoutCancel(ctx), p, []wire.Entry{{
			Lane: lane, Job: job.Job{ID: id, Kind: "probe", Input: "file:///in"},
		}})[0]
		if err == nil {
			now := time.Now()
			l.note(lane, id, func(m *mark) { m.confirmed = now })
		}
		return nil
	})
}

// each does something every so often, beside what it did before.
func (l *lab) each(ctx context.Context, do func(id string) error) error {
	var all errgroup.Group
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
			all.Go(func() error { return do(fmt.Sprint(i)) })
		case <-ctx.Done():
			return all.Wait()
		}
	}
}
