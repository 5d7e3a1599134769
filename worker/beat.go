package worker

import (
	"context"
	"errors"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	beatTime = 2 * time.Second // bounds one heartbeat
	// a retired worker that nobody removed by then exits, to start afresh, unless it was told to wait longer.
	retireFor = time.Minute
)

// beat tells the roster at every heartbeat what this worker does, and follows its orders, until ctx ends. begin is
// called at each heartbeat, once its orders are followed or can't be had (but see say); exit when the worker has
// retired and nobody removed it.
func (w *Worker) beat(ctx context.Context, begin, exit func()) {
	var overdue <-chan time.Time // nil until the worker has retired
	heard, away, wait, known := time.Now(), false, retireFor, false
	for {
		orders, err := w.report(ctx)
		before := w.policy.Load()
		timing := before.Policy.Timing
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if away {
				w.o.Log.Info("the roster is back")
			}
			heard, away, wait, known = time.Now(), false, max(wait, orders.RetireFor), true
			w.follow(orders)
			w.foresight.refresh(ctx)
			if w.policy.Load() != before {
				continue // somebody may wait to hear that this worker follows
			}
		case !away:
			w.say(err, known)
			away = true
		case time.Since(heard) > timing.GoneAfter.D(): // parked is a lease: nobody renews it now
			w.follow(fleet.Orders{})
		}
		if known || !errors.Is(err, lanes.ErrRefused) {
			begin()
		}
		if _, retired := w.gate.state(); retired && overdue == nil {
			overdue = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-overdue:
			w.o.Log.Info("retired and not removed: exiting, to start again")
			exit()
		case <-time.After(timing.Heartbeat.D()):
		}
	}
}

// say says why a heartbeat was in vain. A worker that is refused from its beginning takes no jobs: it may not have a
// worker's login at all, and its records would be wrong. One that was known before goes on.
func (w *Worker) say(err error, known bool) {
	switch refused := errors.Is(err, lanes.ErrRefused); {
	case refused && known:
		w.o.Log.Warn("the roster refuses this login: running on, unseen", "error", err)
	case refused:
		w.o.Log.Error("the roster refuses this login: taking no jobs until it doesn't; siren redis-acl prints what "+
			"a worker's may do", "error", err)
	default:
		w.o.Log.Warn("the roster is away: running on, unseen", "error", err)
	}
}

// report sends one heartbeat.
func (w *Worker) report(ctx context.Context) (fleet.Orders, error) {
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	return w.o.Roster.Beat(ctx, w.heartbeat())
}

func (w *Worker) heartbeat() fleet.Heartbeat {
	hb := fleet.Heartbeat{
		Worker: w.o.Name, Pool: w.o.Pool, Began: w.began, Version: w.o.Version, Revision: w.policy.Load().Revision,
		Slots: len(w.o.Shared), Shoulder: len(w.o.Shoulder), Subscribed: w.o.Online(), Draining: w.draining.Load(),
		Host: w.o.Host, Cores: w.o.Cores,
	}
	hb.Parked, hb.Retired = w.gate.state()
	w.tally.Report(&hb)
	return hb
}

// follow carries out what the roster ordered.
func (w *Worker) follow(o fleet.Orders) {
	wasParked, wasRetired := w.gate.state()
	w.gate.order(o.Park, o.Retire)
	switch parked, retired := w.gate.state(); {
	case retired && !wasRetired:
		w.o.Log.Info("retired: taking no job again")
	case parked && !wasParked:
		w.o.Log.Info("parked: taking no new jobs")
	case !parked && wasParked:
		w.o.Log.Info("taking jobs again")
	}
	if o.Effective != nil && o.Effective.Revision > w.policy.Load().Revision {
		w.policy.Store(o.Effective)
		if w.o.Follow != nil {
			w.o.Follow(o.Effective)
		}
		w.o.Log.Info("following the policy", "revision", o.Effective.Revision)
	}
}
