package scaler

import (
	"cmp"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// retireEvery is the least time between two retirements in one pool: removing more seldom costs slots, more often starts them anew.
const retireEvery = 10 * time.Second

// shrink fills in who parks, who retires and who is removed, in that order, each a step that the next one waits for:
// a parked worker finishes what it has and may be unparked; a retired one has promised to take nothing ever again; only
// retired workers are removed. So no busy worker is removed, whatever happens to this scaler in between.
//
// plan.Park names every worker that is to be parked now: it is a lease, and who isn't named is unparked.
func (a ask) shrink(plan *lanes.Plan, g Grant, ph *PoolHistory, at time.Time) {
	if a.blocked() {
		plan.Unpark = a.parkedNow()
		return
	}
	if n := len(a.view.retired); n > 0 && plan.To <= plan.From {
		plan.Remove = a.view.retired
		plan.To = max(0, plan.From-n)
	}
	surplus := a.view.state.Replicas - len(a.view.retired) - g.Target
	order := a.parkingOrder()
	for i, w := range order {
		switch {
		case i < surplus:
			plan.Park = append(plan.Park, w.Worker)
			if w.Parked && len(w.Running) == 0 && at.Sub(ph.RetiredAt) >= retireEvery {
				plan.Retire = append(plan.Retire, w.Worker)
			}
		case w.Parked:
			plan.Unpark = append(plan.Unpark, w.Worker)
		}
	}
	if len(plan.Retire) > 0 {
		ph.RetiredAt = at
	}
}

// blocked is whether nothing may be taken away now.
func (a ask) blocked() bool {
	return a.stale != "" || a.view.deaf() || a.view.state.Rollout || a.view.state.Foreign != ""
}

func (a ask) parkedNow() (names []string) {
	for _, w := range a.view.workers {
		if w.Parked && !w.Retired {
			names = append(names, w.Worker)
		}
	}
	return names
}

// parkingOrder is the workers that may be parked, the ones that are missed least first: idle ones, then those that only run guest jobs,
// then by the urgency of what they run, the least urgent first. Parked ones go before the others of their kind, so the choice
// doesn't wander.
func (a ask) parkingOrder() []lanes.Heartbeat {
	var ws []lanes.Heartbeat
	for _, w := range a.view.workers {
		if !w.Retired && !w.Draining {
			ws = append(ws, w)
		}
	}
	slices.SortStableFunc(ws, func(x, y lanes.Heartbeat) int {
		return cmp.Or(
			cmp.Compare(a.missed(x), a.missed(y)),
			cmp.Compare(btoi(y.Parked), btoi(x.Parked)),
			cmp.Compare(x.Worker, y.Worker),
		)
	})
	return ws
}

// missed is how much a worker would be missed: 0 idle, 1 guests only, else more the more urgent its jobs are.
func (a ask) missed(w lanes.Heartbeat) int {
	m := 0
	for _, r := range w.Running {
		i := slices.IndexFunc(a.parts, func(p part) bool { return p.lane == r.Lane })
		if i < 0 {
			m = max(m, 1)
		} else {
			m = max(m, 2+len(a.parts)-i)
		}
	}
	return m
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
