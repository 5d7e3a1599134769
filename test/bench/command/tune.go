package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/bench/yardstick"
	"github.com/polyglot-media/siren/test/wait"
)

// tuningsPerRun is how many tunings one run makes.
const tuningsPerRun = 10

// Tune measures how soon a tuning is in force on a live fleet under load: from the moment that Redis has it (its time
// there, by the one clock of this machine) to the policy in force having it, to each worker going by it (by the
// workers' logs), and to each worker's heartbeat saying so, which is what the command waits for. The worst worker
// counts.
func Tune(ctx context.Context, b *stand.Bench) (figures []report.Figure, err error) {
	if err := makeDemoClips(ctx, b); err != nil {
		return nil, err
	}
	l, err := openLive(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.purge(), l.stop(), b.ClearOutputs()) }()
	loading, stop := context.WithCancel(ctx)
	loaded := make(chan error, 1)
	go func() { loaded <- l.keepBusy(loading) }()
	defer func() { stop(); err = errors.Join(err, <-loaded) }()
	err = wait.Until(ctx, time.Minute, "the fleet to be busy", func() (bool, error) {
		snap, err := l.board.Snapshot(ctx)
		return err == nil && snap.Pools[0].Ready >= 2 && snap.Pools[0].Busy == snap.Pools[0].Slots, nil
	})
	if err != nil {
		return nil, err
	}
	var published, followed, told []float64
	for i := range tuningsPerRun * b.Runs {
		b.Say("tuning %d of %d", i+1, tuningsPerRun*b.Runs)
		t, err := l.tuneOnce(ctx, i)
		if err != nil {
			return nil, err
		}
		published, followed, told = append(published, report.Millis(t.published)),
			append(followed, report.Millis(t.followed)),
			append(told, report.Millis(t.told))
		if err := wait.Pause(ctx, time.Duration(i%7)*150*time.Millisecond); err != nil {
			// of no rhythm with the ticks and heartbeats
			return nil, err
		}
	}
	figures = append(figures, spread("tuning to policy in force", "ms", published)...)
	figures = append(figures, spread("tuning to every worker going by it", "ms", followed)...)
	return append(figures, spread("tuning to every heartbeat saying so", "ms", told)...), nil
}

// spread returns one figure each for the median, the 95th percentile and the largest of the values.
func spread(name, unit string, values []float64) []report.Figure {
	return []report.Figure{
		{Name: name + ", p50", Unit: unit, Siren: []float64{report.Percentile(values, 50)}},
		{Name: name + ", p95", Unit: unit, Siren: []float64{report.Percentile(values, 95)}},
		{Name: name + ", max", Unit: unit, Siren: []float64{report.Percentile(values, 100)}},
	}
}

// keepBusy sees to it that transcodes wait in two lanes.
func (l *live) keepBusy(ctx context.Context) error {
	for {
		waiting := 0
		for _, lane := range []string{stand.StandardLane, stand.BulkLane} {
			n, err := l.b.Raw.Ready(yardstick.LaneQueue(lane))
			if err != nil {
				return err
			}
			waiting += n
		}
		if waiting < 10 {
			if err := l.b.Enqueue(ctx, load(l.b, 10, stand.StandardLane, stand.BulkLane)); err != nil &&
				ctx.Err() == nil {
				return err
			}
		}
		if wait.Pause(ctx, 500*time.Millisecond) != nil {
			return nil
		}
	}
}

// taking is how long one tuning took.
type taking struct{ published, followed, told time.Duration }

// tuneOnce tunes something that doesn't change what runs, by the command, and looks on.
func (l *live) tuneOnce(ctx context.Context, i int) (t taking, err error) {
	field, want := lanes.LaneField(stand.BulkLane, "startWithin"), strconv.Itoa(31+i)+"m"
	done := make(chan error, 1)
	go func() {
		_, err := said(ctx, l.b, "lanes", "tune", stand.BulkLane, "--start-within", want, "--wait=false")
		done <- err
	}()
	var e lanes.Effective
	var made lanes.Tuning
	err = wait.Until(ctx, 20*time.Second, "the policy in force to have the tuning", func() (bool, error) {
		var err error
		e, err = l.board.Policy(ctx)
		for _, made = range e.Tunings {
			if made.Field == field && made.Spelled() == lanes.Duration(time.Duration(31+i)*time.Minute).String() {
				return true, nil
			}
		}
		return false, err
	})
	seen := time.Now()
	if err = errors.Join(err, <-done); err != nil {
		return t, err
	}
	t.published = seen.Sub(made.At)
	var workers []fleet.Heartbeat
	first := map[string]time.Time{} // when a worker's heartbeat first had the revision
	err = wait.Until(ctx, 20*time.Second, "the workers to follow", func() (bool, error) {
		all, now, err := l.roster.Workers(ctx)
		if err != nil {
			return false, err
		}
		workers = workers[:0]
		for _, w := range all {
			if now.Sub(w.At) > 3*time.Second || w.Retired || w.Draining {
				continue
			}
			workers = append(workers, w)
			if _, known := first[w.Worker]; !known && w.Revision >= e.Revision {
				first[w.Worker] = w.At
			}
		}
		for _, w := range workers {
			if first[w.Worker].IsZero() {
				return false, nil
			}
		}
		return len(workers) > 0, nil
	})
	if err != nil {
		return t, err
	}
	for _, w := range workers {
		t.told = max(t.told, first[w.Worker].Sub(made.At))
		at, err := l.followedAt(w.Worker, e.Revision)
		if err != nil {
			return t, err
		}
		if at.After(made.At) { // else it began with this policy
			t.followed = max(t.followed, at.Sub(made.At))
		}
	}
	return t, nil
}

var followLine = regexp.MustCompile(`(?m)^time=(\S+) .*msg="following the policy" revision=(\d+)$`)

// followedAt returns when the worker says in its log that it took up the revision, or a later one; zero when it began
// with it.
func (l *live) followedAt(worker string, revision int64) (at time.Time, err error) {
	text, err := os.ReadFile(filepath.Join(l.dir, "workers", "logs", worker+".log"))
	if err != nil {
		return at, err
	}
	for _, m := range followLine.FindAllSubmatch(bytes.TrimSpace(text), -1) {
		r, err := strconv.ParseInt(string(m[2]), 10, 64)
		if err != nil {
			return at, fmt.Errorf("in the log of worker %s: %w", worker, err)
		}
		if r >= revision {
			return time.Parse(time.RFC3339, string(m[1]))
		}
	}
	return at, nil
}
