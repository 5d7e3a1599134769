package scaler

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Observation is what one tick saw. Anything that couldn't be had is absent, never zero.
type Observation struct {
	At      time.Time              // by the roster's clock, as the heartbeats are
	Depths  map[string]lanes.Depth // by lane: all of its queues together
	Former  []string               // lanes that left the policy and whose queues are still there
	Unused  []lanes.Queue          // queues that the policy doesn't use any more and that aren't known to be empty
	Retries map[string]Retries
	Waiting map[string]lanes.Waiting // what the ledger knows of each lane's waiting jobs
	Before  *lanes.Snapshot          // what the leader before this one saw last; of a leader's first tick only
	Workers []lanes.Heartbeat        // those that fell silent too
	Pools   map[string]lanes.PoolState
}

// see takes in the depths of the policy's queues and of former ones; all is whether the broker answered for each queue that it has. A lane is
// seen when its own queue was.
func (o *Observation) see(p *lanes.Policy, depths map[lanes.Queue]lanes.Depth, former []lanes.Queue, all bool) {
	o.Depths = map[string]lanes.Depth{}
	for _, q := range p.Queues() {
		if d, ok := depths[q]; ok {
			o.Depths[q.Lane] = d
		}
	}
	for _, q := range former {
		d, answered := depths[q]
		_, current := p.Lane(q.Lane)
		if !answered && all { // the broker has no such queue
			if _, seen := o.Depths[q.Lane]; !seen && !current {
				o.Depths[q.Lane] = lanes.Depth{}
			}
			continue
		}
		if !answered || d.Ready > 0 {
			o.Unused = append(o.Unused, q)
		}
		if !current && !slices.Contains(o.Former, q.Lane) {
			o.Former = append(o.Former, q.Lane)
		}
		if sum, seen := o.Depths[q.Lane]; answered && (seen || !current) {
			o.Depths[q.Lane] = lanes.Depth{Ready: sum.Ready + d.Ready, Consumers: sum.Consumers + d.Consumers}
		}
	}
}

// names is the lanes of the policy, and the others that the broker was asked for.
func (o Observation) names(p *lanes.Policy) []string {
	names := p.LaneNames()
	for name := range o.Depths {
		if _, current := p.Lane(name); !current {
			names = append(names, name)
		}
	}
	return names
}

// whole is whether all queues of a lane that there are have answered.
func (o Observation) whole(lane string) bool {
	return !slices.ContainsFunc(o.Unused, func(q lanes.Queue) bool { return q.Lane == lane })
}

// Retries is how many jobs of a lane wait for their next attempt, and when the first of them is ready.
type Retries struct {
	Count int
	Next  time.Time
}

// poolView is one pool as the law and the shrinking need it.
type poolView struct {
	lanes.Pool
	state        lanes.PoolState
	unseen       bool              // the fleet said nothing of it: state is what it said last
	workers      []lanes.Heartbeat // those that aren't gone
	taking       []lanes.Heartbeat // of them: fresh, and not parked, retired or draining
	ready        int               // shared slots of the taking workers
	running      map[string]int    // jobs on shared slots of taking workers, by lane
	onParked     map[string]int    // jobs on shared slots of parked workers and those with an old heartbeat, by lane
	ages         map[string][]time.Duration
	parked       int      // idle shared slots of parked, not retired workers
	onShoulder   int      // jobs on shoulders, but for those of draining workers
	freeShoulder int      // free shoulder slots of taking workers
	retired      []string // members that may be removed
	stuck        []lanes.Member
	starting     []lanes.Member // of the present ones, those never heard of
	present      int            // members that aren't leaving
	leaving      int
	silent       int // present, and should have a heartbeat and haven't
}

// viewPool sums up one pool. A heartbeat older than goneAfter belongs to a worker that is gone.
func viewPool(q lanes.Pool, timing lanes.Timing, o Observation, h History) poolView {
	v := poolView{Pool: q, running: map[string]int{}, onParked: map[string]int{}, ages: map[string][]time.Duration{}}
	state, seen := o.Pools[q.Name]
	if v.state, v.unseen = state, !seen; !seen {
		v.state = h.Pools[q.Name].State
	}
	members := map[string]lanes.Member{}
	for _, m := range v.state.Members {
		members[m.Name] = m
	}
	beating := map[string]bool{}
	for _, w := range o.Workers {
		age := o.At.Sub(w.At)
		if w.Pool != q.Name || age > timing.GoneAfter.D() {
			continue
		}
		beating[w.Worker] = true
		m, member := members[w.Worker]
		w.Draining = w.Draining || m.Leaving // it may not have said so yet
		v.workers = append(v.workers, w)
		v.addWorker(w, member, o.At, age <= timing.Fresh())
	}
	for _, m := range v.state.Members {
		v.addMember(m, beating[m.Name], h.met(m.Name, o.At))
	}
	return v
}

