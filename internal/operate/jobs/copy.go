package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// Promote is putting queued jobs into another lane: a job that has started meanwhile is left alone.
func (d *Desk) Promote(policy lanes.Policy, to string) *Work {
	return &Work{
		Takes: func(r lanes.Record) error {
			if r.State != lanes.Queued {
				return fmt.Errorf("job %s is %s; only a queued job can be promoted%s", r.ID, r.State, dead.Instead(r))
			}
			return nil
		},
		carry: func(ctx context.Context, batch []lanes.Record) (results []Result, err error) {
			var there []Result
			var others []lanes.Record
			for _, r := range batch {
				if r.Lane == to {
					there = append(there, Result{Job: r, Fate: Already, Lane: to})
				} else {
					others = append(others, r)
				}
			}
			results, err = d.copies(ctx, policy, others, func(lanes.Record) string { return to })
			return append(there, results...), err
		},
	}
}

// copies puts fresh copies of jobs' messages into lanes, with the priorities that these allow and with confirm; then the ledger goes by those, and an older message of a job is skipped when it
// comes up. An error ends it in the middle: of which jobs that is known is in the results.
func (d *Desk) copies(ctx context.Context, policy lanes.Policy, batch []lanes.Record, lane func(lanes.Record) string) (results []Result, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	if err := d.connect(ctx); err != nil {
		return nil, err
	}
	now := d.Now()
	entries := make([]rabbit.Entry, len(batch))
	for i, r := range batch {
		job := r.Job()
		if job.ExpiresAt.Before(now) { // it is wanted all the same
			job.ExpiresAt = time.Time{}
		}
		to := lane(r)
		job.Priority = policy.Priority(to, job.Priority)
		entries[i] = rabbit.Entry{Lane: to, Job: job, EnqueuedAt: r.EnqueuedAt, Replay: r.Replay + 1, Priority: job.Priority}
	}
	var confirmed []lanes.Record
	var told []redis.Supersede
	var failed error
	for i, err := range d.publish.EnqueueBatch(ctx, entries) {
		r, e := batch[i], entries[i]
		switch {
		case err == nil:
			confirmed = append(confirmed, r)
			told = append(told, redis.Supersede{ID: r.ID, Lane: e.Lane, Priority: e.Priority, ReadyAt: now, Replay: e.Replay, From: []lanes.State{r.State}})
		case errors.Is(err, rabbit.ErrNotSent), errors.Is(err, rabbit.ErrUnconfirmed), errors.Is(err, rabbit.ErrUndeclared):
			if failed == nil {
				failed = err
			}
		default: // its record is no job
			results = append(results, Result{Job: r, Fate: Refused, Err: err})
		}
	}
	answers, err := d.Ledger.SupersedeAll(ctx, told)
	for i, a := range answers {
		results = append(results, carried(confirmed[i], told[i], a.Err))
	}
	if err != nil {
		err = fmt.Errorf("%d copies are in their lanes, but the ledger couldn't be told; whichever of a job's messages comes first counts: %w", len(told)-len(answers), err)
	}
	return results, errors.Join(failed, err)
}

// carried is what has become of a job whose copy is in its lane.
func carried(r lanes.Record, s redis.Supersede, err error) Result {
	var state *redis.StateError
	switch {
	case errors.As(err, &state) && (state.Replay != s.Replay || state.State == lanes.Cancelled):
		return Result{Job: r, Fate: Changed, Lane: s.Lane, Err: changed(r.ID, state.State)}
	case err == nil, state != nil, errors.Is(err, redis.ErrNotFound): // a worker may have the copy already; one without a record gets it by its first claim
		return Result{Job: r, Fate: Done, Lane: s.Lane}
	default:
		return Result{Job: r, Fate: Refused, Lane: s.Lane, Err: err}
	}
}

func changed(id string, now lanes.State) error {
	return exit.With(exit.Conflict, fmt.Errorf("job %s was changed by somebody else meanwhile: it is %s now, and what they did counts", id, now))
}

// connect opens the connection that copies are published on, unless it is there.
func (d *Desk) connect(ctx context.Context) (err error) {
	if d.conn == nil {
		if d.conn, err = d.Connect(ctx, "jobs"); err != nil {
			return err
		}
		d.publish = rabbit.NewPublisher(d.conn, 0)
	}
	return nil
}
