package worker

import (
	"slices"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// tally counts what this worker runs and has run, for its heartbeat.
type tally struct {
	mu      sync.Mutex
	running map[*lanes.Run]struct{}
	lanes   map[string]lanes.LaneWork
}

func newTally() *tally {
	return &tally{running: map[*lanes.Run]struct{}{}, lanes: map[string]lanes.LaneWork{}}
}

// start notes a job that begins to run; the returned function notes its end.
func (t *tally) start(d lanes.Delivery, shoulder, first bool) (done func(completed bool, took time.Duration)) {
	now := time.Now()
	r := &lanes.Run{Job: d.Job.ID, Lane: d.Lane, Shoulder: shoulder, Since: now}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running[r] = struct{}{}
	l := t.lanes[d.Lane]
	l.Started++
	if first {
		l.First++
		waits := append(slices.Clone(l.Waits), d.Wait(now).Milliseconds())
		l.Waits = waits[max(0, len(waits)-lanes.RecentWaits):]
		if d.ReadyAt.After(l.LastReady) {
			l.LastReady = d.ReadyAt
		}
	}
	t.lanes[d.Lane] = l
	return func(completed bool, took time.Duration) { t.end(r, completed, took) }
}

func (t *tally) end(r *lanes.Run, completed bool, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, r)
	l := t.lanes[r.Lane]
	if completed {
		l.Finished++
		l.Service += lanes.Duration(took)
	} else {
		l.Failed++
	}
	t.lanes[r.Lane] = l
}

// report fills in the heartbeat's part of it, running jobs oldest first.
func (t *tally) report(hb *lanes.Heartbeat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.running {
		hb.Running = append(hb.Running, *r)
	}
	slices.SortFunc(hb.Running, func(a, b lanes.Run) int { return a.Since.Compare(b.Since) })
	hb.Lanes = make(map[string]lanes.LaneWork, len(t.lanes))
	for lane, l := range t.lanes {
		hb.Lanes[lane] = l
	}
}
