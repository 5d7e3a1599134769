package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// This file is how a job is put elsewhere: moved, retried or replayed. A message can be taken neither out of
// the middle of a queue, nor from one queue into another in one step. So a fresh copy of it carries the job on, and
// there is one way to make it do that (Carry):
//
//  1. Copy.    The copy is published, with the next number, and confirmed.
//  2. Ledger.  The job's record goes by that number from now on. A job without a record gets one.
//  3. Settle. The original is removed, where it is in hand. Where it isn't, it comes up some day, and is skipped: its
//  number
//     is too low.
//
// Broken off before 2, there are two messages of the job, and the one that comes first runs: by its claim the record
// knows which. Broken off before 3, there are two, and the copy alone runs. There is never none, and never do both run
// (docs/adr/0009).
//
// A copy is made of the message where that can be had, of the record else (FromRecord). It keeps all that is written
// there: see CopyOf.

// Copy is a fresh copy of a job's message.
type Copy struct {
	wire.Entry              // what is published
	From       []job.State  // that the job has to be in for the copy to carry it
	Params     []byte       // where they are others than the record's; nil: the same
	Settle     func() error // removes the original; nil: it isn't in hand
}

// FromRecord returns a job's message as far as its record knows it, for a job whose message is out of reach.
func FromRecord(r job.Record) (work.Delivery, error) {
	body, err := r.Message()
	return work.Delivery{
		Job: r.Job(), Lane: r.Lane, EnqueuedAt: r.EnqueuedAt, ReadyAt: r.ReadyAt, Attempt: r.Attempt, Error: r.Error,
		Copy: r.Copy, Body: body,
	}, err
}

// CopyOf copies a job's message for a lane. The copy has the next number, and as much of the priority as the lane
// allows. All else is as it was: the body as it came, with fields that nobody knows, when the job was enqueued, the
// number of its attempt and the error before.
func CopyOf(of work.Delivery, lane string, p *lanes.Policy) Copy {
	c := Copy{Entry: wire.Entry{
		Lane: lane, Job: of.Job, Body: of.Body, EnqueuedAt: of.EnqueuedAt, Attempt: of.Attempt, Error: of.Error,
		Copy: of.Copy + 1, Priority: p.Priority(lane, of.Job.Priority),
	}}
	if c.EnqueuedAt.IsZero() {
		c.EnqueuedAt = of.ReadyAt
	}
	return c
}

// Revive makes the copy of a job that is wanted whatever its message says: a deadline (expiresAt) that is over is
// dropped, and params are set, where null takes one away.
func (c *Copy) Revive(set map[string]json.RawMessage, now time.Time) (err error) {
	if c.Body, err = job.Revived(c.Body, set, now); err != nil {
		return err
	}
	if c.Job, _, err = job.Decode(c.Body, c.Job.ID); err == nil && len(set) > 0 {
		c.Params = c.Job.Params
	}
	return err
}

// Anew makes it the copy of a job that begins anew: the attempts so far don't count.
func (c *Copy) Anew() { c.Attempt, c.Error = 0, "" }

// Publisher puts messages into lanes, with confirm.
type Publisher interface {
	EnqueueBatch(ctx context.Context, entries []wire.Entry) []error
}

// Ledger is told which message carries a job: jobledger.Ledger.
type Ledger interface {
	SupersedeAll(ctx context.Context, all []jobledger.Supersede) ([]jobledger.Overridden, error)
	CreateAll(ctx context.Context, jobs []work.Delivery) ([]bool, error)
}

// Carrier makes copies carry their jobs.
type Carrier struct {
	Publisher
	Ledger
	Now func() time.Time // Redis' clock
}

// Carried is what has become of a copy.
type Carried struct {
	Sent bool // it is in its lane, and its original settled
	// Err is nil when it carries the job. Beside Sent it is a Conflict, when what somebody else did meanwhile counts,
	// or ErrUntold (NotPossible where this very record is broken); without, it is the publisher's, and all is as it
	// was.
	Err error
}

// ErrUntold is that a copy is in its lane, and the ledger couldn't be told: that is no harm, but a message with a lower
// number may run instead.
var ErrUntold = errors.New("the ledger couldn't be told; whichever of a job's messages comes first counts")

// Carry makes copies carry their jobs, and says what has become of each. It is brought to its end also when ctx ends
// meanwhile. The error is about originals that couldn't be settled: they come up again, and are skipped.
func (c Carrier) Carry(ctx context.Context, copies []Copy) ([]Carried, error) {
	ctx, end := Finishing(ctx)
	defer end()
	ready := c.Now()
	entries := make([]wire.Entry, len(copies))
	for i := range copies {
		entries[i] = copies[i].Entry
	}
	carried := make([]Carried, len(copies))
	for i, err := range c.EnqueueBatch(ctx, entries) {
		carried[i] = Carried{Sent: err == nil, Err: err}
	}
	c.tell(ctx, copies, carried, ready)
	for i, copied := range copies {
		if carried[i].Sent && copied.Settle != nil {
			if err := copied.Settle(); err != nil {
				return carried, err
			}
		}
	}
	return carried, nil
}

// tell tells the ledger which copies carry their jobs, of those that are in their lanes since ready, and notes its
// answers.
func (c Carrier) tell(ctx context.Context, copies []Copy, carried []Carried, ready time.Time) {
	var sent []int
	var told []jobledger.Supersede
	for i, e := range copies {
		if carried[i].Sent {
			sent = append(sent, i)
			told = append(told, jobledger.Supersede{
				ID: e.Job.ID, Lane: e.Lane, Priority: e.Priority, ReadyAt: ready, Copy: e.Copy, Attempt: e.Attempt,
				From: e.From, Params: e.Params,
			})
		}
	}
	answers, err := c.SupersedeAll(ctx, told)
	for _, i := range sent[len(answers):] {
		carried[i].Err = untold(err)
	}
	var unknown []int
	var records []work.Delivery
	for k, a := range answers {
		e := copies[sent[k]]
		var is *jobledger.StateError
		switch {
		case errors.Is(a.Err, redislink.ErrNotFound):
			unknown = append(unknown, sent[k])
			records = append(records, e.inLane(ready))
		case errors.As(a.Err, &is) && (is.Copy != e.Copy || is.State == job.Cancelled):
			carried[sent[k]].Err = Changed(e.Job.ID, is.State)
		case a.Err != nil && is == nil: // else a worker has the copy already
			carried[sent[k]].Err = NotPossible.With(untold(a.Err))
		}
	}
	made, err := c.CreateAll(ctx, records)
	for _, i := range unknown[len(made):] {
		carried[i].Err = untold(err)
	}
}

// inLane returns the copy as a worker will get it, ready since then.
func (c Copy) inLane(since time.Time) work.Delivery {
	j, rest, err := job.Decode(c.Body, c.Job.ID)
	j.Priority = c.Priority
	return work.Delivery{
		Job: j, Lane: c.Lane, EnqueuedAt: c.EnqueuedAt, ReadyAt: since, Attempt: c.Attempt, Error: c.Error,
		Copy: c.Copy, Body: c.Body, Unknown: rest, Err: err,
	}
}

func untold(err error) error { return fmt.Errorf("%w: %w", ErrUntold, err) }

// Changed returns the error that somebody else changed a job meanwhile, which has that state now.
func Changed(id string, now job.State) error {
	return Conflict.Errorf("job %s was changed by somebody else meanwhile: it is %s now, and what they did counts",
		id, now)
}
