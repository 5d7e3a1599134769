package facts

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Observation is what one tick saw. Anything that couldn't be had is absent, never zero.
type Observation struct {
	At      time.Time                // by the roster's clock, as the heartbeats are
	Depths  map[string]fleet.Depth   // by lane: all of its queues together
	Former  []string                 // lanes that left the policy and whose queues are still there
	Unused  []lanes.Queue            // queues that the policy doesn't use any more and that aren't known to be empty
	Unseen  []lanes.Queue            // those of them that didn't answer
	Retries map[string]fleet.Delayed // by lane: those that have any
	Waiting map[string]fleet.Waiting // what the ledger knows of each lane's waiting jobs
	Before  *fleet.Snapshot          // what the leader before this one saw last; of a leader's first tick only
	Workers []fleet.Heartbeat        // those that fell silent too
	Pools   map[string]fleet.PoolState
}

// ByPool returns the workers of each pool.
func (o Observation) ByPool() map[string][]fleet.Heartbeat {
	workers, pools := map[string]int{}, map[string][]fleet.Heartbeat{}
	for _, w := range o.Workers {
		workers[w.Pool]++
	}
	for pool, n := range workers {
		pools[pool] = make([]fleet.Heartbeat, 0, n)
	}
	for _, w := range o.Workers {
		pools[w.Pool] = append(pools[w.Pool], w)
	}
	return pools
}

// members returns the names of all of the fleet's workers.
func (o Observation) members() map[string]bool {
	all := map[string]bool{}
	for _, state := range o.Pools {
		for _, m := range state.Members {
			all[m.Name] = true
		}
	}
	return all
}

// LaneNames returns the lanes of the policy, and the others that the broker was asked for.
func (o Observation) LaneNames(p *lanes.Policy) []string {
	names := p.LaneNames()
	current := make(map[string]bool, len(names))
	for _, name := range names {
		current[name] = true
	}
	for name := range o.Depths {
		if !current[name] {
			names = append(names, name)
		}
	}
	return names
}

// whole reports whether all existing queues of a lane have answered.
func (o Observation) whole(lane string) bool {
	return !slices.ContainsFunc(o.Unused, func(q lanes.Queue) bool { return q.Lane == lane })
}

// PartlySeen reports whether a queue that the lane had before didn't answer: what is in it isn't counted.
func (o Observation) PartlySeen(lane string) bool {
	return slices.ContainsFunc(o.Unseen, func(q lanes.Queue) bool { return q.Lane == lane })
}

// subscribed returns the lanes that a worker with an idle shared slot takes from: their queues must have a consumer. A
// paused lane's queue has none.
func subscribed(p *lanes.Policy, o Observation) map[string]bool {
	pools, all := map[string]bool{}, map[string]bool{}
	for _, w := range o.Workers {
		if w.Subscribed && !w.Parked && !w.Retired && !w.Draining && !pools[w.Pool] &&
			o.At.Sub(w.At) <= p.Timing.Fresh() {
			pools[w.Pool] = w.OnShared() < w.Slots
		}
	}
	for _, q := range p.Pools {
		for _, lane := range q.Lanes {
			all[lane] = pools[q.Name]
		}
	}
	for _, l := range p.Lanes {
		if l.Paused {
			delete(all, l.Name)
		}
	}
	return all
}
