// Package mark keeps the mark on a worker's pod that says whether it runs a job. It decides when to write it; what
// writes it, and what the mark is, it doesn't know.
package mark

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// linger is how long the mark stays on after the last job, for the next one: so jobs that follow one another cost
	// no writes, and no worker writes more often than twice in this time. With the write it is off within two seconds.
	linger = 1500 * time.Millisecond
	// patience is how long a job waits for its mark, at most. It runs all the same.
	patience = time.Second

	writeTime  = 2 * time.Second // bounds one write
	firstAgain = time.Second     // until a write that failed is repeated; twice as long each time
	lastAgain  = 10 * time.Second
)

// Mark is on while jobs run. Its methods are safe for concurrent use; a nil Mark does nothing.
type Mark struct {
	write   func(ctx context.Context, busy bool) error
	written func(error) // told of every write; nil: nobody
	log     *slog.Logger
	wake    chan struct{} // has a token when there may be something to do

	mu      sync.Mutex
	jobs    int           // that run now
	since   time.Time     // since when none does
	known   bool          // whether on is what the pod says
	on      bool          // as last written
	failing bool          // whether the last write failed
	tried   chan struct{} // closed when the next write has ended
}

// New makes a Mark that nobody has written yet. A container that was started again may find what its predecessor wrote:
// so the first write comes as soon as Run runs.
func New(write func(ctx context.Context, busy bool) error, written func(error), log *slog.Logger) *Mark {
	if written == nil {
		written = func(error) {}
	}
	return &Mark{
		write: write, written: written, log: log, wake: make(chan struct{}, 1), tried: make(chan struct{}),
	}
}

// Hold keeps the mark on until release is called. It returns when the mark is on, when it can't be written now, when
// ctx ends, or after patience.
func (m *Mark) Hold(ctx context.Context) (release func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	m.jobs++
	m.mu.Unlock()
	m.look()
	m.await(ctx)
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.jobs--; m.jobs == 0 {
			m.since = time.Now()
			m.look()
		}
	})
}

// await waits for the mark to be on, or for a reason not to.
func (m *Mark) await(ctx context.Context) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		m.mu.Lock()
		over, tried := m.failing || m.known && m.on, m.tried
		m.mu.Unlock()
		if over {
			return
		}
		select {
		case <-tried:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Run writes the mark, until ctx ends. What it says then stays: the pod is about to go, or a successor writes it.
func (m *Mark) Run(ctx context.Context) {
	again := firstAgain
	for {
		busy, wait, todo := m.next()
		wake := m.wake
		if todo && wait <= 0 {
			if m.put(ctx, busy) {
				again = firstAgain
				continue
			}
			wait = time.Duration((0.75 + 0.5*rand.Float64()) * float64(again)) // the whole fleet may have lost its API
			again, wake = min(2*again, lastAgain), nil
		}
		var due <-chan time.Time // nil: nothing is to be written
		if todo {
			due = time.After(wait)
		}
		select {
		case <-due:
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// next returns what the mark has to say and how long that has time; todo is false when it says so already.
func (m *Mark) next() (busy bool, wait time.Duration, todo bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	busy = m.jobs > 0
	if m.known && m.on == busy {
		return busy, 0, false
	}
	if !busy && !m.since.IsZero() {
		wait = time.Until(m.since.Add(linger))
	}
	return busy, wait, true
}

// put writes the mark once, and reports whether that succeeded.
func (m *Mark) put(ctx context.Context, busy bool) bool {
	m.mu.Lock()
	m.known = false // until the answer is there
	m.mu.Unlock()
	bounded, cancel := context.WithTimeout(ctx, writeTime)
	err := m.write(bounded, busy)
	cancel()
	if ctx.Err() != nil {
		return false
	}
	m.written(err)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said(err)
	m.known, m.on, m.failing = err == nil, busy, err != nil
	close(m.tried)
	m.tried = make(chan struct{})
	return err == nil
}

// said logs that writing begins to fail, and that it is over. The caller holds mu.
func (m *Mark) said(err error) {
	switch {
	case err != nil && !m.failing:
		m.log.Warn("the pod can't be marked: jobs run all the same, but whoever takes nodes away doesn't know of them",
			"error", err)
	case err == nil && m.failing:
		m.log.Info("the pod is marked again while jobs run")
	}
}

// look wakes Run up.
func (m *Mark) look() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}
