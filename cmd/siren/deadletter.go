package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

// letterBatch is how many letters are taken in one go where nothing slows them down.
const letterBatch = 100

// foundLetter is a dead letter, and what the ledger knows of its job.
type foundLetter struct {
	rabbit.DeadLetter
	record *lanes.Record // nil without one
	facts  lanes.Record  // the job as it died: by its record where that is about this death, else by the letter
	stands standing
}

// standing is how a letter stands to its job's record.
type standing string

const (
	current    standing = "current"    // its job is dead, and this is its letter; or there is no record, and the letter is all there is
	stale      standing = "stale"      // its job is dead by a newer copy, which has a letter of its own
	superseded standing = "superseded" // a newer copy carries the job on, or has brought it to its end
	elsewhere  standing = "elsewhere"  // its job isn't dead, although no newer copy was made: Redis had lost its data, and the job was enqueued again
)

// standingOf compares the numbers of a letter and of its job's record.
func standingOf(l rabbit.DeadLetter, r *lanes.Record) standing {
	switch {
	case r == nil, r.State == lanes.Dead && r.Replay <= l.Replay:
		return current
	case r.State == lanes.Dead:
		return stale
	case r.Replay > l.Replay:
		return superseded
	default:
		return elsewhere
	}
}

// newFound puts a letter and its job's record together.
func newFound(l rabbit.DeadLetter, r *lanes.Record) foundLetter {
	f := foundLetter{DeadLetter: l, record: r, stands: standingOf(l, r)}
	if r != nil && r.State == lanes.Dead {
		f.facts = *r
		return f
	}
	f.facts = lanes.Record{
		ID: l.ID, State: lanes.Dead, Lane: l.Lane, Kind: l.Job.Kind, Labels: l.Job.Labels, Input: l.Job.Input, Output: l.Job.Output, Params: l.Job.Params,
		Overwrite: l.Job.Overwrite, EnqueuedAt: l.EnqueuedAt, ReadyAt: l.ReadyAt, EndedAt: l.DeadAt, Attempts: l.Attempts, Replay: l.Replay,
		Reason: l.Reason, Error: l.Error,
	}
	return f
}

// know puts letters and their jobs' records together.
func (o *operator) know(ctx context.Context, letters []rabbit.DeadLetter) ([]foundLetter, error) {
	ids := make([]string, 0, len(letters))
	for _, l := range letters {
		if l.ID != "" {
			ids = append(ids, l.ID)
		}
	}
	records, err := o.ledger.GetAll(ctx, ids)
	if err != nil {
		return nil, reach.Unreachable(err)
	}
	found := make([]foundLetter, len(letters))
	for i, l := range letters {
		if r, ok := records[l.ID]; ok {
			found[i] = newFound(l, &r)
		} else {
			found[i] = newFound(l, nil)
		}
	}
	return found, nil
}

// openDead begins to go through siren.dead. What isn't removed goes back with the returned function.
func (o *operator) openDead(ctx context.Context, name string) (*rabbit.DeadLetters, func(), error) {
	conn, err := o.connect(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	d, err := rabbit.OpenDead(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, nil, reach.Unreachable(err)
	}
	return d, func() {
		d.Close()
		conn.Close()
	}, nil
}

// countLetters is how many letters are in siren.dead.
func (o *operator) countLetters(ctx context.Context) (int, error) {
	conn, err := o.connect(ctx, "dead (count)")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	n, err := rabbit.CountDead(ctx, conn)
	return n, reach.Unreachable(err)
}

// untaken gives the error of a Take its exit code.
func untaken(err error) error {
	if errors.Is(err, rabbit.ErrTooManyLetters) {
		return err
	}
	return reach.Unreachable(err)
}

// eachLetter takes all letters, batch by batch, and hands them to use, which may remove some. Those that aren't stay out of the queue. It
// ends when use is done.
func (o *operator) eachLetter(ctx context.Context, d *rabbit.DeadLetters, size int, use func([]foundLetter) (done bool, err error)) error {
	for {
		taken, err := d.Take(ctx, size)
		if err != nil {
			return untaken(err)
		}
		found, err := o.know(ctx, taken)
		if err != nil {
			return err
		}
		if done, err := use(found); err != nil || done || len(taken) < size {
			return err
		}
	}
}

// readDead reads the letters that choose chooses but for their bodies, and leaves all of them where they are. Without Redis it goes by the letters
// alone, and says so.
func (o *operator) readDead(ctx context.Context, choose func(lanes.Record) bool) (chosen []foundLetter, err error) {
	d, end, err := o.openDead(ctx, "dead (read)")
	if err != nil {
		return nil, err
	}
	defer end()
	err = o.unawares(ctx, d, func(batch []foundLetter) error {
		for _, l := range batch {
			if choose(l.facts) {
				l.Body, l.Headers = nil, nil
				chosen = append(chosen, l)
			}
		}
		return nil
	})
	return chosen, err
}

// unawares is eachLetter for who only looks: when Redis is away, it goes by the letters alone.
func (o *operator) unawares(ctx context.Context, d *rabbit.DeadLetters, use func([]foundLetter) error) error {
	blind := false
	for {
		taken, err := d.Take(ctx, letterBatch)
		if err != nil {
			return untaken(err)
		}
		var found []foundLetter
		if !blind {
			found, err = o.know(ctx, taken)
			if blind = errors.Is(err, lanes.ErrAway); blind {
				o.warn("%v: this goes by the letters alone", err)
			} else if err != nil {
				return err
			}
		}
		if blind {
			found = nil
			for _, l := range taken {
				found = append(found, newFound(l, nil))
			}
		}
		if err := use(found); err != nil || len(taken) < letterBatch {
			return err
		}
	}
}

// queuedLetter is a dead letter in a list of siren.dead.
type queuedLetter struct {
	lanes.Record
	Now lanes.State `json:"now,omitempty"` // the state of the job by its record; absent when it has none
}

// deadInQueue lists the letters in siren.dead that a filter chooses, the latest first.
func (o *operator) deadInQueue(ctx context.Context, f *deadFilter) (any, *show.Table, error) {
	most, err := atMost(f.limit)
	if err != nil {
		return nil, nil, err
	}
	letters, err := o.readDead(ctx, f.chooser(time.Now()))
	slices.SortStableFunc(letters, func(x, y foundLetter) int { return y.facts.EndedAt.Compare(x.facts.EndedAt) })
	more := len(letters) - most
	letters = letters[:min(len(letters), most)]
	records := make([]lanes.Record, len(letters))
	states := make([]lanes.State, len(letters))
	list := make([]queuedLetter, len(letters))
	for i, l := range letters {
		records[i], list[i] = l.facts, queuedLetter{Record: l.facts}
		if l.record != nil {
			states[i], list[i].Now = l.record.State, l.record.State
		}
	}
	t := deadTable(records, states)
	if more > 0 {
		t.Warn("there are %d more; --limit says how many are listed", more)
	}
	return list, t, err
}
