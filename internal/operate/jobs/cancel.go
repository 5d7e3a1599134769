package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
)

const (
	// endedWithin is how long a running job's programs are waited for: a second until its worker hears of it, and one
	// that the programs have to let go.
	endedWithin = 5 * time.Second
	lookEvery   = 100 * time.Millisecond
)

// Cancellable is the states that a job can be called off in.
var Cancellable = []job.State{job.Queued, job.Running, job.Retrying, job.Missing}

// Cancel calls jobs off, in whatever state they are that isn't an end; with state, only those that are still in that
// one.
func Cancel(desk *operate.Desk, state job.State) *Work {
	var from []job.State
	if state != "" {
		from = []job.State{state}
	}
	return &Work{
		desk: desk, verb: "cancel", to: string(job.Cancelled),
		takes: func(job.Record) error { return nil },
		carry: func(ctx context.Context, batch []job.Record) ([]Result, error) {
			ids := make([]string, len(batch))
			for i, r := range batch {
				ids[i] = r.ID
			}
			answers, err := desk.Ledger.CancelAll(ctx, ids, from...)
			results := make([]Result, len(answers))
			for i, a := range answers {
				results[i] = called(batch[i], a)
			}
			return results, err
		},
	}
}

// called says what has become of a job that was to be called off. In the result it is in the state that it was in at
// that moment.
func called(r job.Record, a jobledger.Overridden) Result {
	var state *jobledger.StateError
	switch {
	case a.Err == nil:
		r.State = a.Before
		return Result{Job: r, Fate: Done}
	case errors.Is(a.Err, redislink.ErrNotFound):
		return Result{Job: r, Fate: Unknown, Err: operate.NoJob(r.ID)}
	case !errors.As(a.Err, &state):
		return Result{Job: r, Fate: Refused, Err: a.Err}
	}
	r.State = state.State
	switch {
	case r.State == job.Cancelled:
		return Result{Job: r, Fate: Already}
	case r.State.Final():
		err := operate.NotPossible.Errorf("job %s is %s: there is nothing to cancel", r.ID, r.State)
		return Result{Job: r, Fate: Over, Err: err}
	default:
		return Result{Job: r, Fate: Changed, Err: operate.Changed(r.ID, r.State)}
	}
}

// AwaitStopped waits until the workers of cancelled jobs say that their programs have ended, for five seconds at most.
// It returns the records of those of which that isn't known: one is completed that had committed its output already,
// the others say which worker is silent.
func AwaitStopped(ctx context.Context, desk *operate.Desk, ids []string) (left map[string]job.Record, err error) {
	left = map[string]job.Record{}
	for end := time.Now().Add(endedWithin); len(ids) > 0; { //nolint:forbidigo // a wait of this process's own
		records, err := desk.Ledger.GetAll(ctx, ids)
		if err != nil {
			return left, err
		}
		ids = nil
		for id, r := range records {
			delete(left, id)
			if r.State == job.Completed {
				left[id] = r
			} else if !r.LeaseUntil.IsZero() {
				left[id], ids = r, append(ids, id)
			}
		}
		if len(ids) == 0 || time.Now().After(end) { //nolint:forbidigo // a wait of this process's own
			break
		}
		select {
		case <-ctx.Done():
			return left, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
	return left, nil
}

// Committed returns the error that a job which was called off had come to its end before.
func Committed(id string) error {
	return operate.NotPossible.Errorf("job %s had committed its output already: it is completed", id)
}
