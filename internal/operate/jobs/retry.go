package jobs

import (
	"context"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// vanishedFor is how long ago the lease of a running job has to have ended to doubt that it runs.
const vanishedFor = time.Minute

// Retryable is the states that a job can be retried in, but for that of a running one whose worker vanished.
var Retryable = []job.State{job.Dead, job.Retrying, job.Cancelled, job.Missing}

// retry puts jobs into a lane again.
type retry struct {
	*Work
	policy lanes.Policy
	dead   []job.Record // are taken from the dead letters in the end, all in one go
}

// Retry puts jobs that are dead, cancelled, missing or waiting for their next attempt into a lane, "" for their own, at
// once: they begin anew. A job that says running though its worker vanished a minute ago can be retried too: its
// message brings it again, unless it had ended while Redis was away; then a copy does, and finds the output. A dead one
// is taken from the dead letters: its message says best what it is.
func Retry(desk *operate.Desk, policy lanes.Policy, to string) *Work {
	r := &retry{policy: policy}
	r.Work = &Work{
		desk: desk, verb: "retry", to: to, chosen: []job.State{job.Dead, job.Missing, job.Retrying},
		takes: r.retryable, carry: r.again, finish: r.replay,
	}
	return r.Work
}

func (r *retry) retryable(j job.Record) error {
	switch {
	case slices.Contains(Retryable, j.State):
		return nil
	case j.State != job.Running:
		return operate.NotPossible.Errorf("job %s is %s; only a dead, retrying, cancelled or missing job can be "+
			"retried",
			j.ID, j.State)
	case r.desk.Now().Before(j.LeaseUntil.Add(vanishedFor)):
		return operate.NotPossible.Errorf("job %s is running on %s; only one whose worker vanished %s ago can be "+
			"retried%s",
			j.ID, j.Worker, lanes.Duration(vanishedFor), operate.Instead(j))
	default:
		return nil
	}
}

// again lets copies carry those that aren't dead.
func (r *retry) again(ctx context.Context, batch []job.Record) ([]Result, error) {
	var others []job.Record
	var stopping []string
	now := r.desk.Now()
	for _, j := range batch {
		if j.State == job.Dead {
			r.dead = append(r.dead, j)
			continue
		}
		if others = append(others, j); j.State == job.Cancelled && now.Before(j.LeaseUntil) {
			stopping = append(stopping, j.ID) // its worker may not have heard of it yet, and commit its output still
		}
	}
	left, err := AwaitStopped(ctx, r.desk, stopping)
	if err != nil {
		return nil, err
	}
	var committed []Result
	others = slices.DeleteFunc(others, func(j job.Record) bool {
		over := left[j.ID].State == job.Completed
		if over {
			committed = append(committed, Result{Job: j, Fate: Over, Err: Committed(j.ID)})
		}
		return over
	})
	results, err := r.copies(ctx, others, func(job job.Record) (operate.Copy, error) {
		c, err := copyOf(job, operate.LaneFor(r.policy, r.to, job.Lane), &r.policy, r.desk)
		c.Anew()
		return c, err
	})
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
	replay := dead.NewReplay(r.desk, r.policy, dead.Filter{}, ids)
	replay.To = r.to
	err := replay.Carry(ctx)
	results := make([]Result, 0, len(ids))
	for _, job := range r.dead {
		refused := replay.Refused[job.ID]
		switch {
		case replay.Carried(job.ID):
			results = append(results, Result{Job: job, Fate: Done, Lane: operate.LaneFor(r.policy, r.to, job.Lane)})
		case refused != nil:
			results = append(results, Result{Job: job, Fate: Refused, Err: refused})
		case err == nil:
			results = append(results, Result{Job: job, Fate: Changed, Err: left(job.ID)})
		}
	}
	r.hear(results)
	return err
}

// left returns the error of a dead job whose letter tells of something else than its record.
func left(id string) error {
	return operate.Conflict.Errorf("job %s was changed by somebody else meanwhile, and what they did counts; "+
		"`siren dead list --from-queue` has its letter", id)
}
