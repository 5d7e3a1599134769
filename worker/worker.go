package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Source hands jobs to one slot. Next waits for a job; it fails only when ctx ends, and then nothing stays taken. Settle
// carries out a disposition; its error means that the broker has the job again.
type Source interface {
	Next(ctx context.Context) (lanes.Delivery, error)
	Settle(ctx context.Context, d lanes.Delivery, disp lanes.Disposition) error
}

// Handler does the work of a job. It returns after the output is committed, or with an error whose kind (lanes.KindOf)
// says what it means for the job. When ctx ends it stops everything that it started.
type Handler interface {
	Handle(ctx context.Context, t lanes.Task) (lanes.Result, error)
}

// Ledger keeps the jobs' records. Claim answers whether this worker may run a delivery; Renew keeps the claim and stores the
// progress (lanes.ErrLost, ErrCancelled, ErrAway); Close says how the run ended.
type Ledger interface {
	Claim(ctx context.Context, d lanes.Delivery, worker string, maxCrashes int) (lanes.Claim, error)
	Renew(ctx context.Context, c lanes.Claim, p lanes.Progress) error
	Close(ctx context.Context, c lanes.Claim, o lanes.Outcome) error
}

// Roster takes heartbeats and answers with orders. Leave says that the worker is gone for good.
type Roster interface {
	Beat(ctx context.Context, hb lanes.Heartbeat) (lanes.Orders, error)
	Leave(ctx context.Context, worker string) error
}

// retiredFor is how long a retired worker waits to be removed before it exits by itself, to start afresh.
const retiredFor = time.Minute

// Options is what a Worker is made of.
type Options struct {
	Name     string // unique; the pod's name, or pool-xxxxx
	Pool     string
	Version  string
	Shared   []Source // one for each shared slot
	Shoulder []Source // one for each shoulder slot
	Handler  Handler
	Ledger   Ledger
	Roster   Roster
	Policy   *lanes.Effective       // in force at the start
	Follow   func(*lanes.Effective) // told of every newer policy; may be nil
	Online   func() bool            // whether there is a session with the broker; nil: yes
	Drain    time.Duration          // how long running jobs may go on after the worker was told to stop
	Threads  int                    // worker threads that one job's media programs may use; 0: no limit
	NiceOff  bool                   // benchmarks only: lower lanes don't pull over
	Log      *slog.Logger
	Metrics  *Metrics
}

// Worker is one worker process: the slots and the shoulder of its pool.
type Worker struct {
	o      Options
	policy atomic.Pointer[lanes.Effective]
	gate   *gate
	tally  *tally
	// returning is closed when running jobs are to be returned; work is the context they run in.
	draining atomic.Bool
}

// New makes a Worker; Run starts it.
func New(o Options) *Worker {
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Online == nil {
		o.Online = func() bool { return true }
	}
	w := &Worker{o: o, gate: newGate(len(o.Shared) + len(o.Shoulder)), tally: newTally()}
	w.policy.Store(o.Policy)
	return w
}

// Run takes and runs jobs until take ends; then it drains: what runs may finish for the drain time, the rest is returned.
// When work ends (a second signal) everything is returned at once. Run also returns when the worker has retired and nobody
// removed it. Afterwards nothing of it runs any more.
func (w *Worker) Run(take, work context.Context) error {
	work, stopWork := context.WithCancelCause(work)
	defer stopWork(nil)
	take, stopTaking := context.WithCancel(take)
	defer stopTaking()
	context.AfterFunc(work, stopTaking)

	beats := make(chan struct{})
	beatCtx, stopBeats := context.WithCancel(context.WithoutCancel(work))
	go func() {
		defer close(beats)
		w.beat(beatCtx, stopTaking)
	}()

	drained := context.AfterFunc(take, func() {
		w.draining.Store(true)
		timer := time.AfterFunc(w.o.Drain, func() { stopWork(errDrained) })
		context.AfterFunc(work, func() { timer.Stop() })
	})
	defer drained()

	w.o.Log.Info("taking jobs", "worker", w.o.Name, "pool", w.o.Pool, "slots", len(w.o.Shared), "shoulder", len(w.o.Shoulder))
	var slots sync.WaitGroup
	for _, s := range w.o.Shared {
		slots.Go(func() { w.serve(take, work, s, false) })
	}
	for _, s := range w.o.Shoulder {
		slots.Go(func() { w.serve(take, work, s, true) })
	}
	slots.Wait()
	stopBeats()
	<-beats

	leave, cancel := context.WithTimeout(context.WithoutCancel(work), 2*time.Second)
	defer cancel()
	if err := w.o.Roster.Leave(leave, w.o.Name); err != nil {
		w.o.Log.Debug("leave the roster", "error", err)
	}
	w.o.Log.Info("stopped", "worker", w.o.Name)
	return nil
}

// errDrained is why a job was stopped that didn't fit into the drain time.
var errDrained = lanes.Fail(lanes.Interrupted, errors.New("the worker stops and its drain time is over"))
