package worker

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/work"
)

// tally counts what this worker runs and has run, for its heartbeat.
type tally struct {
	now   func() time.Time
	mu    sync.Mutex
	slots map[*fleet.Run]struct{}
	lanes map[string]fleet.LaneWork
}

func newTally(now func() time.Time) *tally {
	return &tally{now: now, slots: map[*fleet.Run]struct{}{}, lanes: map[string]fleet.LaneWork{}}
}

// occupy notes that a slot has a job, from taking to settling it; free notes the end of that.
func (t *tally) occupy(d work.Delivery, shoulder bool) (free func()) {
	r := &fleet.Run{Job: d.Job.ID, Lane: d.Lane, Shoulder: shoulder, Since: t.now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slots[r] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.slots, r)
	}
}

// start counts a start. Only a first one has a wait.
func (t *tally) start(d work.Delivery, first bool) {
	now, ready := t.now(), d.ReadyAt
	if ready.After(now) { // any producer may say so, and the scaler would take it that nobody has waited until then
		ready = now
	}
	t.change(d.Lane, func(l *fleet.LaneWork) {
		l.Started++
		if !first {
			return
		}
		l.First++
		l.Waits = append(l.Waits, d.Wait(now).Milliseconds())
		l.Waits = l.Waits[max(0, len(l.Waits)-fleet.RecentWaits):]
		if d.Job.Priority == 0 && ready.After(l.LastReady) { // one of a higher priority overtakes those that wait
			l.LastReady = ready
		}
	})
}

func (t *tally) finish(lane string, took time.Duration) {
	t.change(lane, func(l *fleet.LaneWork) {
		l.Finished++
		l.Service += lanes.Duration(took)
	})
}

func (t *tally) fail(lane string) {
	t.change(lane, func(l *fleet.LaneWork) { l.Failed++ })
}

func (t *tally) change(lane string, by func(*fleet.LaneWork)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lanes[lane]
	by(&l)
	t.lanes[lane] = l
}

// odd counts a message with a time that can't be meant.
func (t *tally) odd(lane string) {
	now := t.now()
	t.change(lane, func(l *fleet.LaneWork) {
		l.OddTimes++
		l.OddAt = now
	})
}

// report fills in the heartbeat's part of it, running jobs oldest first.
func (t *tally) report(hb *fleet.Heartbeat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.slots {
		hb.Running = append(hb.Running, *r)
	}
	slices.SortFunc(hb.Running, func(a, b fleet.Run) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Job, b.Job))
	})
	hb.Lanes = maps.Clone(t.lanes)
}

// started notes the start of an attempt, for heartbeat and metrics. The wait is that of a first start, when somebody
// said when the job was ready.
func (w *Worker) started(d work.Delivery, c work.Claim) {
	first := c.First && !d.ReadyAt.IsZero()
	w.tally.start(d, first)
	w.o.Metrics.started.WithLabelValues(d.Lane).Inc()
	if first {
		w.o.Metrics.wait.WithLabelValues(d.Lane).Observe(d.Wait(w.o.Now()).Seconds())
	}
}

// noteOdd notes a message with times that can't be meant.
func (w *Worker) noteOdd(d work.Delivery) {
	if len(d.Odd) == 0 {
		return
	}
	w.tally.odd(d.Lane)
	w.o.Metrics.oddTimes.WithLabelValues(d.Lane).Inc()
	w.o.Log.Debug("a time that can't be meant counts as absent: milliseconds since 1970 are expected", "job", d.Job.ID,
		"lane", d.Lane, "headers", d.Odd)
}

// ended notes the end of an attempt. One that the worker stopped neither finished nor failed.
func (w *Worker) ended(d work.Delivery, disp work.Disposition, err error, took time.Duration) {
	w.o.Metrics.ran.WithLabelValues(d.Lane).Observe(took.Seconds())
	switch {
	case err == nil:
		w.tally.finish(d.Lane, took)
	case disp.Counted, disp.Action == work.DeadLetter:
		w.tally.fail(d.Lane)
	}
}
