package law

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// Decision is the outcome of one tick.
type Decision struct {
	Plans    []fleet.Plan      // one for each pool, in the policy's order
	Turns    map[string]string // promoted lanes and the lanes they take turns with
	NoGuests []string          // pools that take no new guest jobs
	Snapshot fleet.Snapshot
}

// Decide decides one tick of the scaler: a pure function of the policy, what was seen and what is remembered. The
// returned History belongs into the next call.
func Decide(p *lanes.Policy, o facts.Observation, h facts.History) (Decision, facts.History) {
	d, h, asks := decide(p, o, h)
	others, _ := h.AllOthers(p.Timing, o)
	d.Snapshot = fleet.Snapshot{
		At: o.At, Budget: p.Budget, Others: others,
		Lanes: laneStatuses(p, o, h, asks, d), Pools: poolStatuses(asks, d.Plans),
	}
	return d, h
}

// Plan decides as Decide does, without the Snapshot: for a simulation, at whose every tick nobody looks.
func Plan(p *lanes.Policy, o facts.Observation, h facts.History) (Decision, facts.History) {
	d, h, _ := decide(p, o, h)
	return d, h
}

func decide(p *lanes.Policy, o facts.Observation, h facts.History) (Decision, facts.History, []ask) {
	h = h.Learn(p, o)
	d := Decision{Turns: h.Turns(p, o.At)}
	u, workers, lastLane := newUrgency(p, d.Turns), o.ByPool(), p.DefaultLane()
	asks := make([]ask, len(p.Pools))
	requests := make([]Request, len(p.Pools))
	for i, q := range p.Pools {
		ph := h.Pools[q.Name]
		formerJobs := 0
		if slices.Contains(q.Lanes, lastLane) {
			formerJobs = inFormer(o)
		}
		view := facts.ViewPool(q, p.Timing, o, workers[q.Name], h)
		asks[i] = newAsk(u, p.Timing, view, ph.ColdStart(p.Timing.ColdStart.D()), h.Lanes, formerJobs, o.At)
		asks[i].remember(&ph, o.At)
		if o.At.Before(ph.GuestsUntil) && len(q.Guests) > 0 {
			d.NoGuests = append(d.NoGuests, q.Name)
		}
		h.Pools[q.Name] = ph
		requests[i] = asks[i].request()
	}
	others, doubtful := h.AllOthers(p.Timing, o)
	requests = append(requests, Request{Existing: doubtful}) // nothing is started in their place
	for i, g := range Arbitrate(max(0, p.Budget-others), requests)[:len(asks)] {
		ph := h.Pools[requests[i].Pool]
		d.Plans = append(d.Plans, asks[i].plan(g, &ph, o.At))
		h.Pools[requests[i].Pool] = ph
	}
	return d, h, asks
}

// inFormer returns how many jobs wait in lanes that left the policy, as far as the broker answered.
func inFormer(o facts.Observation) (ready int) {
	for _, name := range o.Former {
		ready += o.Depths[name].Ready
	}
	return ready
}

// ask is what one pool needs, before the budget is divided.
type ask struct {
	view            facts.PoolView
	parts           []part       // its home lanes, most urgent first
	now             int          // replicas that this tick's needs want, within min and max
	want            int          // with what the hold window keeps
	shoulderWorkers int          // workers that the reserve and the jobs on shoulders take
	reserve         int          // the free shoulder slots to be kept
	reason          fleet.Reason // why now is what it is
	formerJobs      int          // jobs in lanes that left the policy, if this pool sees to it that they are served
	shut            bool         // takes no guests: a home lane waits
	late            bool         // and needs more slots than take jobs now
	stale           string       // a home lane of which the broker's answer isn't believed
	urgent          string       // the lane for which replicas are kept beyond the hold window: it needs them often
	cold            time.Duration
	hold            time.Duration
}

