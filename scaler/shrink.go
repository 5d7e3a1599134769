package scaler

import (
	"cmp"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// retireEvery is the least time between two retirements in one pool: removing more seldom costs slots, more often starts them anew.
const retireEvery = 10 * time.Second

// park fills in who parks, who retires and who is removed, in that order, each a step that the next one waits for: a
// parked worker finishes what it has and may be unparked; a retired one has promised to take nothing ever again; only
// retired workers are removed. So no busy worker is removed, whatever happens to this scaler in between.
//
// p.Park names every worker that is to be parked now: it is a lease, and who isn't named is unparked.
func (a ask) park(p *lanes.Plan, g Grant, ph *PoolHistory, at time.Time) {
	v := a.view
	if !a.blocked() && v.settled() && p.To == p.From && len(v.retired) > 0 {
		p.Remove = v.retired
		p.To -= len(v.retired)
	}
	surplus := a.surplus(g)
	retire := v.settled() && at.Sub(ph.RetiredAt) >= retireEvery
	for i, w := range a.parkingOrder(ph.Parking) {
		switch {
		case i < surplus:
			p.Park = append(p.Park, w.Worker)
			if retire && w.Parked && len(w.Running) == 0 {
				p.Retire = append(p.Retire, w.Worker)
			}
		case w.Parked || slices.Contains(ph.Parking, w.Worker):
			p.Unpark = append(p.Unpark, w.Worker)
		}
	}
	ph.Parking = p.Park
	ph.Retiring = retiring(*p, ph.Retiring)
	if len(p.Retire) > 0 {
		ph.RetiredAt = at
	}
}

// retiring is those of the workers asked to retire, now or before, that haven't promised yet and are still to go.
func retiring(p lanes.Plan, before []string) (all []string) {
	for _, name := range p.Park { // never one that has promised
		if slices.Contains(p.Retire, name) || slices.Contains(before, name) {
			all = append(all, name)
		}
	}
	return all
}

// surplus is how many workers are to take no new jobs. It counts both ways: by replicas, for a worker that the fleet knows nothing
// of replaces none; and by workers, for a replica that is still starting, silent or stuck does no work in another's place.
func (a ask) surplus(g Grant) int {
	if a.blocked() {
		return 0
	}
	working := 0
	for _, w := range a.view.workers {
		if !w.Retired && !w.Draining {
			working++
		}
	}
	return min(a.view.replicas()-g.Target, working-(g.Target-len(a.view.stuck)))
}

// blocked is whether nothing may be taken away now.
func (a ask) blocked() bool {
	v := a.view
	return a.stale != "" || v.unseen || v.deaf() || v.state.Rollout || v.state.Foreign != "" || v.Held
}

// parkingOrder is the workers that may be parked, the ones that are missed least first: idle ones, then those that only run guest jobs,
// then by the urgency of what they run, the least urgent first. Parked ones go before the others of their kind, so the choice
// doesn't wander. While a lane waits the idle slots are what is missed most: then the busy ones of the parked stay parked,
// and the idle ones come back.
func (a ask) parkingOrder(parking []string) []lanes.Heartbeat {
	var ws []lanes.Heartbeat
	for _, w := range a.view.workers {
		if !w.Retired && !w.Draining {
			ws = append(ws, w)
		}
	}
	takes := func(w lanes.Heartbeat) int { // jobs, unless it is parked
		if w.Parked || slices.Contains(parking, w.Worker) {
			return 0
		}
		return 1
	}
	idle := func(w lanes.Heartbeat) int { return w.Slots + w.Shoulder - len(w.Running) }
	slices.SortStableFunc(ws, func(x, y lanes.Heartbeat) int {
		byState := cmp.Compare(takes(x), takes(y))
		if a.shut && byState == 0 && takes(x) == 0 {
			byState = cmp.Compare(idle(x), idle(y))
		}
		first, then := cmp.Compare(a.missed(x), a.missed(y)), byState
		if a.shut {
			first, then = then, first
		}
		return cmp.Or(first, then, cmp.Compare(x.Worker, y.Worker))
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
