package jobledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"

	"github.com/polyglot-media/siren/lanes/plain"
)

// ends is how a run can end.
var ends = []job.State{job.Completed, job.Retrying, job.Dead, job.Queued, job.Cancelled}

// Close notes how a claimed run ended: Completed, Retrying (until o.NextAt), Dead, Queued for a return, which costs the
// job nothing, or Cancelled, and nothing of it runs any more. work.ErrLost and work.ErrCancelled
// say that it no longer was this worker's to close. For an Unclaimed claim the end counts unless the record has one
// already, or somebody else runs the job with a claim. A Poison claim is closed as Dead. Close doesn't end with ctx,
// but takes two seconds at most.
//
// A cancelled job that is Completed all the same had its output visible by then, so the record says completed.
//
// While Redis is away or refuses, the outcome goes into the buffer, and the error is nil; it is lanes.ErrAway when the
// buffer is full.
func (l *Ledger) Close(ctx context.Context, c work.Claim, o work.Outcome) error {
	switch {
	case !slices.Contains(ends, o.State):
		return fmt.Errorf("close job %s: a run can't end as %q", c.JobID, o.State)
	case c.State == work.Unclaimed && o.State == job.Queued:
		l.forget(c.JobID)
		return nil // it cost nothing, and the record has never heard of it
	case c.State != work.Granted && c.State != work.Unclaimed && c.State != work.Poison:
		return fmt.Errorf("close job %s: %w: it was answered %q", c.JobID, work.ErrLost, c.State)
	}
	e := end{claim: c, run: l.running(c.JobID), outcome: o, at: time.Now()}
	l.forget(c.JobID)
	doing := "close job " + c.JobID
	move := func(ctx context.Context) error {
		_, err := l.close(ctx, e)
		if err == nil {
			l.memory.told(e)
		}
		return err
	}
	err := l.do(context.WithoutCancel(ctx), doing, move)
	if errors.Is(err, lanes.ErrAway) || errors.Is(err, lanes.ErrRefused) {
		return l.away.keep(doing, move, err)
	}
	return err
}

// close notes an end, and returns what the record said before.
func (l *Ledger) close(ctx context.Context, e end) (before, error) {
	answer, was, err := l.runClose(ctx, e)
	if err == nil && answer == "absent" {
		if err = l.adopt(ctx, e.claim, e.run); err == nil {
			answer, was, err = l.runClose(ctx, e)
		}
	}
	if err == nil {
		err = refusal(answer)
	}
	if err == nil {
		l.reindex(ctx, change{id: e.claim.JobID, was: was, state: e.outcome.State, next: e.outcome.NextAt})
	}
	return was, err
}

func (l *Ledger) runClose(ctx context.Context, e end) (answer string, was before, err error) {
	c, o := e.claim, e.outcome
	args := []any{
		keyspace.Moves(c.JobID), c.Token, string(o.State), time.Since(e.at).Milliseconds(), l.keep(),
		c.Attempts, o.Service.Milliseconds(), e.run.unheard,
	}
	switch o.State {
	case job.Completed:
		last := o.Progress
		last.Fraction, last.Note = 1, ""
		args = append(args, "outputs", keyspace.Encode(o.Outputs), "progress", keyspace.Encode(last))
		if len(o.Warnings) > 0 {
			args = append(args, "warnings", keyspace.Encode(o.Warnings))
		}
	case job.Retrying:
		args = append(args, "next", keyspace.Millis(o.NextAt), "error", plain.Clip(o.Error, jobrecord.MaxError))
	case job.Dead:
		args = append(args, "reason", o.Reason, "error", plain.Clip(o.Error, jobrecord.MaxError))
	}
	r, err := closeScript.Run(ctx, l.store.Client(), []string{keyspace.Job(c.JobID)}, args...).StringSlice()
	if err != nil {
		return "", before{}, err
	}
	return r[0], before{job.State(r[1]), r[2]}, nil
}
