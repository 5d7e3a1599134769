package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	// drainTime is how long the fleet may take for what is left once the faults are over.
	drainTime = 4 * time.Minute
	// restFor is how long all queues must have been empty: the broker refreshes what it says of unsettled messages
	// every 5 s.
	restFor = 7 * time.Second
	// giveUp is after how long with empty queues a job that has no end yet won't get one any more.
	giveUp = 30 * time.Second
)

// drain waits until the fleet is at rest: every job is confirmed and has an end, and nothing is on its way in any
// queue. It is false when that takes too long. Jobs that are lost are the checker's to find.
func (s *site) drain(ctx context.Context, produced <-chan struct{}, jobs []*history.Attempts) bool {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	select {
	case <-produced:
	case <-ctx.Done():
		return false
	}
	empty := time.Now()
	for wait.Pause(ctx, time.Second) == nil {
		queues, err := s.ready(s.queues)
		if err != nil || len(waiting(queues)) > 0 {
			empty = time.Now()
			continue
		}
		calm := time.Since(empty)
		if calm < restFor || calm < giveUp && !s.ended(jobs, queues[deadQueue]) {
			continue
		}
		if n, err := s.unsettled(ctx); err == nil && n == 0 {
			return true
		}
	}
	return false
}

// ended reports whether there seems to be an end of each job: an output for every name, and enough dead letters.
func (s *site) ended(jobs []*history.Attempts, letters int) bool {
	names, mustDie := map[string]bool{}, 0
	for _, j := range jobs {
		name := j.OutputName()
		if j.Confirms == 0 {
			continue
		}
		if j.Fate == history.BadInput || j.Fate == history.Poisonous || names[name] {
			mustDie++
			continue
		}
		names[name] = true
		if _, err := os.Stat(filepath.Join(s.out(), name)); err == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(s.bucket.dir, name)); err != nil {
			return false
		}
	}
	return letters >= mustDie
}
