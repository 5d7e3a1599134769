// Package jobs is what people do about jobs by their records, one or fifty thousand of them: calling them off, and
// putting them into a lane by a fresh copy of their message.
//
// How a copy, the ledger and the original follow each other lives in operate. Which jobs are meant, and what is asked
// and said, is up to the caller.
package jobs

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/job"
)

// batchSize is how many jobs are seen to at once: a publisher's window of unconfirmed copies.
const batchSize = 250

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
	Job  job.Record // as it was before; with only an ID when it is Unknown
	Fate Fate
	Lane string // that it was put into
	Err  error  // why it isn't done
}

// Work is one thing to do about jobs, each of them once: Cancel, Move or Retry. Its jobs are seen to batch by batch,
// and the audit log gets one entry.
type Work struct {
	Filter string         // by which the jobs were chosen, in words; "": they were named
	Reason string         // why, for the audit log
	Heard  func([]Result) // is told what has become of each

	Done audit.Entry // how many it was done to, and which

	desk         *operate.Desk
	verb, to     string // to: the lane or state that they come into; "" their own lane
	chosen       []job.State
	before, into string                 // the state or lane of the last one it was done to, and where that is now
	takes        func(job.Record) error // why it can't be done to such a job; nil: it can
	carry        func(ctx context.Context, batch []job.Record) ([]Result, error)
	finish       func(ctx context.Context) error // once all batches are carried out

	conn    *rabbitlink.Conn // nil until something is published
	publish *confirms.Publisher
}

// Takes returns the error that it can't be done to such a job.
func (w *Work) Takes(r job.Record) error { return w.takes(r) }

// Narrow narrows a filter to the jobs that the work is for, and that were there by now; the oldest come first. Without
// a state in the filter those are chosen that the work is for without being asked.
func (w *Work) Narrow(q jobrecord.Filter, now time.Time) jobrecord.Filter {
	match, any := q.Match, q.State != ""
	q.Match = func(r job.Record) bool {
		fits := any || slices.Contains(w.chosen, r.State) || w.chosen == nil && !r.State.Final()
		return fits && (match == nil || match(r)) && w.takes(r) == nil && (w.verb != "move" || r.Lane != w.to)
	}
	if q.Until.IsZero() {
		q.Until = now.Add(time.Second) // producers' clocks aren't exact to the millisecond
	}
	q.OldestFirst = true
	return q
}

// Run does it to all of the jobs. A record that has only an ID is that of an unknown job. What is begun when ctx ends
// is brought to its end, and all that was done has been Heard of and noted, also beside an error: the same work goes on
// with the jobs that are left.
func (w *Work) Run(ctx context.Context, records iter.Seq2[job.Record, error]) error {
	if err := w.desk.MayNote(ctx); err != nil {
		return err
	}
	defer func() {
		w.note(ctx)
		if w.conn != nil {
			w.conn.Close()
		}
	}()
	var batch []job.Record
	for r, err := range records {
		if err != nil {
			return err
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

// see carries out a batch.
func (w *Work) see(ctx context.Context, batch []job.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var taken []job.Record
	var results []Result
	for _, r := range batch {
		if r.State == "" {
			results = append(results, Result{Job: r, Fate: Unknown, Err: operate.NoJob(r.ID)})
		} else if err := w.takes(r); err != nil {
			results = append(results, Result{Job: r, Fate: Refused, Err: err})
		} else {
			taken = append(taken, r)
		}
	}
	var err error
	if len(taken) > 0 {
		var more []Result
		late, end := operate.Finishing(ctx)
		more, err = w.carry(late, taken)
		end()
		results = append(results, more...)
	}
	w.hear(results)
	return err
}

// hear notes what has become of jobs, and tells of it, if there are any.
func (w *Work) hear(results []Result) {
	if len(results) == 0 {
		return
	}
	for _, r := range results {
		if r.Fate != Done {
			continue
		}
		w.Done.Did(r.Job.ID)
		w.before, w.into = string(r.Job.State), cmp.Or(r.Lane, w.to)
		if w.verb == "move" {
			w.before = r.Job.Lane
		}
	}
	w.Heard(results)
}

// note makes the entry in the audit log: one, however many jobs it was done to.
func (w *Work) note(ctx context.Context) {
	e := w.Done
	e.Verb, e.After, e.Reason = w.verb, w.to, w.Reason
	switch {
	case e.Jobs == 0:
		return
	case w.Filter == "" && e.Jobs == 1:
		e.On, e.Before, e.After, e.Jobs, e.Sample = "job "+e.Sample[0], w.before, w.into, 0, nil
	case w.Filter == "":
		e.On = "jobs"
	default:
		e.On = "jobs: " + w.Filter
	}
	w.desk.Note(ctx, e)
}

// Named yields the records of these jobs, each once; of one that has none only its ID.
func Named(ctx context.Context, desk *operate.Desk, ids []string) iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		seen := map[string]bool{}
		for len(ids) > 0 {
			part := ids[:min(batchSize, len(ids))]
			ids = ids[len(part):]
			records, err := desk.Ledger.GetAll(ctx, part)
			if err != nil {
				yield(job.Record{}, err)
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
