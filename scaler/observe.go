package scaler

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// freshFor is how old a heartbeat may be for its worker's slots to count as ready.
const freshFor = 3 * time.Second

// Observation is what one tick saw. Anything that couldn't be had is absent, never zero.
type Observation struct {
	At      time.Time // by the roster's clock, as the heartbeats are
	Depths  map[string]lanes.Depth
	Retries map[string]Retries
	Workers []lanes.Heartbeat
	Pools   map[string]lanes.PoolState
}

// Retries is how many jobs of a lane wait for their next attempt, and when the first of them is ready.
type Retries struct {
	Count int
	Next  time.Time
}

// poolView is one pool as the law and the shrinking need it.
type poolView struct {
	lanes.Pool
	state    lanes.PoolState
	workers  []lanes.Heartbeat // those that aren't gone
	taking   []lanes.Heartbeat // of them: fresh, and not parked, retired or draining
	ready    int               // shared slots of the taking workers
	running  map[string]int    // jobs on shared slots of taking workers, by lane
	onParked map[string]int    // jobs on shared slots of parked workers, by lane
	ages     map[string][]time.Duration
	parked   int // idle shared slots of parked, not retired workers
	aside    int // jobs on shoulders
	shoulder int // free shoulder slots of taking workers
	retired  []string
	stuck    []lanes.Member
	starting int
	silent   int // live members that should have a heartbeat and haven't
}

// viewPool sums up one pool. A heartbeat older than goneAfter belongs to a worker that is gone.
func viewPool(q lanes.Pool, o Observation, h History, goneAfter time.Duration) poolView {
	v := poolView{
		Pool: q, state: o.Pools[q.Name],
		running: map[string]int{}, onParked: map[string]int{}, ages: map[string][]time.Duration{},
	}
	beating := map[string]bool{}
	for _, w := range o.Workers {
		age := o.At.Sub(w.At)
		if w.Pool != q.Name || age > goneAfter {
			continue
		}
		beating[w.Worker] = true
		v.workers = append(v.workers, w)
		v.addWorker(w, o.At, age <= freshFor)
	}
	for _, m := range v.state.Members {
		_, met := h.Workers[m.Name]
		switch {
		case m.Leaving || beating[m.Name]:
		case m.Stuck != "":
			v.stuck = append(v.stuck, m)
		case met:
			v.silent++
		default:
			v.starting++
		}
	}
	return v
}

func (v *poolView) addWorker(w lanes.Heartbeat, at time.Time, fresh bool) {
	shared, aside := map[string]int{}, 0
	used := 0
	for _, r := range w.Running {
		v.ages[r.Lane] = append(v.ages[r.Lane], at.Sub(r.Since))
		if r.Shoulder {
			aside++
			continue
		}
		shared[r.Lane]++
		used++
	}
	v.aside += aside
	switch {
	case w.Draining:
	case w.Retired:
		v.retired = append(v.retired, w.Worker)
	case w.Parked:
		v.parked += max(0, w.Slots-used)
		add(v.onParked, shared)
	case !fresh:
		add(v.onParked, shared) // its jobs run on; its slots don't count
	default:
		v.taking = append(v.taking, w)
		v.ready += w.Slots
		v.shoulder += max(0, w.Shoulder-aside)
		add(v.running, shared)
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

// existing is every replica that counts against the budget: those asked for, and those still leaving.
func (v poolView) existing() int {
	leaving := 0
	for _, m := range v.state.Members {
		if m.Leaving {
			leaving++
		}
	}
	return max(v.state.Replicas, len(v.state.Members)-leaving) + leaving
}

// deaf is whether most of what the pool should hear from is silent: then nothing is known about it.
func (v poolView) deaf() bool { return v.silent > 0 && v.silent >= len(v.workers) }

// subscribedTo is whether a worker with an idle shared slot takes from the lane: then its queue must have a consumer.
func subscribedTo(lane string, workers []lanes.Heartbeat, at time.Time, p *lanes.Policy) bool {
	for _, w := range workers {
		q, ok := p.Pool(w.Pool)
		if !ok || !slices.Contains(q.Lanes, lane) || !w.Subscribed || w.Parked || w.Retired || w.Draining || at.Sub(w.At) > freshFor {
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
