package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/runlog"
)

// settleTime bounds a settle: a publish waits 30 s for its confirm, and then pauses.
const settleTime = 40 * time.Second

// job takes one delivery from claim to settle.
func (w *Worker) job(working context.Context, s Source, d work.Delivery, shoulder bool) {
	defer w.tally.Occupy(d, shoulder)()
	w.o.Metrics.unknownFields.Add(float64(len(d.Unknown)))
	w.noteOdd(d)
	w.o.Log.Debug("taken", "job", d.Job.ID, "lane", d.Lane, "returned", d.Returned)
	var disp work.Disposition
	if d.Err != nil {
		d, disp = w.bury(working, d)
	} else {
		var unfit error // a message that came without the client may have a preset that nobody has looked up yet
		d, unfit = d.Expand(&w.policy.Load().Policy)
		disp = w.attempt(working, d, unfit)
	}
	w.settle(working, s, d, disp)
}

// bury records the death of a message that isn't a job. The record gets an id of its own, and the delivery with it: the
// id that the message bears may be that of a job that is well. It is the same one at every delivery: a letter that
// can't be published comes back, and is still one message.
func (w *Worker) bury(working context.Context, d work.Delivery) (work.Delivery, work.Disposition) {
	disp := malformed(d)
	if job.ValidID(d.Job.ID) {
		d.Bears = d.Job.ID
	}
	d.Job.ID = job.IDOf(d.Job.ID, d.Body)
	ctx := context.WithoutCancel(working)
	claim, err := w.o.Ledger.Claim(ctx, d, w.o.Name, 1)
	if err != nil {
		w.o.Log.Warn("record a message that is no job", "job", d.Job.ID, "error", err)
		return d, disp
	}
	if claim.State != work.Buried { // else it came back
		_ = w.close(ctx, claim, outcome(disp, w.o.Now()))
	}
	return d, disp
}

// attempt claims a job and runs it, unless the ledger refuses, or the job is known to be unfit.
func (w *Worker) attempt(working context.Context, d work.Delivery, unfit error) work.Disposition {
	ctx := context.WithoutCancel(working)
	claim, err := w.o.Ledger.Claim(ctx, d, w.o.Name, w.lane(d.Lane).MaxCrashes)
	if err != nil { // storage decides, the ledger only saves work
		w.o.Log.Warn("claim the job: it runs without", "job", d.Job.ID, "error", err)
		claim = work.Claim{State: work.Unclaimed, JobID: d.Job.ID, Attempts: d.Attempt, First: d.Attempt <= 1}
	}
	var disp work.Disposition
	switch claim.State {
	case work.Unclaimed:
		w.o.Metrics.unclaimed.Inc()
		fallthrough
	case work.Granted:
		if expired := late(d.Job, claim, w.o.Now()); expired != nil {
			unfit = expired
		}
		if unfit == nil {
			return w.run(working, d, claim)
		}
		disp = Settle(unfit, false, d.Attempt, w.lane(d.Lane).Retry)
	case work.Poison:
		disp = refusal(claim)
	default:
		w.o.Log.Debug("not run", "job", d.Job.ID, "lane", d.Lane, "claim", claim.State)
		return refusal(claim)
	}
	_ = w.close(ctx, claim, outcome(disp, w.o.Now()))
	return disp
}

// run runs a claimed job and closes its record.
func (w *Worker) run(working context.Context, d work.Delivery, claim work.Claim) work.Disposition {
	defer w.mark.Hold(working)()
	lane := w.lane(d.Lane)
	ctx, stop := context.WithCancelCause(working)
	defer stop(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, lane.MaxRuntime.D(),
		work.Fail(work.TimedOut, fmt.Errorf("ran longer than the lane's maxRuntime of %s", lane.MaxRuntime)))
	defer cancel()

	w.started(d, claim)
	log := w.o.Log.With("job", d.Job.ID, "lane", d.Lane, "attempt", claim.Attempts)
	log.Debug("started")
	seen := w.watch(d)
	said := w.newLog(claim)
	release := w.keep(claim, seen, said, stop)
	began := time.Now()
	defer w.runs.add(seen, began, stop)()
	result, err := w.handle(ctx, w.task(d, claim, lane, seen, said))
	took := time.Since(began)
	release()
	if err == nil {
		log.Info("completed", "took", took.Round(time.Millisecond).String(), "already", result.AlreadyDone)
	}

	cause := context.Cause(ctx)
	if err != nil && cause != nil {
		err = cause // its programs were killed: what the handler makes of that tells nothing about the job
	}
	stopped := cause != nil && work.KindOf(cause) != work.TimedOut
	disp := Settle(err, stopped, d.Attempt, lane.Retry)
	if disp.Counted {
		disp.After = time.Duration(float64(disp.After) * (0.75 + 0.5*rand.Float64()))
	}
	w.ended(d, disp, err, took)
	o := outcome(disp, w.o.Now())
	o.Outputs, o.Warnings, o.Service, o.Progress = result.Outputs, result.Warnings, took, seen.get()
	if err == nil && !result.AlreadyDone {
		w.compare(ctx, d, seen, took)
	}
	if gone := w.conclude(ctx, claim, said, err, o); gone != nil {
		log.Info("stopped", "error", gone)
		return Settle(gone, true, d.Attempt, lane.Retry)
	}
	if w.draining.Load() && w.o.Behind() && disp.Action != work.Retry {
		// Who takes it next finds the output there, or fails again, and tells the ledger: this worker may not live to
		// do so.
		return work.Disposition{
			Action: work.Return,
			Error:  "the ledger doesn't know yet how it ended, and this worker stops",
		}
	}
	return disp
}

