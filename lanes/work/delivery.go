package work

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/plain"
)

// Delivery is a job as a source hands it to a free slot: the job and what its message's headers said.
type Delivery struct {
	Job        job.Job
	Lane       string    // the queue that it came from: that decides, not the labels
	EnqueuedAt time.Time // first put into any lane; zero for a foreign job that doesn't say
	ReadyAt    time.Time // last put into its lane
	Attempt    int       // 1 for the first; attempts that ended without a fault of the job's are not counted
	Error      string    // of the attempt before this one, "" for the first
	// number of this copy of the message, 0 the first; an older one than the record's is superseded
	Copy     int
	Returned bool     // somebody had this very message before, and gave it back or vanished with it
	Body     []byte   // the wire form as it came
	Unknown  []string // top-level fields of the wire form that nobody knows
	Err      error    // why this message can never run (Decode), nil for a job
	// of a message that can never run: the id that it bears, which may be another job's; "" when that is none
	Bears   string
	Odd     []string // headers whose time can't be meant, and so counts as absent
	Receipt any      // what the source needs to settle it; nobody else looks inside
}

// Wait returns the time from ready to now, never negative; zero when it isn't known when the job became ready.
func (d Delivery) Wait(now time.Time) time.Duration {
	if d.ReadyAt.IsZero() {
		return 0
	}
	return max(0, now.Sub(d.ReadyAt))
}

// Expand returns the delivery with its job, and its wire form, expanded (job.Job.Expand), so that a retry carries on
// what this attempt began. The error is a JobError of kind BadInput.
func (d Delivery) Expand(p *lanes.Policy) (Delivery, error) {
	j, err := d.Job.Expand(p)
	if err != nil || j.Expanded == d.Job.Expanded {
		return d, Fail(BadInput, err)
	}
	body, err := j.ExpandedMessage(d.Body)
	if err != nil {
		return d, Fail(BadInput, err)
	}
	d.Job, d.Body = j, body
	return d, nil
}

// Rest returns the unknown fields of the wire form as an object; nil when there are none or it isn't a job's.
func (d Delivery) Rest() json.RawMessage {
	var fields map[string]json.RawMessage
	if len(d.Unknown) == 0 || d.Err != nil || json.Unmarshal(d.Body, &fields) != nil {
		return nil
	}
	rest := map[string]json.RawMessage{}
	for _, name := range d.Unknown {
		rest[name] = fields[name]
	}
	raw, _ := plain.JSON(rest) // of JSON, which always can be
	return raw
}

// Action is what becomes of a delivery.
type Action string

// The four ends of a delivery. Retry and DeadLetter publish afresh with confirm and then acknowledge.
const (
	Ack        Action = "ack"        // done with: its output is committed, or another message carries it on
	Retry      Action = "retry"      // to its lane again, after a while
	DeadLetter Action = "deadLetter" // can't succeed: to siren.dead, with the reason
	Return     Action = "return"     // back to the front of its queue, at no cost to the job
)

// Disposition is a decision about a delivery, for its source to carry out.
type Disposition struct {
	Action Action
	After  time.Duration // Retry: how long to wait first
	// Counted is whether the attempt counts against the lane's retry.attempts (Retry only).
	Counted bool
	Reason  string // DeadLetter: a few fixed words, to group by (no id, bad input, attempts used up, …)
	Error   string // Retry, DeadLetter: what happened, for a person
}

func (d Disposition) String() string {
	switch d.Action {
	case Retry:
		return fmt.Sprintf("retry in %s", d.After)
	case DeadLetter:
		return fmt.Sprintf("dead letter: %s", d.Reason)
	default:
		return string(d.Action)
	}
}
