package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

const (
	heldAgain     = time.Second      // a job that another worker runs is looked at again after this
	progressEvery = time.Second      // progress goes to the ledger at most this often
	settleTime    = 40 * time.Second // a publish waits 30 s for its confirm, and then pauses
)

// job takes one delivery from claim to settle.
func (w *Worker) job(work context.Context, s Source, d lanes.Delivery, shoulder bool) {
	log := w.o.Log.With("job", d.Job.ID, "lane", d.Lane)
	w.o.Metrics.unknownFields.Add(float64(len(d.Unknown)))
	claim, disp := w.claim(work, &d)
	if disp == nil {
		ran := w.run(work, d, claim, shoulder)
		disp = &ran
	}
	w.o.Metrics.settled.WithLabelValues(d.Lane, string(disp.Action)).Inc()
	switch disp.Action {
	case lanes.DeadLetter:
		log.Warn("dead letter", "reason", disp.Reason, "error", disp.Error)
	case lanes.Retry, lanes.Return:
		log.Info(disp.String(), "error", disp.Error)
	}
	// Settling must happen also while the worker stops, and be bounded also when it doesn't.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), settleTime)
	defer cancel()
	if err := s.Settle(ctx, d, *disp); err != nil {
		log.Info("the broker has the job again", "wanted", disp.String(), "error", err)
	}
}

// claim asks the ledger for the job. A disposition is returned when it isn't to be run.
func (w *Worker) claim(work context.Context, d *lanes.Delivery) (lanes.Claim, *lanes.Disposition) {
	ctx := context.WithoutCancel(work)
	if d.Err != nil {
		disp := malformed(d.Err)
		w.bury(ctx, d, disp)
		return lanes.Claim{}, &disp
	}
	claim, err := w.o.Ledger.Claim(ctx, *d, w.o.Name, w.lane(d.Lane).MaxCrashes)
	if err != nil {
		w.o.Log.Warn("claim", "job", d.Job.ID, "error", err)
		return claim, &lanes.Disposition{Action: lanes.Retry, After: heldAgain, Error: err.Error()}
	}
	switch claim.State {
	case lanes.Granted:
		return claim, nil
	case lanes.Unclaimed:
		w.o.Metrics.unclaimed.Inc()
		return claim, nil
	default:
		disp := refusal(claim)
		return claim, &disp
	}
}

// bury records a message that isn't a job, under its own id where it has one that is free.
func (w *Worker) bury(ctx context.Context, d *lanes.Delivery, disp lanes.Disposition) {
	for range 2 {
		if d.Job.ID == "" || !lanes.ValidID(d.Job.ID) {
			d.Job.ID = lanes.NewID(time.Now())
		}
		claim, err := w.o.Ledger.Claim(ctx, *d, w.o.Name, 1)
		if err != nil || claim.State == lanes.Unclaimed {
			return // the dead letter itself carries reason and error
		}
		if claim.State == lanes.Granted {
			_ = w.o.Ledger.Close(ctx, claim, outcome(disp))
			return
		}
		d.Job.ID = "" // the id belongs to another job
	}
}

// run runs a claimed job and closes its claim.
func (w *Worker) run(work context.Context, d lanes.Delivery, claim lanes.Claim, shoulder bool) lanes.Disposition {
	lane := w.lane(d.Lane)
	ctx, stop := context.WithCancelCause(work)
	defer stop(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, lane.MaxRuntime.D(),
		lanes.Fail(lanes.TimedOut, fmt.Errorf("ran longer than the lane's maxRuntime of %s", lane.MaxRuntime)))
	defer cancel()

	first := d.Attempt <= 1 && claim.Attempts <= 1
	done := w.tally.start(d, shoulder, first)
	w.o.Metrics.started(d, first)
	var progress progress
	renewed := make(chan struct{})
	renewCtx, stopRenewing := context.WithCancel(ctx)
	go func() {
		defer close(renewed)
		w.renew(renewCtx, claim, &progress, stop)
	}()

	began := time.Now()
	result, err := w.handle(ctx, d, claim, &progress)
	took := time.Since(began)
	stopRenewing()
	<-renewed
	done(err == nil, took)
	w.o.Metrics.ran.WithLabelValues(d.Lane).Observe(took.Seconds())

	cause := context.Cause(ctx)
	switch {
	case err != nil && errors.Is(cause, lanes.ErrLost): // whoever took it over closes it
		return lanes.Disposition{Action: lanes.Retry, After: heldAgain, Error: cause.Error()}
	case err != nil && errors.Is(cause, lanes.ErrCancelled):
		return lanes.Disposition{Action: lanes.Ack}
	}
	stopped := cause != nil && lanes.KindOf(cause) == lanes.Interrupted
	if err != nil && lanes.KindOf(cause) == lanes.TimedOut && !lanes.KindOf(err).Permanent() {
		err = cause // says more than what a killed program says
	}
	disp := Settle(err, stopped, d.Attempt, lane.Retry)
	if disp.Action == lanes.Retry {
		disp.After = time.Duration(float64(disp.After) * (0.75 + 0.5*rand.Float64()))
	}
	w.close(ctx, claim, disp, result, took)
	return disp
}

