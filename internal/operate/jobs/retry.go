package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/lanes"
)

// vanishedFor is how long ago the lease of a running job has to have ended to doubt that it runs.
const vanishedFor = time.Minute

// Retryable is the states that a job can be retried in, but for that of a running one whose worker vanished.
var Retryable = []lanes.State{lanes.Dead, lanes.Retrying, lanes.Cancelled, lanes.Missing}

// retry puts jobs into a lane again.
type retry struct {
	*Desk
	work   *Work
	policy lanes.Policy
	to     string
	dead   []lanes.Record // are taken from the dead letters in the end, all in one go
}

// Retry is putting jobs that are dead, cancelled, missing or waiting for their next attempt into a lane, "" for their own, at once. A job that says running though
// its worker vanished a minute ago can be retried too: its message brings it again, unless it had ended while Redis was away; then a copy does, and finds
// the output. A dead one is taken from the dead letters: its message says best what it is.
func (d *Desk) Retry(policy lanes.Policy, to string) *Work {
	r := &retry{Desk: d, policy: policy, to: to}
	r.work = &Work{Takes: r.takes, carry: r.carry, finish: r.replay}
	return r.work
}

func (r *retry) takes(job lanes.Record) error {
	switch {
	case slices.Contains(Retryable, job.State):
		return nil
	case job.State != lanes.Running:
		return fmt.Errorf("job %s is %s; only a dead, retrying, cancelled or missing job can be retried", job.ID, job.State)
	case r.Now().Before(job.LeaseUntil.Add(vanishedFor)):
		return fmt.Errorf("job %s is running on %s; only one whose worker vanished %s ago can be retried%s", job.ID, job.Worker, lanes.Duration(vanishedFor), dead.Instead(job))
	default:
		return nil
	}
}

func (r *retry) carry(ctx context.Context, batch []lanes.Record) ([]Result, error) {
	var others []lanes.Record
	var stopping []string
	now := r.Now()
	for _, job := range batch {
		if job.State == lanes.Dead {
			r.dead = append(r.dead, job)
			continue
		}
		if others = append(others, job); job.State == lanes.Cancelled && now.Before(job.LeaseUntil) {
			stopping = append(stopping, job.ID) // its worker may not have heard of it yet, and commit its output still
		}
	}
	left, err := r.AwaitStopped(ctx, stopping)
	if err != nil {
		return nil, err
	}
	var committed []Result
	others = slices.DeleteFunc(others, func(job lanes.Record) bool {
		over := left[job.ID].State == lanes.Completed
		if over {
			committed = append(committed, Result{Job: job, Fate: Over, Err: fmt.Errorf("job %s had committed its output already: it is completed", job.ID)})
		}
		return over
	})
	results, err := r.copies(ctx, r.policy, others, func(job lanes.Record) string { return dead.LaneFor(r.policy, r.to, job.Lane) })
	return append(committed, results...), err
}

// replay takes the dead ones from the dead letters.
func (r *retry) replay(ctx context.Context) error {
	if len(r.dead) == 0 {
		return nil
	}
	ids := make([]string, len(r.dead))
	for i, job := range r.dead {
		ids[i] = job.ID
	}
	replay := r.Replay(r.policy, dead.Filter{}, ids)
	replay.To = r.to
	err := replay.Run(ctx)
	results := make([]Result, 0, len(ids))
	for _, job := range r.dead {
		refused := replay.Refused[job.ID]
		switch {
		case replay.Carried(job.ID):
			results = append(results, Result{Job: job, Fate: Done, Lane: dead.LaneFor(r.policy, r.to, job.Lane)})
		case refused != nil:
			results = append(results, Result{Job: job, Fate: Refused, Err: refused})
		case err == nil:
			results = append(results, Result{Job: job, Fate: Changed, Err: left(job.ID)})
		}
	}
	r.work.Heard(results)
	return err
}

// left is the error of a dead job whose letter tells of something else than its record.
func left(id string) error {
	return exit.With(exit.Conflict, fmt.Errorf("job %s was changed by somebody else meanwhile, and what they did counts; `siren dead list --from-queue` has its letter", id))
}
