package recording

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// means is how long the jobs of the window ran: of each lane and kind, and with "" for the kind of each lane.
type means struct {
	of      map[[2]string]mean
	service time.Duration // of a job of whose lane nothing is known
}

type mean struct {
	jobs int
	ran  time.Duration
}

// mostMeans bounds how many are told apart: whoever sends messages chooses their kinds.
const mostMeans = 10_000

// learn reads how long the completed jobs ran.
func (r *Recording) learn(ctx context.Context) (means, error) {
	m := means{of: map[[2]string]mean{}, service: r.Service}
	for record, err := range r.each(ctx, r.From) {
		if err != nil {
			return m, err
		}
		if took, sure := ran(record); sure && record.State == job.Completed {
			m.note([2]string{record.Lane, record.Kind}, took)
			m.note([2]string{record.Lane, ""}, took)
		}
	}
	return m, nil
}

func (m means) note(key [2]string, took time.Duration) {
	n, known := m.of[key]
	if !known && len(m.of) >= mostMeans {
		return
	}
	m.of[key] = mean{n.jobs + 1, n.ran + took}
}

// foresee returns how long a job will run: what its worker predicts of its run, else what others of its lane and kind
// took. A running one takes at least as long as it has run.
func (m means) foresee(r job.Record, now time.Time) time.Duration {
	took := m.service
	for _, key := range [][2]string{{r.Lane, r.Kind}, {r.Lane, ""}} {
		if n := m.of[key]; n.jobs > 0 {
			took = n.ran / time.Duration(n.jobs)
			break
		}
	}
	if p := r.Progress.Predicted.D(); p > 0 {
		took = p
	}
	if r.State == job.Running && !r.ClaimedAt.IsZero() {
		took = max(took, now.Sub(r.ClaimedAt))
	}
	return took
}
