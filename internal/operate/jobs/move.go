package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// Movable is the states that a job can be moved in.
var Movable = []job.State{job.Queued}

// Move puts queued jobs into another lane: a job that has started meanwhile is left alone. An attempt that they were
// on their way to goes on there.
func Move(desk *operate.Desk, policy lanes.Policy, to string) *Work {
	w := &Work{desk: desk, verb: "move", to: to, chosen: Movable}
	w.takes = func(r job.Record) error {
		if r.State != job.Queued {
			return operate.NotPossible.Errorf("job %s is %s; only a queued job can be moved%s",
				r.ID, r.State, operate.Instead(r))
		}
		return nil
	}
	w.carry = func(ctx context.Context, batch []job.Record) (results []Result, err error) {
		var there []Result
		var others []job.Record
		for _, r := range batch {
			if r.Lane == to {
				there = append(there, Result{Job: r, Fate: Already, Lane: to})
			} else {
				others = append(others, r)
			}
		}
		results, err = w.copies(ctx, others, func(r job.Record) (operate.Copy, error) {
			return copyOf(r, to, &policy, desk)
		})
		return append(there, results...), err
	}
	return w
}

// copyOf copies the message of a job for a lane, by its record. The job is wanted, also where it was to have started by
// now.
func copyOf(r job.Record, lane string, p *lanes.Policy, desk *operate.Desk) (operate.Copy, error) {
	message, err := operate.FromRecord(r)
	if err != nil {
		return operate.Copy{}, err
	}
	c := operate.CopyOf(message, lane, p)
	c.From = []job.State{r.State}
	return c, c.Revive(nil, desk.Now())
}

// copies makes copies and has them carry the jobs: an older message of a job is skipped when it comes up. An error ends
// it in the middle: of which jobs that is known is in the results.
func (w *Work) copies(
	ctx context.Context, batch []job.Record, of func(job.Record) (operate.Copy, error),
) (results []Result, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	var jobs []job.Record
	var copies []operate.Copy
	for _, r := range batch {
		c, err := of(r)
		if err != nil { // its record is no job
			results = append(results, Result{Job: r, Fate: Refused, Err: err})
			continue
		}
		jobs, copies = append(jobs, r), append(copies, c)
	}
	carried, err := w.desk.Carrier(w.publish).Carry(ctx, copies)
	var failed, untold error
	copied := 0
	for i, c := range carried {
		r := Result{Job: jobs[i], Lane: copies[i].Lane, Err: c.Err}
		switch {
		case c.Err == nil:
			r.Fate = Done
		case errors.Is(c.Err, operate.Conflict):
			r.Fate = Changed
		case errors.Is(c.Err, operate.NotPossible):
			r.Fate = Refused
		case c.Sent:
			copied, untold = copied+1, c.Err
			continue
		default:
			if failed == nil {
				failed = c.Err
			}
			continue
		}
		results = append(results, r)
	}
	if copied > 0 {
		are := say.Verb(copied, "copy is in its lane", "copies are in their lanes")
		untold = fmt.Errorf("%d %s, but %w", copied, are, untold)
	}
	return results, errors.Join(failed, untold, err)
}

// connect opens the connection that copies are published on, unless it is there.
func (w *Work) connect(ctx context.Context) (err error) {
	if w.conn == nil {
		if w.conn, err = w.desk.Connect(ctx, "jobs"); err != nil {
			return err
		}
		w.publish = confirms.NewPublisher(w.conn, 0)
	}
	return nil
}
