package law

import (
	"cmp"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// retireEvery returns the least time between two retirements in one pool: removing more seldom costs slots, more often
// starts them anew, and the longer that takes the worse it is.
func retireEvery(coldStart time.Duration) time.Duration {
	return min(max(coldStart, 2*time.Second), 10*time.Second)
}

// park fills in who parks, who retires and who is removed, in that order, each a step that the next one waits for: a
// parked worker finishes what it has and may be unparked; a retired one has promised to take nothing ever again; only
// retired workers are removed. So no busy worker is removed, whatever happens to this scaler in between.
//
// p.Park names every worker that is to be parked now: it is a lease, and who isn't named is unparked.
func (a ask) park(p *fleet.Plan, g Grant, ph *facts.PoolHistory, at time.Time) {
	v := a.view
	if !a.blocked() && v.Settled() && p.To == p.From && len(v.Retired) > 0 {
		p.Remove = v.Retired
		p.To -= len(v.Retired)
	}
	surplus := a.surplus(g)
	retire := v.Settled() && at.Sub(ph.RetiredAt) >= retireEvery(a.cold)
	parking := setOf(ph.Parking)
	p.Park = slices.Grow(p.Park, max(0, surplus))
	for i, w := range a.parkingOrder(parking) {
		switch {
		case i < surplus:
			p.Park = append(p.Park, w.worker)
			if retire && w.parked && w.running == 0 {
				p.Retire = append(p.Retire, w.worker)
			}
		case w.parked || parking[w.worker]:
			p.Unpark = append(p.Unpark, w.worker)
		}
	}
	ph.Parking = p.Park
	ph.Retiring = retiring(*p, ph.Retiring)
	if len(p.Retire) > 0 {
		ph.RetiredAt, p.RetireFor = at, lanes.Duration(retireFor(a.cold))
	}
}

// retireFor returns how long a retired worker waits to be removed: 3·D, and at least a minute. Nothing is removed while
// replicas start (poolView.settled), which takes a cold start, and others may have to start meanwhile. A worker that
// gave up sooner would exit, restart and have to be retired again; one that waited for ever would be a lost slot when
// its scaler is gone.
func retireFor(coldStart time.Duration) time.Duration { return max(3*coldStart, time.Minute) }

// retiring returns those of the workers asked to retire, now or before, that haven't promised yet and are still to go.
func retiring(p fleet.Plan, before []string) (all []string) {
	asked := setOf(p.Retire, before)
	for _, name := range p.Park { // never one that has promised
		if asked[name] {
			all = append(all, name)
		}
	}
	return all
}

func setOf(lists ...[]string) map[string]bool {
	var set map[string]bool // most often there is nothing in it
	for _, names := range lists {
		for _, name := range names {
			if set == nil {
				set = map[string]bool{}
			}
			set[name] = true
		}
	}
	return set
}

// surplus returns how many workers are to take no new jobs: the smaller of two counts. By replicas, since a worker that
// the fleet doesn't know replaces none; by workers, since a replica that is starting, silent or stuck does no work in
// another's place.
func (a ask) surplus(g Grant) int {
	if a.blocked() {
		return 0
	}
	working := 0
	for _, w := range a.view.Workers {
		if !w.Retired && !w.Draining && !a.view.Others[w.Worker] {
			working++
		}
	}
	return min(a.view.Replicas()-g.Target, working-(g.Target-len(a.view.Stuck)))
}

// blocked reports whether nothing may be taken away now.
func (a ask) blocked() bool {
	v := a.view
	return a.stale != "" || v.Unseen || v.Deaf() || v.State.Rollout || v.State.Foreign != "" || v.Frozen
}

// parkingOrder returns the workers that may be parked: the fleet's own. Those that haven't been ready for long go
// first: the cluster would remove them before any retired one. Then those least missed: idle ones, then those that only
// run guest jobs, then by the urgency of what they run, the least urgent first. Parked ones go before others of their
// kind, so that the choice is stable. While a lane waits, idle slots are missed most: the busy ones stay parked, and
// the idle ones come back.
func (a ask) parkingOrder(parking map[string]bool) []candidate {
	ws := make([]candidate, 0, len(a.view.Workers))
	for _, w := range a.view.Workers {
		if w.Retired || w.Draining || a.view.Others[w.Worker] {
			continue
		}
		c := candidate{
			worker: w.Worker, parked: w.Parked, running: len(w.Running),
			idle: w.Slots + w.Shoulder - len(w.Running), missed: a.missed(w),
		}
		if !w.Parked && !parking[w.Worker] {
			c.takes = 1
		}
		if !a.view.Unready[w.Worker] {
			c.ready = 1
		}
		ws = append(ws, c)
	}
	slices.SortFunc(ws, func(x, y candidate) int {
		byState := cmp.Compare(x.takes, y.takes)
		if a.shut && byState == 0 && x.takes == 0 {
			byState = cmp.Compare(x.idle, y.idle)
		}
		first, then := cmp.Compare(x.missed, y.missed), byState
		if a.shut {
			first, then = then, first
		}
		return cmp.Or(cmp.Compare(x.ready, y.ready), first, then, cmp.Compare(x.worker, y.worker))
	})
	return ws
}

// candidate is a worker that may be parked.
type candidate struct {
	worker        string
	parked        bool
	ready         int // 0: it hasn't been for long, as the cluster has it
	takes         int // 1: jobs; 0: none, for it is parked or about to be
	running, idle int // slots, on the shoulder too
	missed        int
}

// missed returns how much a worker would be missed: 0 idle, 1 guests only, else more the more urgent its jobs are.
func (a ask) missed(w fleet.Heartbeat) int {
	m := 0
	for _, r := range w.Running {
		m = max(m, 1)
		for i := range a.parts {
			if a.parts[i].lane == r.Lane {
				m = max(m, 2+len(a.parts)-i)
			}
		}
	}
	return m
}
