// Package waiters is who waits for jobs to end while things break: people with siren enqueue --wait and siren jobs
// watch, and programs with the client. What each was told is for the checker to compare.
package waiters

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	// every is of how many jobs one is waited for, and mostCommands how many of those by commands at a time.
	every        = 6
	mostCommands = 6
)

// Waiters wait for some of the jobs.
type Waiters struct {
	site   *site.Site
	client *client.Client
	ctx    context.Context // ends with those who still wait
	stop   func()

	all      sync.WaitGroup
	mu       sync.Mutex
	turn     turn
	commands int // that wait just now
	waits    []*history.Wait
}

// New makes those of a site. They wait until Close.
func New(ctx context.Context, s *site.Site) (*Waiters, error) {
	c, err := client.New(client.Options{
		AMQPURL: s.AMQPURL(), RedisURL: s.RedisURL(), Name: "faults-waits", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	w := &Waiters{site: s, client: c}
	w.ctx, w.stop = context.WithCancel(ctx)
	return w, nil
}

// Told hears of a confirmed job, and has somebody wait for it if it is its turn.
func (w *Waiters) Told(j history.Spec) {
	w.mu.Lock()
	defer w.mu.Unlock()
	how := w.turn.of(j)
	if how == nil || how.command && w.commands >= mostCommands || w.ctx.Err() != nil {
		return
	}
	it := &history.Wait{At: time.Now(), How: how.name, Job: j.Job.ID}
	w.waits = append(w.waits, it)
	if how.command {
		w.commands++
	}
	w.all.Go(func() {
		a := how.wait(w, j)
		w.mu.Lock()
		defer w.mu.Unlock()
		if how.command {
			w.commands--
		}
		it.Wrong = a.wrong
		if w.ctx.Err() == nil {
			it.Over, it.End, it.Gave, it.Said = time.Now(), a.end, a.gave, a.said
		}
	})
}

const (
	// returnsWithin is how long after the fleet is at rest somebody may wait, and vanishesWithin the same where a
	// record says that the job runs. doubtFor is how long workers may take to tell Redis again what it has lost.
	returnsWithin  = time.Minute
	vanishesWithin = 130 * time.Second
	doubtFor       = 10 * time.Second
)

// Await returns when nobody waits any more, or it is known that they would wait for too long.
func (w *Waiters) Await(ctx context.Context) error {
	for began := time.Now(); ; {
		states, err := w.states(ctx)
		if err != nil {
			return err
		}
		if !worthwhile(states, time.Since(began)) {
			return nil
		}
		if err := wait.Pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// worthwhile reports whether, so long after the fleet came to rest, somebody may still be told the end of a job: by the
// states in the records of those that are waited for. Nothing brings on one that says queued or retrying.
func worthwhile(states []job.State, after time.Duration) bool {
	for _, s := range states {
		switch {
		case s == job.Running && after < vanishesWithin, s.Final() && after < returnsWithin,
			s == "" && after < returnsWithin, after < doubtFor:
			return true
		}
	}
	return false
}

// states returns what the records of the jobs say that are waited for; "" without one.
func (w *Waiters) states(ctx context.Context) (states []job.State, err error) {
	w.mu.Lock()
	var ids []string
	for _, it := range w.waits {
		if it.Over.IsZero() {
			ids = append(ids, it.Job)
		}
	}
	w.mu.Unlock()
	for _, id := range ids {
		r, err := w.client.Get(ctx, id)
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return nil, err
		}
		states = append(states, r.State)
	}
	return states, nil
}

// Close ends all that still wait, and returns what became of each.
func (w *Waiters) Close() (all []history.Wait) {
	w.stop()
	w.all.Wait()
	_ = w.client.Close()
	for _, it := range w.waits {
		all = append(all, *it)
	}
	return all
}
