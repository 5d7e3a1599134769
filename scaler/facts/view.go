package facts

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// PoolView is one pool as the law and the shrinking need it.
type PoolView struct {
	lanes.Pool
	State        fleet.PoolState
	Unseen       bool              // the fleet said nothing of it: State is what it said last
	Workers      []fleet.Heartbeat // those that aren't gone
	Taking       []fleet.Heartbeat // of them: fresh, and not parked, retired or draining
	Ready        int               // shared slots of the taking workers
	Running      map[string]int    // jobs on shared slots of taking workers, by lane
	OnParked     map[string]int    // jobs on shared slots of parked workers and those with an old heartbeat, by lane
	Ages         map[string]Ages   // of the jobs on all of its workers' slots, by lane
	Parked       int               // idle shared slots of parked, not retired workers
	OnShoulder   int               // jobs on shoulders, but for those of draining workers
	FreeShoulder int               // free shoulder slots of taking workers
	Retired      []string          // members that may be removed
	Stuck        []fleet.Member
	Unready      map[string]bool // members that run, and haven't been ready for a while
	Starting     []fleet.Member  // of the present ones, those never heard of
	Present      int             // members that aren't leaving
	leaving      int
	Silent       int             // present, and should have a heartbeat and haven't
	Others       map[string]bool // workers that beat and aren't the fleet's: another scaler's, or nobody's
	Helping      int             // of them: those that take jobs
	Doubtful     int             // heartbeats of such workers, which may be gone
}

// ViewPool sums up one pool and its workers. A heartbeat older than goneAfter belongs to a worker that is gone.
func ViewPool(q lanes.Pool, timing lanes.Timing, o Observation, workers []fleet.Heartbeat, h History) PoolView {
	served := len(q.Lanes) + len(q.Guests)
	v := PoolView{
		Pool: q, Running: make(map[string]int, served), OnParked: map[string]int{},
		Ages: make(map[string]Ages, served),
	}
	v.Workers, v.Taking = make([]fleet.Heartbeat, 0, len(workers)), make([]fleet.Heartbeat, 0, len(workers))
	state, seen := o.Pools[q.Name]
	if v.State, v.Unseen = state, !seen; !seen {
		v.State = h.Pools[q.Name].State
	}
	leaving := make(map[string]bool, len(v.State.Members)) // by member
	for _, m := range v.State.Members {
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
		v.Workers = append(v.Workers, w)
		v.addWorker(w, member, o.At, age <= timing.Fresh())
		switch others, alive := h.Others(w.Worker); {
		case others && alive:
			v.addOther(w)
		case others:
			v.Doubtful++
		}
	}
	for _, m := range v.State.Members {
		v.addMember(m, beating[m.Name], h.met(m.Name, o.At))
	}
	return v
}

func (v *PoolView) addWorker(w fleet.Heartbeat, member bool, at time.Time, fresh bool) {
	for _, r := range w.Running {
		v.Ages[r.Lane] = v.Ages[r.Lane].and(at.Sub(r.Since), r.Predicted.D())
	}
	if w.Draining {
		return // its jobs end with it, or come back to their queues
	}
	used := w.OnShared()
	onShoulder := len(w.Running) - used
	v.OnShoulder += onShoulder
	switch {
	case w.Retired:
		// Its promise outlives it on the roster by some seconds: only what the fleet still has can be removed, and only
		// once.
		if member && len(w.Running) == 0 {
			v.Retired = append(v.Retired, w.Worker)
		}
	case w.Parked:
		v.Parked += max(0, w.Slots-used)
		add(v.OnParked, w)
	case !fresh:
		add(v.OnParked, w) // its jobs run on, perhaps; nothing is expected of its idle slots
	default:
		v.Taking = append(v.Taking, w)
		v.Ready += w.Slots
		v.FreeShoulder += max(0, w.Shoulder-onShoulder)
		add(v.Running, w)
	}
}

func (v *PoolView) addOther(w fleet.Heartbeat) {
	if v.Others == nil { // most often there is none
		v.Others = map[string]bool{}
	}
	v.Others[w.Worker] = true
	if !w.Parked && !w.Retired && !w.Draining {
		v.Helping++
	}
}

func (v *PoolView) addMember(m fleet.Member, beating, met bool) {
	if m.Leaving {
		v.leaving++
		return
	}
	v.Present++
	if m.Unready {
		if v.Unready == nil { // most often there is none
			v.Unready = map[string]bool{}
		}
		v.Unready[m.Name] = true
	}
	switch {
	case beating:
	case m.Stuck != "":
		v.Stuck = append(v.Stuck, m)
	case met:
		v.Silent++
	default:
		v.Starting = append(v.Starting, m)
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

// Ages is how many jobs run, and for how long by now: all together. Of some it is predicted how long they will.
type Ages struct {
	Jobs      int
	sum       time.Duration
	predicted int
	rate      float64 // of the predicted ones: the sum of 1/their run times, in 1/s
}

// and adds a job; predicted is 0 where nobody knows. One that is overdue counts as what it has run.
func (a Ages) and(age, predicted time.Duration) Ages {
	a.Jobs, a.sum = a.Jobs+1, a.sum+age
	if predicted > 0 {
		a.predicted, a.rate = a.predicted+1, a.rate+1/max(predicted, age, time.Millisecond).Seconds()
	}
	return a
}

// perSecond returns how many such jobs as the predicted ones a slot runs in a second, 0 when there are none. It is one
// by the harmonic mean of their run times: of those that run at a moment, long jobs are more than their share.
func (a Ages) perSecond() float64 { return a.rate / float64(max(1, a.predicted)) }

// Mean returns 0 when none runs.
func (a Ages) Mean() time.Duration { return a.sum / time.Duration(max(1, a.Jobs)) }

// GuestJobs returns how many jobs of lanes that the pool isn't home to run on its ready slots.
func (v PoolView) GuestJobs() int {
	n := 0
	for lane, jobs := range v.Running {
		if !slices.Contains(v.Lanes, lane) {
			n += jobs
		}
	}
	return n
}

// RetiredReplicas returns how many of the replicas asked for are retired and only there to be removed. Those that the
// count no longer includes don't count: the cluster ends them in its own time.
func (v PoolView) RetiredReplicas() int {
	onTheirWay := max(0, v.Present-v.State.Replicas)
	return max(0, len(v.Retired)-onTheirWay)
}

// Replicas returns how many of those asked for may take jobs, now or when they have started.
func (v PoolView) Replicas() int { return max(0, v.State.Replicas-v.RetiredReplicas()) }

// Existing returns every replica that counts against the budget: those asked for or those present, whichever is more,
// and those still leaving.
func (v PoolView) Existing() int { return max(v.State.Replicas, v.Present) + v.leaving }

// Most returns the pool's max, less the workers that aren't the fleet's.
func (v PoolView) Most() int { return max(0, v.Max-len(v.Others)) }

// Settled reports whether the fleet has done what it was told. Until then nothing is removed: a replica that never was
// ready would go before a retired one, and an earlier removal could be counted twice.
func (v PoolView) Settled() bool { return v.Present == v.State.Replicas && len(v.Starting) == 0 }

// Deaf reports whether most of the pool's workers are silent. Then nothing is known about the pool.
func (v PoolView) Deaf() bool { return v.Silent > len(v.Workers) }

// CannotGrow reports whether nothing can be added now.
func (v PoolView) CannotGrow() bool {
	return v.Unseen || v.Deaf() || v.State.Foreign != "" || len(v.Stuck) > 0
}
