package recording

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// means is how long the jobs of the window ran: of each lane and kind, and with "" for the kind of each lane. Running
// ones count as well when they have run, or are predicted to run, for longer than the others did: by the ended ones
// alone long jobs would look short, which end last.
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

// learn reads how long the completed jobs ran, and the running ones until now.
func (r *Recording) learn(ctx context.Context, now time.Time) (means, error) {
	m := means{of: map[[2]string]mean{}, service: r.Service}
	var running []job.Record
	for record, err := range r.each(ctx, r.From) {
		if err != nil {
			return m, err
		}
		switch took, sure := ran(record); {
		case sure && record.State == job.Completed:
			m.note([2]string{record.Lane, record.Kind}, took)
			m.note([2]string{record.Lane, ""}, took)
		case record.State == job.Running && len(running) < mostMeans:
			running = append(running, record)
		}
	}
	m.add(running, now)
	return m, nil
}

// add counts the running jobs that take longer, by their age or what is predicted of them, than the completed ones did.
func (m means) add(running []job.Record, now time.Time) {
	type run struct {
		key  [2]string
		took time.Duration
	}
	var longer []run
	for _, r := range running {
		took := max(r.Progress.Predicted.D(), age(r, now))
		for _, key := range [][2]string{{r.Lane, r.Kind}, {r.Lane, ""}} {
			if took > m.usual(key[0], key[1]) {
				longer = append(longer, run{key, took})
			}
		}
	}
	for _, l := range longer {
		m.note(l.key, l.took)
	}
}

func (m means) note(key [2]string, took time.Duration) {
	n, known := m.of[key]
	if !known && len(m.of) >= mostMeans {
		return
	}
	m.of[key] = mean{n.jobs + 1, n.ran + took}
}

// usual returns how long jobs of a lane and kind take: else those of the lane.
func (m means) usual(lane, kind string) time.Duration {
	for _, key := range [][2]string{{lane, kind}, {lane, ""}} {
		if n := m.of[key]; n.jobs > 0 {
			return n.ran / time.Duration(n.jobs)
		}
	}
	return m.service
}

// foresee returns how long a job will run: what its worker predicts of its run, else what others of its lane and kind
// took. A running one takes at least as long as it has run.
func (m means) foresee(r job.Record, now time.Time) time.Duration {
	took := r.Progress.Predicted.D()
	if took <= 0 {
		took = m.usual(r.Lane, r.Kind)
	}
	return max(took, age(r, now))
}

// age returns how long a job has been running; 0 of one that doesn't.
func age(r job.Record, now time.Time) time.Duration {
	if r.State != job.Running || r.ClaimedAt.IsZero() {
		return 0
	}
	return now.Sub(r.ClaimedAt)
}
