package localfleet

import (
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	signalGap  = 100 * time.Millisecond // between two signals, or the kernel makes one of them
	lastCall   = 3 * time.Second        // from the second SIGTERM, which makes a worker return its jobs, to SIGKILL
	maxBackoff = 30 * time.Second       // the longest pause between two starts of a replica that keeps failing
	pipeWait   = time.Second            // for output, when a worker's child outlives it with the pipe open
)

// replica is one place in a pool, kept filled with a running worker until it is dismissed. Each worker that fills it
// has a name of its own. Fleet.mu guards all fields but pool and leave.
type replica struct {
	pool  string
	leave chan struct{} // closed when dismissed

	name     string // of the worker that fills it, or filled it last
	created  time.Time
	leaving  bool
	running  *procs.Process
	failures int    // workers in a row that ended within seconds of their start
	failure  string // how the last of them ended
}

// member returns the replica as the scaler sees it. One quick end may be an accident, two in a row are a replica that
// can't start; it counts as such until a worker has lived long enough.
func (r *replica) member(now time.Time, settled time.Duration) fleet.Member {
	m := fleet.Member{Name: r.name, CreatedAt: r.created, Leaving: r.leaving}
	if r.failures > 1 && (r.running == nil || now.Sub(r.created) < settled) {
		m.Stuck = r.failure
	}
	return m
}

// dismiss tells the replica to stop for good. The caller holds Fleet.mu.
func (r *replica) dismiss() {
	if !r.leaving {
		r.leaving = true
		close(r.leave)
	}
}

// tend keeps the replica filled until it is dismissed.
func (f *Fleet) tend(r *replica) {
	for {
		pause := f.live(r)
		select {
		case <-r.leave:
			return
		default:
		}
		select {
		case <-r.leave:
			return
		case <-time.After(pause):
		}
		f.mu.Lock()
		r.name, r.created = f.newName(r.pool), time.Now()
		f.mu.Unlock()
	}
}

// live runs one worker from its start to its end, and says how long to pause before the next.
func (f *Fleet) live(r *replica) (pause time.Duration) {
	log := f.log.With(slog.String("pool", r.pool), slog.String("worker", r.name))
	w, output, err := f.startWorker(r)
	if err != nil {
		log.Error("worker can't be started", slog.Any("error", err))
		return f.note(r, err.Error(), 2) // trying again won't help soon
	}
	defer func() { _ = output.Close() }() // a log file
	log.Info("worker started", slog.Int("pid", w.PID.Number))
	select {
	case <-w.Done:
	case <-r.leave:
		f.end(w)
		log.Info("worker stopped", slog.String("exit", w.Exit()))
		return 0
	}
	f.mu.Lock()
	lived := time.Since(r.created)
	f.mu.Unlock()
	log.Warn("worker ended by itself", slog.String("exit", w.Exit()), slog.Duration("after", lived))
	if lived >= f.settled {
		return f.note(r, "", 0)
	}
	how := fmt.Sprintf("%s after %s", w.Exit(), lived.Round(time.Millisecond))
	if last := procs.Tail(output.path, 5); last != "" {
		how += ": " + last
	}
	return f.note(r, how, 1)
}

// note records how a worker ended, with so many failures (0: it had started well), and says how long to pause.
func (f *Fleet) note(r *replica, failure string, failures int) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.running = nil
	if failures == 0 {
		r.failures, r.failure = 0, ""
		return 0
	}
	r.failures += failures
	r.failure = failure
	if r.failures < 2 {
		return 0
	}
	return min(maxBackoff, f.backoff<<min(r.failures-2, 10))
}

func (f *Fleet) startWorker(r *replica) (*procs.Process, *workerLog, error) {
	output, err := f.logs.create(r.name)
	if err != nil {
		return nil, nil, err
	}
	cmd := f.o.Command(r.pool, r.name)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = output, output, pipeWait
	// A worker that loses the fleet has most likely lost its broker too: nothing is gained by a drain, and its jobs
	// run again after their lease.
	w, err := f.home.Run(r.name, cmd, syscall.SIGKILL)
	if err != nil {
		_ = output.Close()
		return nil, nil, err
	}
	f.mu.Lock()
	r.running = w
	f.mu.Unlock()
	return w, output, nil
}

// end stops a worker: SIGTERM, drain time, a second SIGTERM, SIGKILL.
func (f *Fleet) end(w *procs.Process) {
	_ = w.Terminate()
	select {
	case <-w.Done:
		return
	case <-time.After(signalGap):
	}
	select {
	case <-w.Done:
		return
	case <-f.hurry:
	case <-time.After(f.o.Drain):
	}
	_ = w.Terminate()
	select {
	case <-w.Done:
		return
	case <-time.After(lastCall):
	}
	f.log.Warn("worker doesn't stop; killing it", slog.String("worker", w.Name))
	if err := w.Kill(); err != nil {
		f.log.Error("worker can't be killed", slog.Any("error", err))
	}
}
