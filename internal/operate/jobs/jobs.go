// Package jobs is what there is to do about jobs by their records, one or fifty thousand of them: calling them off, and putting them into a lane by a
// fresh copy of their message.
//
// How a copy, the ledger and the original follow each other is docs/adr/0009's. Which jobs are meant, and what is asked and said, lives in the commands.
package jobs

import (
	"context"
	"iter"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

// batchSize is how many jobs are seen to at once: a publisher's window of unconfirmed copies.
const batchSize = 250

// Desk is where jobs are seen to.
type Desk struct {
	*dead.Box

	conn    *rabbit.Conn // nil until something is published
	publish *rabbit.Publisher
}

// Close ends the connection, where there is one.
func (d *Desk) Close() {
	if d.conn != nil {
		d.conn.Close()
	}
}

// Fate is what becomes of a job.
type Fate string

// What may become of it.
const (
	Done    Fate = "done"
	Already Fate = "already" // it was as it is to be
	Over    Fate = "over"    // it had come to its end: there was nothing to do
	Changed Fate = "changed" // somebody else changed it meanwhile, and what they did counts
	Refused Fate = "refused" // it can't be done to such a job
	Unknown Fate = "unknown" // it has no record
)

// Result is what has become of one job.
type Result struct {
	Job  lanes.Record // as it was before; with only an ID when it is Unknown
	Fate Fate
	Lane string // that it was put into
	Err  error  // why it isn't done, with its exit code
}

// Work is one thing to do about jobs, each of them once. Its jobs are seen to batch by batch.
type Work struct {
	Takes func(lanes.Record) error // why it can't be done to such a job; nil: it can
	Heard func([]Result)           // is told what has become of each; jobs that Takes nothing of are Refused

	carry  func(ctx context.Context, batch []lanes.Record) ([]Result, error)
	finish func(ctx context.Context) error // once all batches are carried out
}

// Run does it to all of the jobs. A record that has only an ID is that of an unknown job. What is begun when ctx ends is brought to its end, and all that
// was done has been Heard of, also beside an error: the same work goes on with the jobs that are left.
func (w *Work) Run(ctx context.Context, records iter.Seq2[lanes.Record, error]) error {
	var batch []lanes.Record
	for r, err := range records {
		if err != nil {
			return reach.Unreachable(err)
		}
		if batch = append(batch, r); len(batch) < batchSize {
			continue
		}
		if err := w.see(ctx, batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	if err := w.see(ctx, batch); err != nil || w.finish == nil {
		return err
	}
	return w.finish(ctx)
}

// see has a batch carried out.
func (w *Work) see(ctx context.Context, batch []lanes.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var taken []lanes.Record
	var results []Result
	for _, r := range batch {
		if r.State == "" {
			results = append(results, Result{Job: r, Fate: Unknown})
		} else if err := w.Takes(r); err != nil {
			results = append(results, Result{Job: r, Fate: Refused, Err: err})
		} else {
			taken = append(taken, r)
		}
	}
	var err error
	if len(taken) > 0 {
		var more []Result
		late, end := dead.Finishing(ctx)
		more, err = w.carry(late, taken)
		end()
		results = append(results, more...)
	}
	w.Heard(results)
	return reach.Unreachable(err)
}

// Named yields the records of these jobs, each once; of one that has none only its ID.
func (d *Desk) Named(ctx context.Context, ids []string) iter.Seq2[lanes.Record, error] {
	return func(yield func(lanes.Record, error) bool) {
		seen := map[string]bool{}
		for len(ids) > 0 {
			part := ids[:min(batchSize, len(ids))]
			ids = ids[len(part):]
			records, err := d.Ledger.GetAll(ctx, part)
			if err != nil {
				yield(lanes.Record{}, err)
				return
			}
			for _, id := range part {
				r, known := records[id]
				if !known {
					r.ID = id
				}
				if !seen[id] && !yield(r, nil) {
					return
				}
				seen[id] = true
			}
		}
	}
}
