package job

import (
	"encoding/json"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// State is where a job is in its life.
type State string

// The states of a job record.
const (
	Queued    State = "queued"    // in its lane
	Running   State = "running"   // claimed by a worker whose lease holds
	Retrying  State = "retrying"  // failed; waits for its next attempt
	Completed State = "completed" // its output is committed
	Dead      State = "dead"      // can't succeed; in the dead letters with its reason
	Cancelled State = "cancelled" // called off by a person
	// was queued, and its message is no longer in the broker: nothing brings it, unless its message turns up after all.
	Missing State = "missing"
)

// Final reports whether the job is in its last state.
func (s State) Final() bool {
	return s == Completed || s == Dead || s == Cancelled || s == Missing
}

// Failed reports whether the job has ended without its output.
func (s State) Failed() bool { return s.Final() && s != Completed }

// Record is what the ledger knows of a job.
type Record struct {
	ID         string            `json:"id"`
	State      State             `json:"state"`
	Lane       string            `json:"lane"`
	Kind       string            `json:"kind"`
	Labels     map[string]string `json:"labels,omitempty"`
	Input      string            `json:"input,omitempty"`
	Output     string            `json:"output,omitempty"`
	Params     json.RawMessage   `json:"params,omitempty"`
	Overwrite  bool              `json:"overwrite,omitempty"`
	Priority   int               `json:"priority,omitempty"`
	ExpiresAt  time.Time         `json:"expiresAt,omitzero"` // not started by then, it is dead
	DedupKey   string            `json:"dedupKey,omitempty"`
	EnqueuedAt time.Time         `json:"enqueuedAt"`         // first seen
	ReadyAt    time.Time         `json:"readyAt,omitzero"`   // last put into its lane
	StartedAt  time.Time         `json:"startedAt,omitzero"` // first start
	EndedAt    time.Time         `json:"endedAt,omitzero"`   // completed, dead, cancelled or missing
	NextAt     time.Time         `json:"nextAt,omitzero"`    // retrying: when its next attempt is ready
	Wait       lanes.Duration    `json:"wait,omitempty"`     // ready to first start
	// the number of the attempt that its message is for, of those that count
	Attempt int `json:"-"`
	// the fields of its wire form that nobody knows, an object; nil: none
	Rest     json.RawMessage `json:"-"`
	Attempts int             `json:"attempts,omitempty"` // starts, taken-over ones included
	Crashes  int             `json:"crashes,omitempty"`  // starts whose worker vanished
	// the number of the message that carries it: fresh copies (promote, move, retry) count up
	Replay   int      `json:"replay,omitempty"`
	Worker   string   `json:"worker,omitempty"`  // of the latest start
	Progress Progress `json:"progress,omitzero"` // of the latest start
	Outputs  []Output `json:"outputs,omitempty"` // completed: what it made
	Reason   string   `json:"reason,omitempty"`  // dead: why, in a few fixed words
	Error    string   `json:"error,omitempty"`   // the latest error
	// of a message that is no job: the id that it bears, which may be another job's
	Bears      string    `json:"bears,omitempty"`
	LeaseUntil time.Time `json:"leaseUntil,omitzero"` // running: until when its worker need not be doubted
}

// Job returns the job as its producer wrote it.
func (r Record) Job() Job {
	return Job{
		ID: r.ID, Kind: r.Kind, Labels: r.Labels, Input: r.Input, Output: r.Output, Params: r.Params,
		Overwrite: r.Overwrite, Priority: r.Priority, ExpiresAt: r.ExpiresAt, DedupKey: r.DedupKey,
	}
}

// Message returns the job's wire form, as far as the record knows it.
func (r Record) Message() ([]byte, error) {
	body, err := Encode(r.Job())
	if err != nil || r.Rest == nil {
		return body, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Rest, &fields); err != nil {
		return body, nil
	}
	if err := json.Unmarshal(body, &fields); err != nil { // over those of the same names
		return nil, err
	}
	return wireForm(fields)
}

// Bound cuts what is over a job's bounds (see Job.Bounded), for whoever shows the record.
func (r *Record) Bound() {
	j := r.Job().Bounded()
	r.Kind, r.Labels, r.Input, r.Output, r.Params, r.DedupKey = j.Kind, j.Labels, j.Input, j.Output, j.Params,
		j.DedupKey
}

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
	State   State
	Outputs []Output
	NextAt  time.Time // Retrying
	Reason  string    // Dead
	Error   string    // Retrying, Dead
	Service time.Duration
}
