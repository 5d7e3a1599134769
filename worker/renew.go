package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/runlog"
)

// renewEvery is how often a claim is renewed: within that time a worker hears that its job was cancelled. It is a third
// of the shortest lease.
const renewEvery = time.Second

// keep renews a claim, and carries the job's progress and log along, until release is called. It stops the job when
// that is no longer this worker's.
func (w *Worker) keep(claim work.Claim, p *watched, said *runlog.Log, stop context.CancelCauseFunc) (release func()) {
	if claim.State != work.Granted {
		return func() {}
	}
	// a job that was told to stop still needs its claim until it has
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.renew(ctx, claim, p, said, stop)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// renew renews the claim every second. When it couldn't for two thirds of the lease it stops the job, since somebody
// else may soon run it.
func (w *Worker) renew(
	ctx context.Context, claim work.Claim, p *watched, said *runlog.Log, stop context.CancelCauseFunc,
) {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	renewed := time.Now()
	limit := w.limit(renewed)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		bounded, cancel := context.WithDeadline(ctx, limit)
		err := w.o.Ledger.Renew(bounded, claim, p.get())
		cancel()
		switch {
		case err == nil:
			renewed, limit = began, w.limit(began)
			w.keepLog(ctx, claim.JobID, said)
		case ctx.Err() != nil:
			return
		case claimGone(err):
			stop(err)
			return
		case !time.Now().Before(limit):
			stop(fmt.Errorf("the claim could not be renewed for %s: %w", time.Since(renewed).Round(time.Second), err))
			return
		}
	}
}

// limit returns until when a claim that was renewed at t can be relied on.
func (w *Worker) limit(t time.Time) time.Time {
	return t.Add(w.policy.Load().Policy.Timing.Lease.D() * 2 / 3)
}
