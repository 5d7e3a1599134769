package work

import (
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// ClaimState is the ledger's answer to a worker that wants to run a delivery.
type ClaimState string

// The answers to a claim.
const (
	Granted    ClaimState = "granted" // run it
	HeldByLive ClaimState = "held"    // another worker runs it: look again in a second
	// completed, cancelled, or carried on by a fresh copy of the message: nothing to do.
	Settled   ClaimState = "settled"
	Buried    ClaimState = "buried"    // dead already, and not replayed since: to the dead letters again
	Poison    ClaimState = "poison"    // its worker crashed maxCrashes times: dead letter
	Unclaimed ClaimState = "unclaimed" // the ledger is away: run it without a claim, storage decides
)

// Claim is a granted (or refused) right to run one job. The token is compared at every later move, so a worker that was
// taken over can't write over its successor.
type Claim struct {
	State    ClaimState
	JobID    string
	Token    int64 // grows with every claim of the job
	Attempts int   // starts so far, this one included
	First    bool  // nobody has started the job before, also in an attempt that didn't count
	Crashes  int   // starts whose worker vanished
	// Of a Buried job: what it died of. Its dead letter may be yet to be published, or be lost with its worker.
	Reason string
	Error  string
}

// Outcome is how a claimed run ended, for the ledger.
type Outcome struct {
	// Completed, Retrying, Dead, Queued for a return that costs nothing, or Cancelled once its programs have ended
	State    job.State
	Outputs  []job.Output
	Warnings []string  // Completed
	NextAt   time.Time // Retrying
	Reason   string    // Dead
	Error    string    // Retrying, Dead
	Service  time.Duration
	Progress job.Progress // Completed: where it was then, with what was foreseen of it
}
