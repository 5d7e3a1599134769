package nodes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/wait"
)

// witness is what happens to a worker in a rolling restart.
type witness struct {
	mu     sync.Mutex
	starts []time.Time // of jobs
	moves  []move
}

// move is the end of a worker's session with a node, which was lost or left.
type move struct {
	at   time.Time
	from string // address
	lost bool   // by whoever ended it: there was no other one yet
}

func (w *witness) started(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts = append(w.starts, at)
}

// startedSince reports whether a job has begun since then.
func (w *witness) startedSince(t time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.starts, func(at time.Time) bool { return at.After(t) })
}

// watch returns what notes each end of a session over the connection.
func (w *witness) watch(conn *rabbitlink.Conn) func(context.Context) error {
	return func(ctx context.Context) error {
		var last *rabbitlink.Session
		for wait.Pause(ctx, 2*time.Millisecond) == nil {
			now := conn.Current()
			if last != nil && now != last {
				w.mu.Lock()
				w.moves = append(w.moves, move{time.Now(), last.Address(), now == nil})
				w.mu.Unlock()
			}
			last = now
		}
		return nil
	}
}

// gaps returns the times, in milliseconds, from those moves to the worker's next job.
func (w *witness) gaps(end time.Time, which func(move) bool) (all []float64) {
	for _, m := range w.moves {
		if m.at.After(end) || !which(m) {
			continue
		}
		next := end
		if i := slices.IndexFunc(w.starts, m.at.Before); i >= 0 {
			next = w.starts[i]
		}
		all = append(all, report.Millis(next.Sub(m.at)))
	}
	return all
}

// pauses returns the longest time that each worker began no job within a time.
func (r *roll) pauses(from, to time.Time) (all []float64) {
	for _, w := range r.workers {
		last, longest := from, time.Duration(0)
		for _, at := range append(slices.Clone(w.starts), to) {
			if at.Before(from) || at.After(to) {
				continue
			}
			longest = max(longest, at.Sub(last))
			last = at
		}
		all = append(all, report.Millis(longest))
	}
	return all
}

// in reports whether the session ended since the node was stopped.
func (r restart) in(m move) bool {
	return m.from == r.address && !m.at.Before(r.stopped) && m.at.Before(r.synced)
}

// gaps returns those of all workers.
func (r *roll) gaps(which func(move) bool) (all []float64) {
	for _, w := range r.workers {
		all = append(all, w.gaps(r.end, which)...)
	}
	return all
}

// jobs returns how many each worker began within a time.
func (r *roll) jobs(from, to time.Time) (all []float64) {
	for _, w := range r.workers {
		n := 0.0
		for _, at := range w.starts {
			if !at.Before(from) && at.Before(to) {
				n++
			}
		}
		all = append(all, n)
	}
	return all
}

// rollFigures returns the figures of all runs.
func rollFigures(all []*roll) (figures []report.Figure) {
	figure := func(name, unit string, aim *report.Aim, of func(*roll) float64) {
		f := report.Figure{Name: "rolling: " + name, Unit: unit, Aim: aim}
		for _, r := range all {
			f.Siren = append(f.Siren, of(r))
		}
		figures = append(figures, f)
	}
	gaps := func(name string, of func(*roll) []float64) {
		figure(name+", workers", "", nil, func(r *roll) float64 { return float64(len(of(r))) })
		figure(name+", next job after, median", "ms", nil, func(r *roll) float64 { return share(of(r), 50) })
		figure(name+", next job after, longest", "ms", &report.Aim{AtMost: 5000},
			func(r *roll) float64 { return share(of(r), 100) })
	}
	for i := range all[0].restarts {
		gaps(fmt.Sprintf("node %d lost", i+1), func(r *roll) []float64 { return r.gaps(r.restarts[i].in) })
	}
	at := func(r *roll, m move) bool {
		return slices.ContainsFunc(r.restarts, func(one restart) bool { return one.in(m) })
	}
	gaps("other node lost", func(r *roll) []float64 {
		return r.gaps(func(m move) bool { return m.lost && !at(r, m) })
	})
	gaps("gone home", func(r *roll) []float64 {
		return r.gaps(func(m move) bool { return !m.lost && !at(r, m) })
	})
	figure("longest pause of a worker", "ms", &report.Aim{AtMost: 5000},
		func(r *roll) float64 { return share(r.pauses(r.restarts[0].stopped, r.end), 100) })
	jobs := func(when string, of func(*roll) []float64) {
		for _, p := range []float64{0, 50, 100} {
			figure(fmt.Sprintf("jobs of a worker %s, p%.0f", when, p), "", nil,
				func(r *roll) float64 { return share(of(r), p) })
		}
		figure("most by fewest "+when, "", &report.Aim{AtMost: 1.3},
			func(r *roll) float64 { return share(of(r), 100) / max(share(of(r), 0), 1) })
	}
	jobs("during the restarts", func(r *roll) []float64 {
		return r.jobs(r.restarts[0].stopped, r.restarts[len(r.restarts)-1].synced)
	})
	jobs("afterwards", func(r *roll) []float64 { return r.jobs(r.restarts[len(r.restarts)-1].synced, r.end) })
	figure("jobs confirmed that never began", "", &report.Aim{}, func(r *roll) float64 { return r.lost })
	return figures
}

// share returns a percentile; 0 of nothing.
func share(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return report.Percentile(values, p)
}
