package worker

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// beat tells the roster every second what this worker does, and follows its orders, until ctx ends. exit is called when
// the worker has retired and nobody removed it.
func (w *Worker) beat(ctx context.Context, exit func()) {
	var retiredAt time.Time
	away := false
	for {
		hb := w.heartbeat()
		beatCtx, cancel := context.WithTimeout(ctx, 2*time.Second)
		orders, err := w.o.Roster.Beat(beatCtx, hb)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			w.o.Log.Warn("the roster is away: running on, unseen", "error", err)
		case err == nil && away:
			w.o.Log.Info("the roster is back")
		}
		away = err != nil
		if err == nil {
			w.follow(orders)
		}
		if _, retired := w.gate.state(); !retired {
			retiredAt = time.Time{}
		} else if retiredAt.IsZero() {
			retiredAt = time.Now()
		} else if time.Since(retiredAt) > retiredFor {
			w.o.Log.Info("retired and not removed: exiting, to start afresh")
			exit()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.policy.Load().Policy.Timing.Heartbeat.D()):
		}
	}
}

func (w *Worker) heartbeat() lanes.Heartbeat {
	hb := lanes.Heartbeat{
		Worker: w.o.Name, Pool: w.o.Pool, Version: w.o.Version, Revision: w.policy.Load().Revision,
		Slots: len(w.o.Shared), Shoulder: len(w.o.Shoulder), Subscribed: w.o.Online(), Draining: w.draining.Load(),
	}
	hb.Parked, hb.Retired = w.gate.state()
	w.tally.report(&hb)
	return hb
}

// follow carries out what the roster ordered.
func (w *Worker) follow(o lanes.Orders) {
	before, _ := w.gate.state()
	w.gate.order(o.Park, o.Retire)
	if now, _ := w.gate.state(); now != before {
		w.o.Log.Info(map[bool]string{true: "parked: taking no new jobs", false: "taking jobs again"}[now])
	}
	if o.Effective != nil && o.Effective.Revision > w.policy.Load().Revision {
		w.policy.Store(o.Effective)
		if w.o.Follow != nil {
			w.o.Follow(o.Effective)
		}
		w.o.Log.Info("following the policy", "revision", o.Effective.Revision)
	}
}
