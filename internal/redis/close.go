package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// ends is how a run can end.
var ends = []lanes.State{lanes.Completed, lanes.Retrying, lanes.Dead, lanes.Queued, lanes.Cancelled}

// Close notes how a claimed run ended: Completed, Retrying (until o.NextAt), Dead, Queued for a return, which costs the
// job nothing, or Cancelled: it was called off, and nothing of it runs any more. lanes.ErrLost and lanes.ErrCancelled say
// that it no longer was this worker's to close. For an Unclaimed claim the end counts unless the record has one already, or
// somebody else runs the job with a claim. A Poison claim is closed as Dead. Close doesn't end with ctx, but takes two seconds at most.
//
// A cancelled job that is Completed all the same had its output visible by then, so the record says completed.
//
// While Redis is away or refuses, the outcome goes into the buffer, and the error is nil; it is lanes.ErrAway when the buffer is full.
func (l *Ledger) Close(ctx context.Context, c lanes.Claim, o lanes.Outcome) error {
	switch {
	case !slices.Contains(ends, o.State):
		return fmt.Errorf("close job %s: a run can't end as %q", c.JobID, o.State)
	case c.State == lanes.Unclaimed && o.State == lanes.Queued:
		l.forget(c.JobID)
		return nil // it cost nothing, and the record has never heard of it
	case c.State != lanes.Granted && c.State != lanes.Unclaimed && c.State != lanes.Poison:
		return fmt.Errorf("close job %s: %w: it was answered %q", c.JobID, lanes.ErrLost, c.State)
	}
	d, ended := l.running(c.JobID), time.Now()
	l.forget(c.JobID)
	doing := "close job " + c.JobID
	move := func(ctx context.Context) error { return l.close(ctx, c, d, o, time.Since(ended)) }
	err := l.do(context.WithoutCancel(ctx), doing, move)
	if errors.Is(err, lanes.ErrAway) || errors.Is(err, lanes.ErrRefused) {
		return l.away.keep(doing, move, err)
	}
	return err
}

func (l *Ledger) close(ctx context.Context, c lanes.Claim, d opened, o lanes.Outcome, ago time.Duration) error {
	answer, was, err := l.runClose(ctx, c, d.unheard, o, ago)
	if err == nil && answer == "absent" {
		if err = l.adopt(ctx, c, d.Delivery); err == nil {
			answer, was, err = l.runClose(ctx, c, d.unheard, o, ago)
		}
	}
	if err == nil {
		err = refusal(answer)
	}
	if err == nil {
		l.reindex(ctx, change{id: c.JobID, was: was, state: o.State, next: o.NextAt})
	}
	return err
}

func (l *Ledger) runClose(ctx context.Context, c lanes.Claim, unheard string, o lanes.Outcome, ago time.Duration) (string, before, error) {
	args := []any{
		movesChannel(c.JobID), c.Token, string(o.State), ago.Milliseconds(), l.keep(), c.Attempts, o.Service.Milliseconds(), unheard,
	}
	switch o.State {
	case lanes.Completed:
		args = append(args, "outputs", encode(o.Outputs), "progress", encode(lanes.Progress{Fraction: 1}))
	case lanes.Retrying:
		args = append(args, "next", millis(o.NextAt), "error", lanes.Clip(o.Error, maxError))
	case lanes.Dead:
		args = append(args, "reason", o.Reason, "error", lanes.Clip(o.Error, maxError))
	}
	r, err := closeScript.Run(ctx, l.store.client, []string{jobKey(c.JobID)}, args...).StringSlice()
	if err != nil {
		return "", before{}, err
	}
	return r[0], before{lanes.State(r[1]), r[2]}, nil
}
