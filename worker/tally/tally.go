// Package tally counts what one worker runs and has run, for its heartbeat.
package tally

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

// Tally is the counts. It is safe for concurrent use.
type Tally struct {
	now   func() time.Time
	mu    sync.Mutex
	slots map[*fleet.Run]struct{}
	lanes map[string]fleet.LaneWork
	computing
}

// New returns empty counts; now is the clock that others' times are compared by.
func New(now func() time.Time) *Tally {
	return &Tally{now: now, slots: map[*fleet.Run]struct{}{}, lanes: map[string]fleet.LaneWork{}}
}

// Occupy notes that a slot has a job, from taking to settling it; free notes the end of that.
func (t *Tally) Occupy(d work.Delivery, shoulder bool) (free func()) {
	r := &fleet.Run{Job: d.Job.ID, Lane: d.Lane, Shoulder: shoulder, Since: t.now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass(t.now(), len(t.slots) > 0)
	t.slots[r] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.pass(t.now(), len(t.slots) > 0)
		delete(t.slots, r)
	}
}

// Predict notes how long a job in a slot was predicted to run in all.
func (t *Tally) Predict(job string, running time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.slots {
		if r.Job == job {
			r.Predicted = lanes.Duration(running)
		}
	}
}

// Start counts a start. Only a first one has a wait.
func (t *Tally) Start(d work.Delivery, first bool) {
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

// Finish counts a run that completed its job, and how long it took.
func (t *Tally) Finish(lane string, took time.Duration) {
	t.change(lane, func(l *fleet.LaneWork) {
		l.Finished++
		l.Service += lanes.Duration(took)
	})
}

// Fail counts a run that failed.
func (t *Tally) Fail(lane string) {
	t.change(lane, func(l *fleet.LaneWork) { l.Failed++ })
}

func (t *Tally) change(lane string, by func(*fleet.LaneWork)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lanes[lane]
	by(&l)
	t.lanes[lane] = l
}

// Odd counts a message with a time that can't be meant.
func (t *Tally) Odd(lane string) {
	now := t.now()
	t.change(lane, func(l *fleet.LaneWork) {
		l.OddTimes++
		l.OddAt = now
	})
}

// Report fills in the heartbeat's part of it, running jobs oldest first.
func (t *Tally) Report(hb *fleet.Heartbeat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass(t.now(), len(t.slots) > 0)
	hb.Computing = t.say()
	for r := range t.slots {
		hb.Running = append(hb.Running, *r)
	}
	slices.SortFunc(hb.Running, func(a, b fleet.Run) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Job, b.Job))
	})
	hb.Lanes = maps.Clone(t.lanes)
}