func (v *poolView) addWorker(w lanes.Heartbeat, member bool, at time.Time, fresh bool) {
	shared, used, onShoulder := map[string]int{}, 0, 0
	for _, r := range w.Running {
		v.ages[r.Lane] = append(v.ages[r.Lane], at.Sub(r.Since))
		if r.Shoulder {
			onShoulder++
			continue
		}
		shared[r.Lane]++
		used++
	}
	if w.Draining {
		return // its jobs end with it, or come back to their queues
	}
	v.onShoulder += onShoulder
	switch {
	case w.Retired:
		// Its promise outlives it on the roster by some seconds: only what the fleet still has can be removed, and only once.
		if member && len(w.Running) == 0 {
			v.retired = append(v.retired, w.Worker)
		}
	case w.Parked:
		v.parked += max(0, w.Slots-used)
		add(v.onParked, shared)
	case !fresh:
		add(v.onParked, shared) // its jobs run on, perhaps; nothing is expected of its idle slots
	default:
		v.taking = append(v.taking, w)
		v.ready += w.Slots
		v.freeShoulder += max(0, w.Shoulder-onShoulder)
		add(v.running, shared)
	}
}

func (v *poolView) addMember(m lanes.Member, beating, met bool) {
	if m.Leaving {
		v.leaving++
		return
	}
	v.present++
	switch {
	case beating:
	case m.Stuck != "":
		v.stuck = append(v.stuck, m)
	case met:
		v.silent++
	default:
		v.starting = append(v.starting, m)
	}
}

func add(to, from map[string]int) {
	for k, n := range from {
		to[k] += n
	}
}

func sum(m map[string]int) (total int) {
	for _, n := range m {
		total += n
	}
	return total
}

// guests is how many jobs of lanes that the pool is not home to run on its ready slots.
func (v poolView) guests() int {
	n := 0
	for lane, jobs := range v.running {
		if !slices.Contains(v.Lanes, lane) {
			n += jobs
		}
	}
	return n
}

// retiredReplicas is how many of the replicas asked for are retired, and only there to be removed. Those that were taken off the number
// already don't count: the cluster ends them in its own time.
func (v poolView) retiredReplicas() int {
	onTheirWay := max(0, v.present-v.state.Replicas)
	return max(0, len(v.retired)-onTheirWay)
}

// replicas is those asked for that may take jobs, now or when they have started.
func (v poolView) replicas() int { return max(0, v.state.Replicas-v.retiredReplicas()) }

// existing is every replica that counts against the budget: those asked for, those there are, and those still leaving.
func (v poolView) existing() int { return max(v.state.Replicas, v.present) + v.leaving }

// settled is whether the fleet has carried out what it was told. Until then nothing is removed: a replica that never was ready
// would go before a retired one, and an earlier removal could be counted twice.
func (v poolView) settled() bool { return v.present == v.state.Replicas && len(v.starting) == 0 }

// deaf is whether most of what the pool should hear from is silent: then nothing is known about it.
func (v poolView) deaf() bool { return v.silent > len(v.workers) }

// frozen is whether nothing can be added now.
func (v poolView) frozen() bool {
	return v.unseen || v.deaf() || v.state.Foreign != "" || len(v.stuck) > 0
}

// subscribedTo is whether a worker with an idle shared slot takes from the lane: then its queue must have a consumer. A paused lane's has none.
func subscribedTo(lane string, p *lanes.Policy, o Observation) bool {
	if p.Paused(lane) {
		return false
	}
	for _, w := range o.Workers {
		q, ok := p.Pool(w.Pool)
		if !ok || !slices.Contains(q.Lanes, lane) || !w.Subscribed || w.Parked || w.Retired || w.Draining || o.At.Sub(w.At) > p.Timing.Fresh() {
			continue
		}
		used := 0
		for _, r := range w.Running {
			if !r.Shoulder {
				used++
			}
		}
		if used < w.Slots {
			return true
		}
	}
	return false
}
