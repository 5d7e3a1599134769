package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// progressEvery is how often progress goes to the ledger at most. It is below a third of the shortest lease.
const progressEvery = time.Second

// keep renews a claim, and carries the job's progress along, until release is called. It stops the job when that is no
// longer this worker's.
func (w *Worker) keep(claim lanes.Claim, p *progress, stop context.CancelCauseFunc) (release func()) {
	if claim.State != lanes.Granted {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background()) // a job that was told to stop still needs its claim until it has
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.renew(ctx, claim, p, stop)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// renew renews the claim with every new progress, and at the latest after a third of the lease. When it couldn't for two
// thirds of the lease it stops the job, since somebody else may soon run it.
func (w *Worker) renew(ctx context.Context, claim lanes.Claim, p *progress, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	renewed := time.Now()
	due, limit := w.lease(renewed)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, fresh := p.take()
		began := time.Now()
		if !fresh && began.Before(due) {
			continue
		}
		bounded, cancel := context.WithDeadline(ctx, limit)
		err := w.o.Ledger.Renew(bounded, claim, now)
		cancel()
		switch {
		case err == nil:
			renewed = began
			due, limit = w.lease(renewed)
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

// lease is when a claim that was renewed at t is due again, and until when it can be relied on. Looked at once every
// progressEvery, it is renewed at the look that is nearest to a third of the lease: with the shortest one, the next look would
// be too late.
func (w *Worker) lease(t time.Time) (due, limit time.Time) {
	lease := w.policy.Load().Policy.Timing.Lease.D()
	return t.Add(lease/3 - progressEvery/2), t.Add(lease * 2 / 3)
}

// progress is the latest report of a running job.
type progress struct {
	mu    sync.Mutex
	now   lanes.Progress
	fresh bool
}

func (p *progress) set(now lanes.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = p.fresh || now != p.now
	p.now = now
}

// take is the latest report, and whether it is a new one.
func (p *progress) take() (lanes.Progress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := p.fresh
	p.fresh = false
	return p.now, fresh
}
