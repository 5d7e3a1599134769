package scaler

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Decision is the outcome of one tick.
type Decision struct {
	Plans    []lanes.Plan      // one for each pool, in the policy's order
	Turns    map[string]string // promoted lanes and the lanes they take turns with
	NoGuests []string          // pools that take no new guest jobs
	Snapshot lanes.Snapshot
}

// Decide is one tick of the scaler: a pure function of the policy, what was seen and what is remembered. The returned
// History belongs into the next call.
func Decide(p *lanes.Policy, o Observation, h History) (Decision, History) {
	known := map[string]bool{}
	for name := range h.Workers {
		known[name] = true
	}
	h = h.clone()
	started, finished := h.learnWorkers(o)

	var d Decision
	d.Snapshot = lanes.Snapshot{At: o.At, Budget: p.Budget}
	stale := map[string]bool{}
	for _, l := range p.Lanes {
		lh := h.Lanes[l.Name]
		var depth *lanes.Depth
		if got, ok := o.Depths[l.Name]; ok {
			depth = &got
		}
		stale[l.Name] = lh.learnBacklog(o.At, depth, subscribedTo(l.Name, o.Workers, o.At, p), started[l.Name], finished[l.Name])
		h.Lanes[l.Name] = lh
		if l.Promote != nil && lh.oldestWait(o.At) > l.Promote.After.D() {
			if d.Turns == nil {
				d.Turns = map[string]string{}
			}
			d.Turns[l.Name] = l.Promote.To
		}
	}

	var asks []ask
	for _, q := range p.Pools {
		h.learnPool(q.Name, o.Pools[q.Name], o, known)
		a := newAsk(p, viewPool(q, o, h, p.Timing.GoneAfter.D()), o, h, stale, d.Turns)
		ph := h.Pools[q.Name]
		a.remember(&ph, o.At)
		if o.At.Before(ph.GuestsUntil) && len(q.Guests) > 0 {
			d.NoGuests = append(d.NoGuests, q.Name)
		}
		h.Pools[q.Name] = ph
		asks = append(asks, a)
	}
	for i, g := range Arbitrate(p.Budget, requests(asks)) {
		plan := asks[i].plan(g, o.At)
		ph := h.Pools[plan.Pool]
		asks[i].shrink(&plan, g, &ph, o.At)
		h.Pools[plan.Pool] = ph
		d.Plans = append(d.Plans, plan)
	}
	d.Snapshot.Lanes = laneStatuses(p, o, h, asks, stale, d.Turns)
	d.Snapshot.Pools = poolStatuses(asks, d.Plans)
	return d, h
}

// ask is what one pool needs, before the budget is divided.
type ask struct {
	view    poolView
	parts   []part // its home lanes, most urgent first
	floor   int    // replicas for the reserve and the jobs on shoulders
	now     int    // replicas that this tick's needs want, clamped
	want    int    // the largest of the hold window
	cold    time.Duration
	hold    time.Duration
	shut    bool // takes no guests
	stale   string
	reason  lanes.Reason // why now is what it is
	reserve string       // the lane that a reserve is kept for
}

// part is one lane's share of its pool.
type part struct {
	lane string
	rank int // its urgency: that of the lane it takes turns with while it is promoted
	in   LaneInput
	need Need
	upTo int // replicas for this lane and the more urgent ones of the pool
}

// newAsk applies the law to the home lanes of one pool.
func newAsk(p *lanes.Policy, v poolView, o Observation, h History, stale map[string]bool, turns map[string]string) ask {
	ph := h.Pools[v.Name]
	a := ask{view: v, cold: ph.coldStart(p.Timing.ColdStart.D())}
	a.hold = hold(v.Hold.D(), a.cold)
	parked, total := v.parked, 0.0
	for _, name := range homeOrder(p, v.Pool, turns) {
		l, _ := p.Lane(name)
		lh := h.Lanes[name]
		in := LaneInput{
			Backlog: lh.Backlog, StartWithin: l.StartWithin.D(), ColdStart: a.cold,
			Service: lh.service(p.Timing.ServiceTime.D(), v.ages[name]),
			Ready:   v.ready, Idle: v.ready - sum(v.running), Others: sum(v.running) - v.running[name],
			Parked: parked, Busy: v.running[name] + v.onParked[name], BusyParked: v.onParked[name],
		}
		if lane, _ := v.Shoulders(); lane == name {
			in.Shoulder = v.shoulder
		}
		n := NeedOf(in)
		parked -= n.Unpark
		total += n.Slots
		a.shut = a.shut || n.Waiting()
		a.parts = append(a.parts, part{lane: name, rank: rankOf(p, name, turns), in: in, need: n, upTo: workersFor(total, v.Slots)})
		if stale[name] {
			a.stale = name
		}
	}
	if a.shut {
		total += float64(v.guests())
	}
	if lane, slots := v.Shoulders(); slots > 0 {
		l, _ := p.Lane(lane)
		a.reserve = lane
		if l.Reserve+v.aside > 0 {
			a.floor = workersFor(float64(v.aside+l.Reserve), slots)
		}
	}
	a.clamp(workersFor(total, v.Slots))
	return a
}

// clamp turns the shared slots' part into replicas within the pool's limits and keeps the reason of the last bound.
func (a *ask) clamp(slots int) {
	v := a.view
	a.now, a.reason = slots, lanes.Busy
	if slots == 0 {
		a.reason = lanes.Steady
	}
	if a.shut {
		a.reason = lanes.Backlog
	}
	if a.floor > a.now {
		a.now, a.reason = a.floor, lanes.Reserve
	}
	a.now += len(v.stuck)
	if a.now < v.Min {
		a.now, a.reason = v.Min, lanes.Floor
	}
	if a.now > v.Max {
		a.now, a.reason = v.Max, lanes.Ceiling
	}
}

// remember keeps the want in the pool's hold window and the time until which guests stay shut out.
func (a *ask) remember(ph *PoolHistory, at time.Time) {
	if !ph.Seen { // a new leader doesn't know the plans of the last hold window: what is there was wanted
		ph.Seen = true
		ph.Wants = []Want{{at, min(a.view.state.Replicas, a.view.Max)}}
	}
	a.want = ph.held(at, a.now, a.hold)
	if a.shut {
		ph.GuestsUntil = at.Add(a.hold)
	}
}

// homeOrder is the pool's own lanes by the urgency they have now.
func homeOrder(p *lanes.Policy, q lanes.Pool, turns map[string]string) []string {
	order := slices.Clone(q.Lanes)
	slices.SortStableFunc(order, func(x, y string) int {
		if d := rankOf(p, x, turns) - rankOf(p, y, turns); d != 0 {
			return d
		}
		return p.Rank(x) - p.Rank(y)
	})
	return order
}

// rankOf is a lane's urgency: a promoted lane is as urgent as the one it takes turns with.
func rankOf(p *lanes.Policy, lane string, turns map[string]string) int {
	if to, ok := turns[lane]; ok {
		return p.Rank(to)
	}
	return p.Rank(lane)
}
