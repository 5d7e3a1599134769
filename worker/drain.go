package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	graceTime = 2 * time.Second // bounds asking for the pod's grace period
	// killRoom is how long before a pod is killed its jobs stop, so that they can be returned and Redis told; half of
	// a grace period that is shorter than twice that.
	killRoom = 15 * time.Second
	// fitEvery is how often a worker that stops looks at what still fits.
	fitEvery = time.Second
	// overrun is how much longer than what is left a job has to be foreseen to go on to be taken for one that won't
	// fit: what is foreseen is seldom right to a quarter.
	overrun = 1.25
)

// errDrained is why a job was stopped that didn't fit into the drain time.
var errDrained = errors.New("the worker stops, and its drain time is over")

// drain waits until the worker is told to stop, gives the running jobs their time, and then stops them. A job that
// won't fit into what is left is stopped as soon as that is foreseen: so another worker begins it sooner.
func (w *Worker) drain(take, working context.Context, stopTaking context.CancelFunc, stopWork context.CancelCauseFunc) {
	select {
	case <-take.Done():
	case <-working.Done():
		stopTaking()
	}
	w.draining.Store(true)
	told := time.Now()
	within := w.within(working)
	end := told.Add(within)
	w.o.Log.Info("told to stop: running jobs may finish", "within", within.String())
	over := time.After(time.Until(end))
	look := time.NewTicker(fitEvery)
	defer look.Stop()
	for {
		w.runs.stopUnfit(time.Until(end))
		select {
		case <-look.C:
		case <-over:
			stopWork(errDrained)
			return
		case <-working.Done():
			return
		}
	}
}

// within returns how long running jobs may go on now that the worker was told to stop: the drain time, or less when its
// pod will be killed before, or its node goes.
func (w *Worker) within(working context.Context) time.Duration {
	if w.o.Pod == nil {
		return w.o.Drain
	}
	ctx, cancel := context.WithTimeout(working, graceTime)
	defer cancel()
	grace, deleted, err := w.o.Pod.Grace(ctx)
	switch {
	case err != nil:
		if working.Err() == nil {
			w.o.Log.Info("how long the pod still has isn't known: taking it for the drain time", "error", err)
		}
	case deleted:
		return min(w.o.Drain, max(grace-killRoom, grace/2))
	case w.o.Notice > 0:
		return min(w.o.Drain, w.o.Notice)
	}
	return w.o.Drain
}

// runs is the jobs that run now, for a worker that stops. It is safe for concurrent use.
type runs struct {
	mu  sync.Mutex
	all map[*watched]stoppable
}

type stoppable struct {
	began time.Time
	stop  context.CancelCauseFunc
}

// add notes a run that begins; the returned function notes its end.
func (r *runs) add(seen *watched, began time.Time, stop context.CancelCauseFunc) (ended func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[*watched]stoppable{}
	}
	r.all[seen] = stoppable{began, stop}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all, seen)
	}
}

// stopUnfit stops every run that is foreseen not to end in the time that is left. One of which nothing is known may
// still do so.
func (r *runs) stopUnfit(left time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for seen, run := range r.all {
		rest, known := seen.left(time.Since(run.began))
		if known && rest.Seconds() > overrun*left.Seconds() {
			run.stop(fmt.Errorf("the worker stops in %s, and the job is foreseen to take another %s",
				left.Round(time.Second), rest.Round(time.Second)))
		}
	}
}
