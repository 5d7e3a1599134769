package scaler

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// poolView is one pool as the law and the shrinking need it.
type poolView struct {
	lanes.Pool
	state        fleet.PoolState
	unseen       bool              // the fleet said nothing of it: state is what it said last
	workers      []fleet.Heartbeat // those that aren't gone
	taking       []fleet.Heartbeat // of them: fresh, and not parked, retired or draining
	ready        int               // shared slots of the taking workers
	running      map[string]int    // jobs on shared slots of taking workers, by lane
	onParked     map[string]int    // jobs on shared slots of parked workers and those with an old heartbeat, by lane
	ages         map[string]ages   // of the jobs on all of its workers' slots, by lane
	parked       int               // idle shared slots of parked, not retired workers
	onShoulder   int               // jobs on shoulders, but for those of draining workers
	freeShoulder int               // free shoulder slots of taking workers
	retired      []string          // members that may be removed
	stuck        []fleet.Member
	starting     []fleet.Member // of the present ones, those never heard of
	present      int            // members that aren't leaving
	leaving      int
	silent       int // present, and should have a heartbeat and haven't
}

// viewPool sums up one pool and its workers. A heartbeat older than goneAfter belongs to a worker that is gone.
func viewPool(q lanes.Pool, timing lanes.Timing, o Observation, workers []fleet.Heartbeat, h History) poolView {
	served := len(q.Lanes) + len(q.Guests)
	v := poolView{
		Pool: q, running: make(map[string]int, served), onParked: map[string]int{},
		ages: make(map[string]ages, served),
	}
	v.workers, v.taking = make([]fleet.Heartbeat, 0, len(workers)), make([]fleet.Heartbeat, 0, len(workers))
	state, seen := o.Pools[q.Name]
	if v.state, v.unseen = state, !seen; !seen {
		v.state = h.Pools[q.Name].State
	}
	leaving := make(map[string]bool, len(v.state.Members)) // by member
	for _, m := range v.state.Members {
		leaving[m.Name] = m.Leaving
	}
	beating := make(map[string]bool, len(workers))
	for _, w := range workers {
		age := o.At.Sub(w.At)
		if age > timing.GoneAfter.D() {
			continue
		}
		beating[w.Worker] = true
		leaves, member := leaving[w.Worker]
		w.Draining = w.Draining || leaves // it may not have said so yet
		v.workers = append(v.workers, w)
		v.addWorker(w, member, o.At, age <= timing.Fresh())
	}
	for _, m := range v.state.Members {
		v.addMember(m, beating[m.Name], h.met(m.Name, o.At))
	}
	return v
}

func (v *poolView) addWorker(w fleet.Heartbeat, member bool, at time.Time, fresh bool) {
	for _, r := range w.Running {
		v.ages[r.Lane] = v.ages[r.Lane].and(at.Sub(r.Since))
	}
	if w.Draining {
		return // its jobs end with it, or come back to their queues
	}
	used := w.OnShared()
	onShoulder := len(w.Running) - used
	v.onShoulder += onShoulder
	switch {
	case w.Retired:
		// Its promise outlives it on the roster by some seconds: only what the fleet still has can be removed, and only
		// once.
		if member && len(w.Running) == 0 {
			v.retired = append(v.retired, w.Worker)
		}
	case w.Parked:
		v.parked += max(0, w.Slots-used)
		add(v.onParked, w)
	case !fresh:
		add(v.onParked, w) // its jobs run on, perhaps; nothing is expected of its idle slots
	default:
		v.taking = append(v.taking, w)
		v.ready += w.Slots
		v.freeShoulder += max(0, w.Shoulder-onShoulder)
		add(v.running, w)
	}
}

func (v *poolView) addMember(m fleet.Member, beating, met bool) {
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

// add counts the jobs on a worker's shared slots, by lane.
func add(to map[string]int, w fleet.Heartbeat) {
	for _, r := range w.Running {
		if !r.Shoulder {
			to[r.Lane]++
		}
	}
}

// ages is how many jobs run, and for how long by now: all together.
type ages struct {
	jobs int
	sum  time.Duration
}

func (a ages) and(age time.Duration) ages { return ages{a.jobs + 1, a.sum + age} }

// mean returns 0 when none runs.
func (a ages) mean() time.Duration { return a.sum / time.Duration(max(1, a.jobs)) }

func sum(m map[string]int) (total int) {
	for _, n := range m {
		total += n
	}
	return total
}

// guests returns how many jobs of lanes that the pool isn't home to run on its ready slots.
func (v poolView) guests() int {
	n := 0
	for lane, jobs := range v.running {
		if !slices.Contains(v.Lanes, lane) {
			n += jobs
		}
	}
	return n
}

// retiredReplicas returns how many of the replicas asked for are retired and only there to be removed. Those that the
// count no longer includes don't count: the cluster ends them in its own time.
func (v poolView) retiredReplicas() int {
	onTheirWay := max(0, v.present-v.state.Replicas)
	return max(0, len(v.retired)-onTheirWay)
}

// replicas returns how many of those asked for may take jobs, now or when they have started.
func (v poolView) replicas() int { return max(0, v.state.Replicas-v.retiredReplicas()) }

// existing returns every replica that counts against the budget: those asked for or those present, whichever is more,
// and those still leaving.
func (v poolView) existing() int { return max(v.state.Replicas, v.present) + v.leaving }

// settled reports whether the fleet has done what it was told. Until then nothing is removed: a replica that never was
// ready would go before a retired one, and an earlier removal could be counted twice.
func (v poolView) settled() bool { return v.present == v.state.Replicas && len(v.starting) == 0 }

// deaf reports whether most of the pool's workers are silent. Then nothing is known about the pool.
func (v poolView) deaf() bool { return v.silent > len(v.workers) }

// frozen reports whether nothing can be added now.
func (v poolView) frozen() bool {
	return v.unseen || v.deaf() || v.state.Foreign != "" || len(v.stuck) > 0
}
