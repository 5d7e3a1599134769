package worker

import (
	"errors"

	"github.com/polyglot-media/siren/lanes"
)

// Settle is what becomes of a delivery whose handler returned err, at its attempt-th counted attempt. stopped is whether the
// worker stopped the job itself (drain, second signal, lost claim): that is no fault of the job's and costs it nothing.
// It is a pure function; the delay is without jitter.
func Settle(err error, stopped bool, attempt int, r lanes.Retries) lanes.Disposition {
	kind := lanes.KindOf(err)
	switch {
	case err == nil:
		return lanes.Disposition{Action: lanes.Ack}
	case kind.Permanent():
		return lanes.Disposition{Action: lanes.DeadLetter, Reason: string(kind), Error: err.Error()}
	case stopped, kind == lanes.Interrupted:
		return lanes.Disposition{Action: lanes.Return, Error: err.Error()}
	case attempt >= r.Attempts:
		return lanes.Disposition{Action: lanes.DeadLetter, Reason: string(kind), Error: err.Error()}
	default:
		return lanes.Disposition{Action: lanes.Retry, After: r.Backoff(attempt), Counted: true, Error: err.Error()}
	}
}

// refusal is what becomes of a delivery that wasn't granted a claim.
func refusal(c lanes.Claim) lanes.Disposition {
	switch c.State {
	case lanes.HeldByLive: // look again in a second; no attempt counts
		return lanes.Disposition{Action: lanes.Retry, After: heldAgain, Error: "another worker runs it"}
	case lanes.Poison:
		return lanes.Disposition{Action: lanes.DeadLetter, Reason: reasonPoison, Error: "its workers vanished, time after time, while they ran it"}
	case lanes.Buried: // its dead letter may have been lost between the ledger and the broker
		return lanes.Disposition{Action: lanes.DeadLetter, Reason: reasonBuried, Error: "the job is dead already; replay it with siren dead replay"}
	default:
		return lanes.Disposition{Action: lanes.Ack}
	}
}

// malformed is what becomes of a message that isn't a job.
func malformed(err error) lanes.Disposition {
	reason := reasonMalformed
	if errors.Is(err, lanes.ErrNoID) {
		reason = lanes.ErrNoID.Error()
	}
	return lanes.Disposition{Action: lanes.DeadLetter, Reason: reason, Error: err.Error()}
}

// Reasons of a dead letter besides the error kinds.
const (
	reasonPoison    = "poison"
	reasonBuried    = "dead already"
	reasonMalformed = "not a job"
)

// outcome is the ledger's side of a disposition.
func outcome(d lanes.Disposition) lanes.Outcome {
	o := lanes.Outcome{Reason: d.Reason, Error: d.Error}
	switch d.Action {
	case lanes.Ack:
		o.State = lanes.Completed
	case lanes.Retry:
		o.State = lanes.Retrying
	case lanes.DeadLetter:
		o.State = lanes.Dead
	case lanes.Return:
		o.State = lanes.Queued
	}
	return o
}
