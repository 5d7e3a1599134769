package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// heldAgain is when a job that another worker runs is looked at again.
const heldAgain = time.Second

// Reasons of a dead letter besides the error kinds.
const (
	reasonPoison    = "poison"
	reasonBuried    = "dead already"
	reasonMalformed = "not a job"
)

// Settle decides what becomes of a delivery whose handler returned err, at its attempt-th counted attempt. stopped
// reports that the worker stopped the job (drain, second signal, a claim that couldn't be kept), and err then is why:
// that costs the job no attempt. Only the worker can tell: a handler that calls its error an interruption isn't
// believed, or the job would come back for ever. Settle is a pure function; the delay is without jitter.
func Settle(err error, stopped bool, attempt int, r lanes.Retries) work.Disposition {
	kind := work.KindOf(err)
	if kind == work.Interrupted {
		kind = work.Transient
	}
	if err == nil || errors.Is(err, work.ErrCancelled) {
		return work.Disposition{Action: work.Ack}
	}
	text := plain.HideSecrets(err.Error())
	switch {
	case errors.Is(err, work.ErrLost):
		return work.Disposition{Action: work.Retry, After: heldAgain, Error: text}
	case stopped:
		return work.Disposition{Action: work.Return, Error: text}
	case kind.Permanent(), attempt >= r.Attempts:
		return work.Disposition{Action: work.DeadLetter, Reason: string(kind), Error: text}
	default:
		return work.Disposition{Action: work.Retry, After: r.Backoff(attempt), Counted: true, Error: text}
	}
}

// late returns the error of a job that nobody has started by its expiresAt; nil for any other.
func late(j job.Job, c work.Claim, now time.Time) error {
	if !c.First || j.ExpiresAt.IsZero() || now.Before(j.ExpiresAt) {
		return nil
	}
	return work.Fail(work.Expired, fmt.Errorf("it was to start by %s (expiresAt), but its first free slot came at %s",
		j.ExpiresAt.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
}

// claimGone reports whether err says that the job is no longer this worker's: then its record isn't, either.
func claimGone(err error) bool {
	return errors.Is(err, work.ErrLost) || errors.Is(err, work.ErrCancelled)
}

// refusal decides what becomes of a delivery that wasn't granted a claim.
func refusal(c work.Claim) work.Disposition {
	switch c.State {
	case work.Settled:
		return work.Disposition{Action: work.Ack}
	case work.HeldByLive: // no attempt counts
		return work.Disposition{Action: work.Retry, After: heldAgain, Error: "another worker runs it"}
	case work.Poison:
		return work.Disposition{
			Action: work.DeadLetter, Reason: reasonPoison,
			Error: fmt.Sprintf("its worker crashed as often as the lane's maxCrashes allows (%d)", c.Crashes),
		}
	case work.Buried:
		// its dead letter may have been lost between the ledger and the broker: this one must tell as much
		if c.Reason != "" {
			return work.Disposition{Action: work.DeadLetter, Reason: c.Reason, Error: c.Error}
		}
		return work.Disposition{
			Action: work.DeadLetter, Reason: reasonBuried,
			Error: "the job is dead already; enqueue it under another id",
		}
	default:
		return work.Disposition{
			Action: work.Retry, After: heldAgain,
			Error: fmt.Sprintf("the ledger's answer %q is unknown", c.State),
		}
	}
}

// malformed decides what becomes of a message that isn't a job.
func malformed(d work.Delivery) work.Disposition {
	disp := work.Disposition{Action: work.DeadLetter, Reason: reasonMalformed, Error: d.Err.Error()}
	if errors.Is(d.Err, job.ErrNoID) {
		disp.Reason = job.ErrNoID.Error()
	}
	if job.ValidID(d.Job.ID) {
		disp.Error += fmt.Sprintf(" (the message bears the id %s)", d.Job.ID)
	}
	return disp
}

// outcome returns the ledger's side of a disposition that was made at now.
func outcome(d work.Disposition, now time.Time) work.Outcome {
	switch d.Action {
	case work.Ack:
		return work.Outcome{State: job.Completed}
	case work.Retry:
		return work.Outcome{State: job.Retrying, NextAt: now.Add(d.After), Error: d.Error}
	case work.DeadLetter:
		return work.Outcome{State: job.Dead, Reason: d.Reason, Error: d.Error}
	default:
		return work.Outcome{State: job.Queued}
	}
}
