package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
)

const (
	// drainTime is how long the fleet may take for what is left once the faults are over.
	drainTime = 4 * time.Minute
	// giveUp is after how long with empty queues a job that has no end yet won't get one any more.
	giveUp = 30 * time.Second
)

// awaitEnds waits until the fleet is at rest: every job is confirmed and has an end, and nothing is on its way in any
// queue. The error says why not, when that takes too long. Jobs that are lost are the checker's to find.
func awaitEnds(ctx context.Context, s *site.Site, produced <-chan struct{}, jobs []*history.Attempts) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	select {
	case <-produced:
	case <-ctx.Done():
		return errors.New("jobs aren't confirmed yet")
	}
	return s.Rest(ctx, "", func(calm time.Duration, dead int) bool { return calm >= giveUp || ended(s, jobs, dead) })
}

// ended reports whether there seems to be an end of each job: an output for every name, and enough dead letters.
func ended(s *site.Site, jobs []*history.Attempts, letters int) bool {
	names, mustDie := map[string]bool{}, 0
	for _, j := range jobs {
		name := j.OutputName()
		if j.Confirms == 0 {
			continue
		}
		there := slices.ContainsFunc(s.OutputDirs(), func(dir string) bool {
			_, err := os.Stat(filepath.Join(dir, name))
			return err == nil
		})
		if j.Fate == history.BadInput || j.Fate == history.Poisonous && !there || names[name] {
			mustDie++
			continue
		}
		names[name] = true
		if !there {
			return false
		}
	}
	return letters >= mustDie
}