// conclude keeps the log of a run that ended with err, and closes its record. What it returns is why the job isn't this
// worker's any more, nil when it is. A job that was cancelled meanwhile is closed as such: that says that nothing of it
// runs here. Not so when its output is committed already: then it is completed, whatever was asked for.
func (w *Worker) conclude(ctx context.Context, c work.Claim, said *runlog.Log, err error, o work.Outcome) (gone error) {
	if !errors.Is(err, work.ErrLost) { // it is another's log by now
		w.keepLog(context.WithoutCancel(ctx), c.JobID, said)
	}
	if claimGone(err) {
		gone = err
	} else if closed := w.close(ctx, c, o); err != nil && claimGone(closed) {
		gone = closed
	}
	if errors.Is(gone, work.ErrCancelled) {
		_ = w.close(ctx, c, work.Outcome{State: job.Cancelled})
	}
	return gone
}

// newLog returns the log of a run that begins now; nil when nobody keeps logs.
func (w *Worker) newLog(c work.Claim) *runlog.Log {
	if w.o.Logs == nil {
		return nil
	}
	now := w.o.Now().UTC().Format(time.RFC3339)
	return runlog.New(c.JobID, fmt.Sprintf("attempt %d on %s, %s\n", c.Attempts, w.o.Name, now))
}

// keepLog keeps what a run has said so far. A log that can't be kept is no reason to do anything else about the job.
func (w *Worker) keepLog(ctx context.Context, job string, l *runlog.Log) {
	if l == nil {
		return
	}
	if err := l.Keep(ctx, w.o.Logs.KeepLog); err != nil {
		w.o.Log.Debug("keep what a job's programs said", "job", job, "error", err)
	}
}

// task returns what the handler gets. Attempt names its files, so no two claims of a job may share it.
func (w *Worker) task(d work.Delivery, claim work.Claim, lane lanes.Lane, seen *watched, said *runlog.Log) work.Task {
	policy := &w.policy.Load().Policy
	limits := work.Limits{
		Nice: policy.Nice(d.Lane), Memory: w.o.Slot.Memory, Scratch: w.o.Slot.Scratch,
		MaxRuntime: lane.MaxRuntime.D(), Threads: w.o.Threads,
	}
	if w.o.NiceOff {
		limits.Nice = 0
	}
	attempt := strconv.FormatInt(claim.Token, 10)
	if claim.State == work.Unclaimed {
		attempt = "u" + job.NewID(w.o.Now())
	}
	task := work.Task{
		Job: d.Job, Lane: d.Lane, Attempt: attempt, Limits: limits, Storage: policy.Storage,
		Report: seen.set, Found: seen.found,
		Computed: func(total time.Duration) { w.tally.Compute(seen.computed(total)) },
	}
	if said != nil {
		task.Log = said
	}
	return task
}

// handle calls the handler; a panic in it is that job's error and nobody else's.
func (w *Worker) handle(ctx context.Context, t work.Task) (result work.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			w.o.Log.Error("the handler panicked", "job", t.Job.ID, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	return w.o.Handler.Handle(ctx, t)
}

// close tells the ledger how a run ended, also while the worker stops.
func (w *Worker) close(ctx context.Context, claim work.Claim, o work.Outcome) error {
	err := w.o.Ledger.Close(context.WithoutCancel(ctx), claim, o)
	if err != nil {
		w.o.Log.Info("close the job's record", "job", claim.JobID, "state", o.State, "error", err)
	}
	return err
}

// settle carries the disposition out, also while the worker stops.
func (w *Worker) settle(working context.Context, s Source, d work.Delivery, disp work.Disposition) {
	log := w.o.Log.With("job", d.Job.ID, "lane", d.Lane)
	w.o.Metrics.settled.WithLabelValues(d.Lane, string(disp.Action)).Inc()
	switch disp.Action {
	case work.DeadLetter:
		log.Warn("dead letter", "reason", disp.Reason, "error", disp.Error)
	case work.Retry, work.Return:
		log.Info(disp.String(), "error", disp.Error)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(working), settleTime)
	defer cancel()
	if err := s.Settle(ctx, d, disp); err != nil {
		log.Info("the broker has the job again", "wanted", disp.String(), "error", err)
	}
}

// lane returns the lane's policy in force, or the defaults for one that left the policy.
func (w *Worker) lane(name string) lanes.Lane {
	policy := &w.policy.Load().Policy
	if l, ok := policy.Lane(name); ok {
		return l
	}
	fallback := lanes.Policy{Lanes: []lanes.Lane{{Name: name}}}
	fallback.Default()
	return fallback.Lanes[0]
}
