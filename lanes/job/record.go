package job

import (
	"encoding/json"
	"errors"
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

// ErrVanished is a job that says running while nothing is heard of its worker, and that nobody has put into its lane
// again: the leading scaler does so within a minute.
var ErrVanished = errors.New("its worker vanished, and no scaler has rescued it")

// Record is what the ledger knows of a job.
type Record struct {
	ID         string            `json:"id"`
	State      State             `json:"state"`
	Lane       string            `json:"lane"`
	Kind       string            `json:"kind"`
	Preset     string            `json:"preset,omitempty"`
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
	ClaimedAt  time.Time         `json:"-"`                  // latest start; zero when none was with a claim
	EndedAt    time.Time         `json:"endedAt,omitzero"`   // completed, dead, cancelled or missing
	NextAt     time.Time         `json:"nextAt,omitzero"`    // retrying: when its next attempt is ready
	Wait       lanes.Duration    `json:"wait,omitempty"`     // ready to first start
	// the number of the attempt that its message is for, of those that count
	Attempt  int  `json:"-"`
	Expanded bool `json:"-"` // Kind and Params have what Preset stands for
	// the fields of its wire form that nobody knows, an object; nil: none
	Rest     json.RawMessage `json:"-"`
	Attempts int             `json:"attempts,omitempty"` // starts, taken-over ones included
	Crashes  int             `json:"crashes,omitempty"`  // starts whose worker vanished
	// the number of the message that carries it: fresh copies (move, retry, replay) count up
	Copy     int      `json:"replay,omitempty"`
	Worker   string   `json:"worker,omitempty"`   // of the latest start
	Progress Progress `json:"progress,omitzero"`  // of the latest start
	Outputs  []Output `json:"outputs,omitempty"`  // completed: what it made
	Warnings []string `json:"warnings,omitempty"` // completed: what was wrong with the input all the same
	Reason   string   `json:"reason,omitempty"`   // dead: why, in a few fixed words
	Error    string   `json:"error,omitempty"`    // the latest error
	// of a message that is no job: the id that it bears, which may be another job's
	Bears      string    `json:"bears,omitempty"`
	LeaseUntil time.Time `json:"leaseUntil,omitzero"` // running: until when its worker need not be doubted
}

// Job returns the job as its producer wrote it.
func (r Record) Job() Job {
	return Job{
		ID: r.ID, Kind: r.Kind, Preset: r.Preset, Labels: r.Labels, Input: r.Input, Output: r.Output,
		Params: r.Params, Expanded: r.Expanded,
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
	r.Kind, r.Preset, r.Labels, r.Input, r.Output, r.Params, r.DedupKey = j.Kind, j.Preset, j.Labels, j.Input,
		j.Output, j.Params, j.DedupKey
}

// Progress is how far a running job is.
type Progress struct {
	Fraction float64 `json:"fraction"`       // 0 to 1
	Note     string  `json:"note,omitempty"` // what it is doing: fetching, 12.4 of 60.0 s at 2.1x
	// Predicted is how long the run was predicted to take when its input had been looked at; 0: nothing was known.
	Predicted lanes.Duration `json:"predicted,omitempty"`
	// Computed is how long its programs have computed by now, on all cores together, and Work how long they will have
	// in the end, as foreseen.
	Computed lanes.Duration `json:"computed,omitempty"`
	Work     lanes.Duration `json:"work,omitempty"`
}

// Output is one file that a job made visible. A folder has two in its record: its main file, and its manifest, which
// stands for all of it.
type Output struct {
	URL   string `json:"url"`
	Bytes int64  `json:"bytes"`          // of a manifest: those of all the folder's files together
	Type  string `json:"type,omitempty"` // media type
}
