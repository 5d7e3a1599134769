package worker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/mark"
	"github.com/polyglot-media/siren/worker/tally"
)

// Source hands jobs to one slot. Next waits for a job; it fails only when ctx has ended, and then nothing stays taken:
// what the broker had handed over already is given back. Settle carries out a disposition; its error means that the
// broker has the job again.
type Source interface {
	Next(ctx context.Context) (work.Delivery, error)
	Settle(ctx context.Context, d work.Delivery, disp work.Disposition) error
}

// Handler does the work of a job. It returns after the output is committed, or with an error whose kind (work.KindOf)
// says what it means for the job. When ctx ends it stops everything that it started.
type Handler interface {
	Handle(ctx context.Context, t work.Task) (work.Result, error)
}

// Ledger keeps the jobs' records. Claim answers whether this worker may run a delivery; Renew keeps the claim and
// stores the progress; Close says how the run ended, or that a poisoned job is dead. Renew and Close fail with
// work.ErrLost or work.ErrCancelled when the job is no longer this worker's; Close takes job.Cancelled for a cancelled
// job whose programs have ended, and job.Completed for one whose output was committed all the same. None of them takes
// longer than a few seconds.
type Ledger interface {
	Claim(ctx context.Context, d work.Delivery, worker string, maxCrashes int) (work.Claim, error)
	Renew(ctx context.Context, c work.Claim, p job.Progress) error
	Close(ctx context.Context, c work.Claim, o work.Outcome) error
}

// Logs keeps what the programs of a job's latest run said: at most work.MaxLog of text, which replaces what was kept
// before. It is asked with a ctx of one second.
type Logs interface {
	KeepLog(ctx context.Context, job, text string) error
}

// Roster takes heartbeats and answers with orders. Leave says that the worker is gone for good.
type Roster interface {
	Beat(ctx context.Context, hb fleet.Heartbeat) (fleet.Orders, error)
	Leave(ctx context.Context, worker string) error
}

// Pod is the pod that this worker runs in, for whoever takes nodes away. Mark says on it whether a job runs. Grace
// returns how long a pod that was deleted has from then until it is killed; false when nobody deleted it, as when its
// node shuts down.
type Pod interface {
	Mark(ctx context.Context, busy bool) error
	Grace(ctx context.Context) (grace time.Duration, deleted bool, err error)
}

// Options is what a Worker is made of.
type Options struct {
	Name     string // unique; the pod's name, or pool-xxxxx
	Pool     string
	Version  string
	Shared   []Source // one for each shared slot
	Shoulder []Source // one for each shoulder slot
	Handler  Handler
	Ledger   Ledger
	Logs     Logs // nil: what programs say goes nowhere
	Roster   Roster
	Efforts  Efforts // nil: how long jobs run isn't predicted
	// the machine, or the pod, whose Cores the jobs of all workers of this Host share; "": not known
	Host   string
	Cores  int
	Policy *lanes.Effective       // in force at the start; it has the pool
	Follow func(*lanes.Effective) // told of every newer policy; may be nil
	Online func() bool            // whether there is a session with the broker; nil: yes
	Behind func() bool            // whether the ledger still has to be told how jobs ended, and may never be; nil: no
	Drain  time.Duration          // how long running jobs may go on after the worker was told to stop
	Pod    Pod                    // nil: there is none, or it isn't marked
	// how long they may when Pod wasn't deleted: its node shuts down; 0: Drain
	Notice time.Duration
	// what one running job may use, whatever a newer policy says; zero: what Policy says now
	Slot    lanes.SlotLimits
	Threads int              // worker threads that one job's media programs may use; 0: no limit
	NiceOff bool             // benchmarks only: lower lanes don't pull over
	Now     func() time.Time // the clock that others' times are compared by; nil: this machine's
	Log     *slog.Logger     // nil: nothing is logged
	Metrics *Metrics         // nil: nothing is measured
}

// Worker is one worker process: the slots and the shoulder of its pool.
type Worker struct {
	o         Options
	policy    atomic.Pointer[lanes.Effective] // in force; replaced by the goroutine of beat
	gate      *gate                           // made by Run
	began     time.Time                       // set by Run, before anything reads it
	tally     *tally.Tally
	foresight *foresight
	draining  atomic.Bool
	mark      *mark.Mark // nil without a Pod
	runs      runs
}

// New makes a Worker; Run starts it.
func New(o Options) *Worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Online == nil {
		o.Online = func() bool { return true }
	}
	if o.Behind == nil {
		o.Behind = func() bool { return false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Slot == (lanes.SlotLimits{}) {
		pool, _ := o.Policy.Policy.Pool(o.Pool)
		o.Slot = pool.Slot
	}
	w := &Worker{o: o, tally: tally.New(o.Now), foresight: newForesight(o.Efforts)}
	w.policy.Store(o.Policy)
	if o.Pod != nil {
		w.mark = mark.New(o.Pod.Mark, o.Metrics.marked, o.Log)
	}
	return w
}

// Run takes and runs jobs until take ends; then it drains: what runs and fits may finish, the rest is returned. When
// working ends (a second signal) everything is returned at once. Run also ends when the worker has retired and nobody
// removed it. No job is taken before the first heartbeat is answered, or known not to be. It runs once, returns nil,
// and afterwards nothing of it runs any more.
func (w *Worker) Run(take, working context.Context) error {
	take, stopTaking := context.WithCancel(take)
	defer stopTaking()
	working, stopWork := context.WithCancelCause(working)
	defer stopWork(nil)
	beating, stopBeating := context.WithCancel(context.WithoutCancel(working))
	defer stopBeating()
	w.gate, w.began = newGate(take, len(w.o.Shared)+len(w.o.Shoulder)), w.o.Now()

	var slots, background sync.WaitGroup
	begun := make(chan struct{})
	background.Go(func() { w.beat(beating, sync.OnceFunc(func() { close(begun) }), stopTaking) })
	background.Go(func() { w.drain(take, working, stopTaking, stopWork) })
	if w.mark != nil {
		background.Go(func() { w.mark.Run(beating) })
	}
	select {
	case <-begun: // what a namesake promised that was killed is known now: it may be about to be removed for that
	case <-take.Done():
	}
	w.o.Log.Info("taking jobs", "worker", w.o.Name, "pool", w.o.Pool, "slots", len(w.o.Shared), "shoulder",
		len(w.o.Shoulder))
	for _, s := range w.o.Shared {
		slots.Go(func() { w.serve(take, working, s, false) })
	}
	for _, s := range w.o.Shoulder {
		slots.Go(func() { w.serve(take, working, s, true) })
	}
	slots.Wait()
	stopWork(nil)
	stopBeating()
	background.Wait()

	leave, cancel := context.WithTimeout(context.WithoutCancel(working), 2*time.Second)
	defer cancel()
	if err := w.o.Roster.Leave(leave, w.o.Name); err != nil {
		w.o.Log.Debug("leave the roster", "error", err)
	}
	w.o.Log.Info("stopped", "worker", w.o.Name)
	return nil
}