// handle calls the handler; a panic in it is that job's error and nobody else's.
func (w *Worker) handle(ctx context.Context, d lanes.Delivery, claim lanes.Claim, p *progress) (result lanes.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			w.o.Log.Error("the handler panicked", "job", d.Job.ID, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	policy := &w.policy.Load().Policy
	pool, _ := policy.Pool(w.o.Pool)
	lane := w.lane(d.Lane)
	limits := lanes.Limits{
		Nice: policy.Nice(d.Lane), Memory: pool.Slot.Memory, Scratch: pool.Slot.Scratch,
		MaxRuntime: lane.MaxRuntime.D(), Threads: w.o.Threads,
	}
	if w.o.NiceOff {
		limits.Nice = 0
	}
	attempt := strconv.FormatInt(claim.Token, 10)
	if claim.State == lanes.Unclaimed {
		attempt = "u" + lanes.NewID(time.Now())
	}
	return w.o.Handler.Handle(ctx, lanes.Task{
		Job: d.Job, Lane: d.Lane, Attempt: attempt, Limits: limits, Storage: policy.Storage, Report: p.set,
	})
}

// close tells the ledger how the run ended.
func (w *Worker) close(ctx context.Context, claim lanes.Claim, disp lanes.Disposition, result lanes.Result, took time.Duration) {
	o := outcome(disp)
	o.Outputs, o.Service = result.Outputs, took
	if disp.Action == lanes.Retry {
		o.NextAt = time.Now().Add(disp.After)
	}
	if err := w.o.Ledger.Close(context.WithoutCancel(ctx), claim, o); err != nil {
		w.o.Log.Info("close the job's record", "job", claim.JobID, "state", o.State, "error", err)
	}
}

// renew keeps the claim while the job runs and carries its progress. It stops the job when the claim is lost, or couldn't be
// renewed for two thirds of the lease: then somebody else may soon run it.
func (w *Worker) renew(ctx context.Context, claim lanes.Claim, p *progress, stop context.CancelCauseFunc) {
	if claim.State != lanes.Granted {
		return
	}
	lease := w.policy.Load().Policy.Timing.Lease.D()
	ticker := time.NewTicker(min(progressEvery, lease/3))
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, fresh := p.take()
		if !fresh && time.Since(last) < lease/3 {
			continue
		}
		err := w.o.Ledger.Renew(ctx, claim, now)
		switch {
		case err == nil:
			last = time.Now()
		case ctx.Err() != nil:
			return
		case errors.Is(err, lanes.ErrLost):
			stop(lanes.Fail(lanes.Interrupted, lanes.ErrLost))
			return
		case errors.Is(err, lanes.ErrCancelled):
			stop(lanes.Fail(lanes.Interrupted, lanes.ErrCancelled))
			return
		case time.Since(last) > lease*2/3:
			stop(lanes.Fail(lanes.Interrupted, fmt.Errorf("the claim could not be renewed for %s: %w", time.Since(last).Round(time.Second), err)))
			return
		}
	}
}

// lane is the lane's policy in force, or the defaults for one that left the policy.
func (w *Worker) lane(name string) lanes.Lane {
	policy := &w.policy.Load().Policy
	if l, ok := policy.Lane(name); ok {
		return l
	}
	fallback := lanes.Policy{Lanes: []lanes.Lane{{Name: name}}}
	fallback.Default()
	return fallback.Lanes[0]
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
