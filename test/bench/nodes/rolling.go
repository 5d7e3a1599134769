package nodes

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	rollingWorkers = 8
	rollingEvery   = 40 * time.Millisecond // a job of each lane: a quarter of the slots is busy
	before         = 10 * time.Second      // under load, until the first node stops
	afterwards     = time.Minute           // the same, from when the last one is in sync: some workers go home then
	goOnWithin     = time.Minute           // else the run has failed
)

// Rolling measures, under a steady load, how soon each worker runs its next job after it lost its node, as all nodes
// are stopped and started in turn; and how many jobs each worker runs meanwhile and afterwards. Each node leads a lane.
func Rolling(ctx context.Context, b *stand.Bench) (figures []report.Figure, err error) {
	policy, err := lanes.Parse([]byte(policyText))
	if err != nil {
		return nil, err
	}
	var all []*roll
	for run := range b.Runs {
		b.Say("a rolling restart, run %d of %d", run+1, b.Runs)
		r := &roll{}
		if err := r.measure(ctx, policy); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return rollFigures(all), nil
}

// roll is what one run has shown.
type roll struct {
	restarts []restart
	end      time.Time
	workers  []*witness
	lost     float64 // jobs that were confirmed and never began
}

// restart is one of a node.
type restart struct {
	address string    // of the node
	stopped time.Time // it was told to
	synced  time.Time // it is back, with all its members of queues
}

// measure makes the run.
func (r *roll) measure(ctx context.Context, policy *lanes.Policy) error {
	l, err := newLab(ctx, policy, rollingEvery)
	if err != nil {
		return err
	}
	defer l.close(ctx)
	if err := l.declare(ctx); err != nil {
		return err
	}
	for i, q := range policy.Queues() {
		if err := l.MoveLeader(ctx, topology.QueueName(q), l.Nodes[i%len(l.Nodes)]); err != nil {
			return err
		}
	}
	var working []func(context.Context) error
	for range rollingWorkers {
		seen := &witness{}
		w, err := l.newWorker(func(d work.Delivery, at time.Time) {
			seen.started(at)
			l.started(d, at)
		})
		if err != nil {
			return err
		}
		r.workers = append(r.workers, seen)
		working = append(working, w.work, seen.watch(w.consume))
	}
	err = l.loaded(ctx, working, nil, func() error { return r.restartAll(ctx, l) })
	r.lost = l.lost()
	return err
}

// restartAll restarts one node after the other.
func (r *roll) restartAll(ctx context.Context, l *lab) error {
	if err := wait.Pause(ctx, before); err != nil {
		return err
	}
	for _, n := range l.Nodes {
		if err := r.restart(ctx, l, n); err != nil {
			return err
		}
	}
	err := wait.Pause(ctx, afterwards)
	r.end = time.Now()
	return err
}

// restart stops a node, and starts it once all workers go on.
func (r *roll) restart(ctx context.Context, l *lab, n *cluster.Node) error {
	now := restart{address: n.Where(), stopped: time.Now()}
	if err := n.Halt(ctx); err != nil {
		return err
	}
	down := time.Now()
	err := wait.Until(ctx, goOnWithin, "all workers to go on without "+n.Name, func() (bool, error) {
		for _, w := range r.workers {
			if !w.startedSince(down) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if err := n.Restart(ctx); err != nil {
		return err
	}
	if err := l.AwaitSync(ctx); err != nil {
		return err
	}
	now.synced = time.Now()
	r.restarts = append(r.restarts, now)
	return nil
}

// lost counts the jobs that were confirmed and never began.
func (l *lab) lost() (n float64) {
	for _, marks := range l.marks {
		for _, m := range marks {
			if !m.confirmed.IsZero() && m.began.IsZero() {
				n++
			}
		}
	}
	return n
}