// part is one lane's share of its pool.
type part struct {
	lane   string
	rank   int // its urgency: that of the lane it takes turns with while it is promoted
	in     LaneInput
	need   Need
	upTo   int // replicas for this lane and the more urgent ones of the pool
	lately int // the most of it in the last cold start, and what recurs, as far as those replicas are there
	paused int // jobs that wait while the lane is paused: they count for nothing
}

// newAsk applies the law to the home lanes of one pool. In a paused lane only what runs counts. Lanes that left the
// policy have no home: the default lane's home serves them last (lanes.Effective.TakeOrder), and keeps a slot while
// jobs are left in them.
func newAsk(
	u urgency, timing lanes.Timing, v facts.PoolView, cold time.Duration, known map[string]facts.LaneHistory,
	formerJobs int, at time.Time,
) ask {
	a := ask{
		view: v, parts: make([]part, 0, len(v.Lanes)), cold: cold, hold: hold(v.Hold.D(), cold),
		formerJobs: formerJobs,
	}
	shoulderLane, shoulders := v.Shoulders()
	if shoulders > 0 {
		if l := u.lane(shoulderLane); !l.Paused {
			a.reserve = l.Reserve
		}
		a.shoulderWorkers = workersFor(float64(v.OnShoulder+a.reserve), shoulders)
	}
	parked, total := v.Parked, 0.0
	for _, name := range u.sorted(v.Lanes) {
		l := u.lane(name)
		lh := known[name]
		in := LaneInput{
			Backlog: lh.Load(), StartWithin: l.StartWithin.D(), ColdStart: cold,
			Service: lh.ServiceTime(timing.ServiceTime.D(), v.Ages[name]),
			Ready:   v.Ready, Idle: max(0, v.Ready-sum(v.Running)), Others: sum(v.Running) - v.Running[name],
			Parked: parked, Busy: v.Running[name] + v.OnParked[name], BusyParked: v.OnParked[name],
			Oldest: lh.OldestWait(at), Growth: lh.Trend.Growth,
		}
		part := part{lane: name, rank: u.rank(name)}
		if l.Paused {
			in.Backlog, part.paused = 0, lh.Ready()
		}
		if name == shoulderLane {
			in.Shoulder = v.FreeShoulder
			part.upTo = a.shoulderWorkers
		}
		part.in, part.need = in, NeedOf(in)
		parked -= part.need.Unpark // promised to this lane
		total += part.need.Slots
		part.upTo = max(part.upTo, workersFor(total, v.Slots))
		a.parts = append(a.parts, part)
		a.shut = a.shut || part.need.Waiting
		a.late = a.late || part.need.Late()
		if lh.Stale {
			a.stale = name
		}
	}
	if a.shut {
		total += float64(v.GuestJobs())
	}
	if formerJobs > 0 {
		total = max(total, 1)
	}
	a.clamp(workersFor(total, v.Slots))
	return a
}

func sum(m map[string]int) (total int) {
	for _, n := range m {
		total += n
	}
	return total
}

// clamp turns the shared slots' part into replicas within the pool's limits and keeps the reason of the last bound.
// Workers that aren't the fleet's count as replicas that it needn't have.
func (a *ask) clamp(shared int) {
	a.now, a.reason = shared, fleet.Busy
	if shared == 0 {
		a.reason = fleet.Steady
	}
	if a.late {
		a.reason = fleet.Backlog
	}
	if a.shoulderWorkers > a.now {
		a.now, a.reason = a.shoulderWorkers, fleet.Reserve
	}
	a.now += len(a.view.Stuck)
	if a.now < a.view.Min {
		a.now, a.reason = a.view.Min, fleet.Floor
	}
	if a.now > a.view.Max {
		a.now, a.reason = a.view.Max, fleet.Ceiling
	}
	a.now = min(max(0, a.now-a.view.Helping), a.view.Most())
}

