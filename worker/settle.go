package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// heldAgain is when a job that another worker runs is looked at again.
const heldAgain = time.Second

// Reasons of a dead letter besides the error kinds.
const (
	reasonPoison    = "poison"
	reasonBuried    = "dead already"
	reasonMalformed = "not a job"
)

// Settle is what becomes of a delivery whose handler returned err, at its attempt-th counted attempt. stopped is whether the
// worker stopped the job (drain, second signal, a claim that couldn't be kept): that is no fault of the job's and costs it
// nothing, and err then is why. Only the worker can tell: a handler that calls its error an interruption isn't believed, or
// the job would come back for ever. It is a pure function; the delay is without jitter.
func Settle(err error, stopped bool, attempt int, r lanes.Retries) lanes.Disposition {
	kind := lanes.KindOf(err)
	if kind == lanes.Interrupted {
		kind = lanes.Transient
	}
	if err == nil || errors.Is(err, lanes.ErrCancelled) {
		return lanes.Disposition{Action: lanes.Ack}
	}
	text := lanes.HideSecrets(err.Error())
	switch {
	case errors.Is(err, lanes.ErrLost):
		return lanes.Disposition{Action: lanes.Retry, After: heldAgain, Error: text}
	case stopped:
		return lanes.Disposition{Action: lanes.Return, Error: text}
	case kind.Permanent(), attempt >= r.Attempts:
		return lanes.Disposition{Action: lanes.DeadLetter, Reason: string(kind), Error: text}
	default:
		return lanes.Disposition{Action: lanes.Retry, After: r.Backoff(attempt), Counted: true, Error: text}
	}
}

// late is the error of a job that nobody has started by the time that it says, nil for any other.
func late(j lanes.Job, c lanes.Claim, now time.Time) error {
	if !c.First || j.ExpiresAt.IsZero() || now.Before(j.ExpiresAt) {
		return nil
	}
	return lanes.Fail(lanes.Expired, fmt.Errorf("it was to start by %s (expiresAt), and a slot was free for it only at %s",
		j.ExpiresAt.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
}

// claimGone is whether err says that the job is no longer this worker's: then its record isn't, either.
func claimGone(err error) bool {
	return errors.Is(err, lanes.ErrLost) || errors.Is(err, lanes.ErrCancelled)
}

// refusal is what becomes of a delivery that wasn't granted a claim.
func refusal(c lanes.Claim) lanes.Disposition {
	switch c.State {
	case lanes.Settled:
		return lanes.Disposition{Action: lanes.Ack}
	case lanes.HeldByLive: // no attempt counts
		return lanes.Disposition{Action: lanes.Retry, After: heldAgain, Error: "another worker runs it"}
	case lanes.Poison:
		return lanes.Disposition{Action: lanes.DeadLetter, Reason: reasonPoison, Error: "its workers vanished, time after time, while they ran it"}
	case lanes.Buried: // its dead letter may have been lost between the ledger and the broker: this one must tell as much
		if c.Reason != "" {
			return lanes.Disposition{Action: lanes.DeadLetter, Reason: c.Reason, Error: c.Error}
		}
		return lanes.Disposition{Action: lanes.DeadLetter, Reason: reasonBuried, Error: "the job is dead already; enqueue it under another id"}
	default:
		return lanes.Disposition{Action: lanes.Retry, After: heldAgain, Error: fmt.Sprintf("the ledger's answer %q is not known here", c.State)}
	}
}

// malformed is what becomes of a message that isn't a job.
func malformed(d lanes.Delivery) lanes.Disposition {
	disp := lanes.Disposition{Action: lanes.DeadLetter, Reason: reasonMalformed, Error: d.Err.Error()}
	if errors.Is(d.Err, lanes.ErrNoID) {
		disp.Reason = lanes.ErrNoID.Error()
	}
	if lanes.ValidID(d.Job.ID) {
		disp.Error += fmt.Sprintf(" (the message bears the id %s)", d.Job.ID)
	}
	return disp
}

// outcome is the ledger's side of a disposition that was made at now.
func outcome(d lanes.Disposition, now time.Time) lanes.Outcome {
	switch d.Action {
	case lanes.Ack:
		return lanes.Outcome{State: lanes.Completed}
	case lanes.Retry:
		return lanes.Outcome{State: lanes.Retrying, NextAt: now.Add(d.After), Error: d.Error}
	case lanes.DeadLetter:
		return lanes.Outcome{State: lanes.Dead, Reason: d.Reason, Error: d.Error}
	default:
		return lanes.Outcome{State: lanes.Queued}
	}
}
