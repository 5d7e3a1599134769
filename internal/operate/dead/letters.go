// Package dead is what people do about dead letters: reading and choosing them, replaying their jobs, throwing them
// away. It puts the letters in siren.dead and the ledger's records of their jobs together.
//
// How a job dies lives in worker, the messages themselves in internal/rabbit, how a copy carries a job on in operate;
// what is asked and said of all this is up to the caller.
package dead

import (
	"context"
	"errors"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// letterBatch is how many letters are taken in one go where nothing slows them down.
const letterBatch = 100

// Letter is a dead letter, and what the ledger knows of its job.
type Letter struct {
	wire.DeadLetter
	Record   *job.Record // nil without one
	Facts    job.Record  // the job as it died: by its record where that is about this death, else by the letter
	Standing Standing
}

// Standing is how a letter stands to its job's record.
type Standing string

// How a letter may stand.
const (
	Current    Standing = "current"    // its job is dead, and this is its letter; or there is no record at all
	Stale      Standing = "stale"      // its job is dead by a newer copy, which has a letter of its own
	Superseded Standing = "superseded" // a newer copy carries the job on, or has brought it to its end
	// its job isn't dead, and no newer copy was made: enqueued again since Redis lost its data.
	Elsewhere Standing = "elsewhere"
)

// standingOf compares the numbers of a letter and of its job's record.
func standingOf(l wire.DeadLetter, r *job.Record) Standing {
	switch {
	case r == nil, r.State == job.Dead && r.Copy <= l.Copy:
		return Current
	case r.State == job.Dead:
		return Stale
	case r.Copy > l.Copy:
		return Superseded
	default:
		return Elsewhere
	}
}

// newLetter puts a letter and its job's record together.
func newLetter(l wire.DeadLetter, r *job.Record) Letter {
	f := Letter{DeadLetter: l, Record: r, Standing: standingOf(l, r)}
	if r != nil && r.State == job.Dead {
		f.Facts = *r
		return f
	}
	f.Facts = job.Record{
		ID: l.ID, State: job.Dead, Lane: l.Lane, Kind: l.Job.Kind, Preset: l.Job.Preset, Labels: l.Job.Labels,
		Input: l.Job.Input, Output: l.Job.Output, Params: l.Job.Params, Expanded: l.Job.Expanded,
		Overwrite: l.Job.Overwrite, Priority: l.Job.Priority, ExpiresAt: l.Job.ExpiresAt,
		DedupKey: l.Job.DedupKey, EnqueuedAt: l.EnqueuedAt, ReadyAt: l.ReadyAt, EndedAt: l.DeadAt, Attempts: l.Attempt,
		Copy:   l.Copy,
		Reason: l.Reason, Error: l.Error,
	}
	f.Facts.Bound()
	return f
}

// Open begins to go through siren.dead. What isn't removed goes back with the returned function.
func Open(ctx context.Context, desk *operate.Desk, name string) (*rabbit.DeadLetters, func(), error) {
	conn, err := desk.Connect(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	d, err := rabbit.OpenDead(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return d, func() {
		d.Close()
		conn.Close()
	}, nil
}

// Count returns how many letters are in siren.dead.
func Count(ctx context.Context, desk *operate.Desk) (int, error) {
	conn, err := desk.Connect(ctx, "dead (count)")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	n, err := rabbit.CountDead(ctx, conn)
	return n, err
}

// each takes all letters, batch by batch, puts them and the records of their jobs together, and hands them to use,
// which may remove some. Those that aren't stay out of the queue. It ends when use is done.
func each(
	ctx context.Context, d *rabbit.DeadLetters, size int,
	records func(ctx context.Context, ids []string) (map[string]job.Record, error),
	use func([]Letter) (done bool, err error),
) error {
	for {
		taken, err := d.Take(ctx, size)
		if err != nil {
			return err
		}
		ids := make([]string, 0, len(taken))
		for _, l := range taken {
			if l.ID != "" {
				ids = append(ids, l.ID)
			}
		}
		known, err := records(ctx, ids)
		if err != nil {
			return err
		}
		found := make([]Letter, len(taken))
		for i, l := range taken {
			if r, ok := known[l.ID]; ok {
				found[i] = newLetter(l, &r)
			} else {
				found[i] = newLetter(l, nil)
			}
		}
		if done, err := use(found); err != nil || done || len(taken) < size {
			return err
		}
	}
}

// Look hands all letters to use, batch by batch, and removes none of them. When Redis is away, it goes by the letters
// alone, and says so.
func Look(ctx context.Context, desk *operate.Desk, d *rabbit.DeadLetters, use func([]Letter) error) error {
	blind := false
	records := func(ctx context.Context, ids []string) (map[string]job.Record, error) {
		if blind {
			return nil, nil
		}
		known, err := desk.Ledger.GetAll(ctx, ids)
		if blind = errors.Is(err, lanes.ErrAway); blind {
			desk.Warn("%v: this goes by the letters alone", err)
			return nil, nil
		}
		return known, err
	}
	return each(ctx, d, letterBatch, records, func(batch []Letter) (bool, error) { return false, use(batch) })
}

// Read reads the letters that choose chooses but for their bodies, and leaves all of them where they are. Without Redis
// it goes by the letters alone, and says so.
func Read(ctx context.Context, desk *operate.Desk, choose func(job.Record) bool) (chosen []Letter, err error) {
	d, end, err := Open(ctx, desk, "dead (read)")
	if err != nil {
		return nil, err
	}
	defer end()
	err = Look(ctx, desk, d, func(batch []Letter) error {
		for _, l := range batch {
			if choose(l.Facts) {
				l.Body, l.Headers = nil, nil
				chosen = append(chosen, l)
			}
		}
		return nil
	})
	return chosen, err
}