// remember keeps the want in the pool's hold window and the time until which guests stay shut out. What is held is
// never more than what there is: the window delays shrinking, and a want that was not granted then is no reason to grow
// now.
func (a *ask) remember(ph *facts.PoolHistory, at time.Time) {
	if !ph.Seen { // a new leader doesn't know the plans of the last hold window: what is there was wanted
		ph.Seen = true
		ph.Wants = []facts.Want{{At: at, Replicas: min(a.view.Replicas(), a.view.Most())}}
	}
	a.want = max(a.now, min(ph.Held(at, a.now, a.hold), a.view.Replicas()))
	if a.shut {
		ph.GuestsUntil = at.Add(a.hold)
	}
	a.rememberNeeds(ph, at)
}

// rememberNeeds keeps what each lane needs for a cold start: as long as it would take to have the same workers again.
// Where that is longer than the lane's objective, workers that are started when they are needed come too late: what it
// needs again and again is kept longer, as long as less urgent lanes can use it meanwhile.
func (a *ask) rememberNeeds(ph *facts.PoolHistory, at time.Time) {
	var needs map[string][]facts.Want
	var peaks map[string]facts.Peaks
	for i := range a.parts {
		p := &a.parts[i]
		if p.upTo > 0 || len(ph.Needs[p.lane]) > 0 {
			if needs == nil {
				needs = make(map[string][]facts.Want, len(a.parts))
			}
			needs[p.lane] = facts.Hold(ph.Needs[p.lane], at, p.upTo, a.cold)
			p.lately = min(needs[p.lane][0].Replicas, a.view.Replicas())
		}
		if p.in.StartWithin > a.cold || i == len(a.parts)-1 {
			continue
		}
		if peaks == nil {
			peaks = make(map[string]facts.Peaks, len(a.parts))
		}
		peaks[p.lane] = ph.Peaks[p.lane].With(at, p.upTo, peakSpan(a.cold))
		kept := min(peaks[p.lane].Recurring(), a.view.Replicas())
		p.lately = max(p.lately, kept)
		if kept = min(kept, a.view.Most()); kept > a.want {
			a.want, a.urgent = kept, p.lane
		}
	}
	ph.Needs, ph.Peaks = needs, peaks
}

// request puts the pool's ask to the arbiter. A pool that can't grow now asks for no more than it has, so that the
// budget goes to those who can use it; a frozen one for exactly what it has. Stuck replicas work for no lane, and stand
// before all of them.
func (a ask) request() Request {
	v := a.view
	if v.Frozen {
		return Request{Pool: v.Name, Existing: v.Existing(), Replicas: v.State.Replicas, Frozen: true}
	}
	most := v.Most()
	if v.CannotGrow() {
		most = min(most, v.Replicas())
	}
	r := Request{
		Pool: v.Name, Existing: v.Existing(), Replicas: v.Replicas(), Floor: min(max(0, v.Min-v.Helping), most),
		Want: min(a.want, most),
	}
	r.Shares = make([]Share, 0, len(a.parts))
	for _, s := range a.parts {
		total := min(max(0, s.upTo+len(v.Stuck)-v.Helping), most)
		lately := min(max(total, s.lately-v.Helping), most)
		r.Shares = append(r.Shares, Share{Lane: s.lane, Rank: s.rank, Total: total, Lately: lately})
	}
	if last := len(r.Shares) - 1; last >= 0 {
		r.Shares[last].Total = max(r.Shares[last].Total, min(a.now, most))
	}
	return r
}

// plan turns a pool's grant into its plan. Replicas are only taken away by removing retired workers, and not while
// others are added: the cluster takes the youngest first.
func (a ask) plan(g Grant, ph *facts.PoolHistory, at time.Time) fleet.Plan {
	v := a.view
	p := fleet.Plan{At: at, Pool: v.Name, From: v.State.Replicas, To: v.State.Replicas}
	if g.To > v.Replicas() && !v.Frozen { // the retired ones are no help; they stay a little longer where there is room
		p.To = max(p.From, min(g.To+v.RetiredReplicas(), v.Most()-v.Doubtful))
	}
	a.park(&p, g, ph, at)
	a.explain(&p, g, len(ph.Retiring))
	return p
}
