package law

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// t0 is when every test begins.
var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

// world is a tiny fleet under Decide: queues, workers that start after D, run jobs, obey orders at their heartbeat, and
// a cluster that picks what to remove as Kubernetes does: those that never were ready first, then those named. Time is
// a number that the tests move. Every tick is checked for what must never happen.
type world struct {
	t       testing.TB
	p       *lanes.Policy
	now     time.Time
	cold    time.Duration            // D
	service map[string]time.Duration // S by lane
	lag     time.Duration            // of the cluster, from Scale to the first start or end
	queues  map[string][]time.Time   // when the waiting jobs became ready
	pools   map[string]*worldPool
	roster  map[string]fleet.Heartbeat
	see     func(*facts.Observation) // what is wrong with the scaler's eyes
	history facts.History
	d       Decision
	plans   []fleet.Plan               // all that changed anything
	waits   map[string][]time.Duration // of started jobs, by lane
	swings  int                        // how often a worker was parked or let go
	lastRet map[string]time.Time       // the last round of retirement, by pool
	seed    uint64
	takes   func(lane string) time.Duration       // how long the next job runs, instead of what service says
	predict func(run time.Duration) time.Duration // what a worker predicts of a job that will run so long
	spent   time.Duration                         // by all workers together, from their creation
}

type worldPool struct {
	lanes.Pool
	replicas  int
	changed   time.Time // when replicas last did
	victims   map[string]bool
	workers   []*worldWorker
	names     int
	generated int
	rollout   bool
	stuck     string // new replicas can't start
}

type worldWorker struct {
	fleet.Heartbeat
	created       time.Time
	up            bool
	beats         time.Duration // phase of its heartbeat
	parkUntil     time.Time
	retireOrdered bool
	leaving       bool
	goneAt        time.Time
	ends          []time.Time // of Running
	stuck         string
}

const step = 100 * time.Millisecond

// newWorld starts with every pool at min, up and idle.
func newWorld(t testing.TB, policy string) *world {
	t.Helper()
	p, err := lanes.Parse([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, p: p, now: t0, cold: 4 * time.Second, service: map[string]time.Duration{}, lag: 300 * time.Millisecond,
		queues: map[string][]time.Time{}, pools: map[string]*worldPool{}, roster: map[string]fleet.Heartbeat{},
		waits: map[string][]time.Duration{}, lastRet: map[string]time.Time{},
	}
	for _, l := range p.Lanes {
		w.service[l.Name] = 2 * time.Second
	}
	for _, q := range p.Pools {
		pool := &worldPool{Pool: q, replicas: q.Min, victims: map[string]bool{}}
		w.pools[q.Name] = pool
		for range q.Min {
			w.add(pool).up = true
		}
	}
	return w
}

func (w *world) add(q *worldPool) *worldWorker {
	q.names++
	_, aside := q.Shoulders()
	n := &worldWorker{
		Heartbeat: fleet.Heartbeat{
			Worker: fmt.Sprintf("%s-%03d", q.Name, q.names), Pool: q.Name, Slots: q.Slots,
			Shoulder: aside, Subscribed: true, Lanes: map[string]fleet.LaneWork{},
		},
		created: w.now, beats: time.Duration(q.names*3%10) * step, stuck: q.stuck,
	}
	q.workers = append(q.workers, n)
	return n
}

// put makes n jobs ready in a lane.
func (w *world) put(lane string, n int) {
	for range n {
		w.queues[lane] = append(w.queues[lane], w.now)
	}
}

// run lets the time pass, with a tick of the scaler every second.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.live()
		if w.now.Sub(t0)%time.Second == 0 {
			w.tick()
		}
		w.now = w.now.Add(step)
	}
}

// until lets the time pass until done, at most for a while.
func (w *world) until(what string, limit time.Duration, done func() bool) time.Duration {
	w.t.Helper()
	began := w.now
	for !done() {
		if w.now.Sub(began) > limit {
			w.t.Fatalf("after %s still not: %s\n%s", limit, what, w.told())
		}
		w.run(time.Second)
	}
	return w.now.Sub(began)
}

// tune changes the policy in force, as tunings do.
func (w *world) tune(field, value string) {
	w.t.Helper()
	tuned, err := w.p.With(lanes.Tuning{Field: field, Value: json.RawMessage(value)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.p = tuned
}

// live runs one step of the fleet without its scaler.
func (w *world) live() {
	for _, q := range w.pools {
		w.reconcile(q)
		w.spent += time.Duration(len(q.workers)) * step
		for _, n := range q.workers {
			w.finish(n)
			if !n.up && n.stuck == "" && w.now.Sub(n.created) >= w.cold {
				n.up, n.Began = true, w.now
			}
		}
	}
	for _, q := range w.p.Pools {
		w.take(w.pools[q.Name])
	}
	for _, q := range w.pools {
		for _, n := range q.workers {
			if n.up && w.now.Sub(t0)%time.Second == n.beats {
				w.beat(n)
			}
		}
		q.workers = slices.DeleteFunc(q.workers, func(n *worldWorker) bool {
			return !n.goneAt.IsZero() && !w.now.Before(n.goneAt)
		})
	}
	maps.DeleteFunc(w.roster, func(_ string, hb fleet.Heartbeat) bool { return w.now.Sub(hb.At) > time.Minute })
}

// reconcile starts and ends workers, as a Deployment's controllers do some time after the number changed.
func (w *world) reconcile(q *worldPool) {
	if w.now.Sub(q.changed) < w.lag {
		return
	}
	var there []*worldWorker
	for _, n := range q.workers {
		if !n.leaving {
			there = append(there, n)
		}
	}
	for range q.replicas - len(there) {
		w.add(q)
	}
	slices.SortStableFunc(there, func(a, b *worldWorker) int {
		if a.up != b.up {
			return btoi(a.up) - btoi(b.up)
		}
		if va, vb := q.victims[a.Worker], q.victims[b.Worker]; va != vb {
			return btoi(vb) - btoi(va)
		}
		return b.created.Compare(a.created)
	})
	for i := range max(0, len(there)-q.replicas) {
		n := there[i]
		if n.up && (!n.Retired || len(n.Running) > 0) {
			w.t.Errorf("%s: the cluster removed %s, which %s", w.clock(), n.Worker, describe(n))
		}
		n.leaving, n.goneAt = true, w.now.Add(700*time.Millisecond)
	}
}

func (w *world) finish(n *worldWorker) {
	for i := 0; i < len(n.Running); i++ {
		if w.now.Before(n.ends[i]) {
			continue
		}
		r := n.Running[i]
		l := n.Lanes[r.Lane]
		l.Finished++
		l.Service += lanes.Duration(w.now.Sub(r.Since))
		n.Lanes[r.Lane] = l
		n.Running, n.ends = slices.Delete(slices.Clone(n.Running), i, i+1), slices.Delete(n.ends, i, i+1)
		i--
	}
}

// take fills free shared slots, then shoulders.
func (w *world) take(q *worldPool) {
	e := lanes.Effective{Policy: *w.p, Turns: w.d.Turns, NoGuests: w.d.NoGuests}
	for _, n := range q.workers {
		for n.takes() && w.used(n, false) < n.Slots {
			order := e.TakeOrder(q.Name, q.generated)
			i := slices.IndexFunc(order, func(l string) bool { return len(w.queues[l]) > 0 })
			if i < 0 {
				break
			}
			q.generated++
			w.start(n, order[i], false)
		}
	}
	lane, _ := q.Shoulders()
	if w.p.Paused(lane) {
		return
	}
	for _, n := range q.workers {
		for n.takes() && w.used(n, true) < n.Shoulder && len(w.queues[lane]) > 0 {
			w.start(n, lane, true)
		}
	}
}

func (n *worldWorker) takes() bool { return n.up && !n.Parked && !n.Retired && !n.leaving }

func (w *world) used(n *worldWorker, shoulder bool) (used int) {
	for _, r := range n.Running {
		if r.Shoulder == shoulder {
			used++
		}
	}
	return used
}

func (w *world) start(n *worldWorker, lane string, shoulder bool) {
	ready := w.queues[lane][0]
	w.queues[lane] = w.queues[lane][1:]
	w.waits[lane] = append(w.waits[lane], w.now.Sub(ready))
	l := n.Lanes[lane]
	l.Started++
	l.First++
	l.Waits = append(slices.Clone(l.Waits), w.now.Sub(ready).Milliseconds())
	l.Waits = l.Waits[max(0, len(l.Waits)-fleet.RecentWaits):]
	l.LastReady = ready
	n.Lanes[lane] = l
	runs, predicted := w.serviceOf(lane), time.Duration(0)
	if w.predict != nil {
		predicted = w.predict(runs)
	}
	n.Running = append(slices.Clone(n.Running), fleet.Run{
		Lane: lane, Shoulder: shoulder, Since: w.now, Predicted: lanes.Duration(predicted),
	})
	n.ends = append(n.ends, w.now.Add(runs))
}

// serviceOf returns the lane's service time, half of it or one and a half times it, in turns.
func (w *world) serviceOf(lane string) time.Duration {
	if w.takes != nil {
		return w.takes(lane)
	}
	w.seed = w.seed*6364136223846793005 + 1442695040888963407
	return w.service[lane] * time.Duration(1+w.seed>>33%3) / 2
}

// beat reports, and then obeys.
func (w *world) beat(n *worldWorker) {
	hb := n.Heartbeat
	hb.At, hb.Lanes, hb.Draining = w.now, maps.Clone(n.Lanes), n.leaving
	w.roster[n.Worker] = hb
	n.Parked = n.Retired || n.retireOrdered || w.now.Before(n.parkUntil)
	n.Retired = n.Retired || n.retireOrdered && len(n.Running) == 0
}

// tick runs one round of the scaler, as Loop does.
func (w *world) tick() {
	w.t.Helper()
	o := facts.Observation{At: w.now, Depths: map[string]fleet.Depth{}, Pools: map[string]fleet.PoolState{}}
	for _, l := range w.p.Lanes {
		o.Depths[l.Name] = fleet.Depth{Ready: len(w.queues[l.Name]), Consumers: 1 - btoi(l.Paused)}
	}
	for _, name := range slices.Sorted(maps.Keys(w.roster)) {
		o.Workers = append(o.Workers, w.roster[name])
	}
	for name, q := range w.pools {
		s := fleet.PoolState{Replicas: q.replicas, Rollout: q.rollout}
		for _, n := range q.workers {
			m := fleet.Member{Name: n.Worker, CreatedAt: n.created, Leaving: n.leaving}
			if !n.up && w.now.Sub(n.created) > 2*time.Second {
				m.Stuck = n.stuck
			}
			s.Members = append(s.Members, m)
		}
		o.Pools[name] = s
	}
	if w.see != nil {
		w.see(&o)
	}
	w.d, w.history = Decide(w.p, o, w.history)
	for _, problem := range wrong(w.p, o, w.d) {
		w.t.Errorf("%s: %s", w.clock(), problem)
	}
	for _, p := range w.d.Plans {
		w.apply(p)
	}
}

// changes reports whether carrying a plan out does anything.
func changes(p fleet.Plan) bool { return p.From != p.To || len(p.Park)+len(p.Unpark)+len(p.Retire) > 0 }

func (w *world) apply(p fleet.Plan) {
	w.t.Helper()
	q := w.pools[p.Pool]
	if changes(p) {
		w.plans = append(w.plans, p)
	}
	find := func(name string) *worldWorker {
		for _, n := range q.workers {
			if n.Worker == name {
				return n
			}
		}
		return &worldWorker{} // gone, with a heartbeat left on the roster
	}
	for _, name := range p.Park {
		n := find(name)
		if !w.now.Before(n.parkUntil) {
			w.swings++
		}
		n.parkUntil = w.now.Add(3 * time.Second)
	}
	for _, name := range p.Unpark {
		if n := find(name); w.now.Before(n.parkUntil) {
			n.parkUntil = time.Time{}
			w.swings++
		}
	}
	if len(p.Retire) > 0 {
		cold := w.history.Pools[p.Pool].ColdStart(w.p.Timing.ColdStart.D())
		if last, ok := w.lastRet[p.Pool]; ok && w.now.Sub(last) < retireEvery(cold) {
			w.t.Errorf("%s: pool %s retires again after %s", w.clock(), p.Pool, w.now.Sub(last))
		}
		w.lastRet[p.Pool] = w.now
		for _, name := range p.Retire {
			find(name).retireOrdered = true
		}
	}
	for _, name := range p.Remove {
		if n := find(name); !n.Retired || len(n.Running) > 0 || n.leaving {
			w.t.Errorf("%s: %s is to be removed, which %s", w.clock(), name, describe(n))
		}
		q.victims[name] = true
	}
	if p.To != p.From {
		q.replicas, q.changed = p.To, w.now
	}
}

// wrong returns what of a decision must never be, whatever was seen.
func wrong(p *lanes.Policy, o facts.Observation, d Decision) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	asked, existing := 0, 0
	for i, plan := range d.Plans {
		q := p.Pools[i]
		s, seen := o.Pools[plan.Pool]
		if !seen {
			s.Replicas = plan.From
		}
		if !seen && changes(plan) && len(plan.Unpark) == 0 {
			bad("%s: is changed unseen: %+v", q.Name, plan)
		}
		if q.Frozen && (plan.From != plan.To || len(plan.Park)+len(plan.Retire)+len(plan.Remove) > 0) {
			bad("%s is frozen: %+v", q.Name, plan)
		}
		leaving := 0
		members := map[string]fleet.Member{}
		for _, m := range s.Members {
			members[m.Name] = m
			if m.Leaving {
				leaving++
			}
		}
		exist := max(s.Replicas, len(s.Members)-leaving) + leaving
		asked += plan.To + (exist - s.Replicas)
		existing += exist
		if plan.Pool != q.Name || plan.From != s.Replicas || plan.At != o.At || plan.Why == "" || plan.Reason == "" {
			bad("an odd plan: %+v", plan)
		}
		if plan.To > max(q.Max, plan.From) {
			bad("%s: %d is above max %d", q.Name, plan.To, q.Max)
		}
		if plan.To < plan.From && plan.From-plan.To != len(plan.Remove) || plan.To >= plan.From &&
			len(plan.Remove) > 0 {
			bad("%s: %d → %d removes %v", q.Name, plan.From, plan.To, plan.Remove)
		}
		beats := map[string]fleet.Heartbeat{}
		for _, w := range o.Workers {
			if w.Pool == q.Name {
				beats[w.Worker] = w
			}
		}
		for _, name := range plan.Remove {
			if w, m := beats[name], members[name]; !w.Retired || len(w.Running) > 0 || m.Name == "" || m.Leaving {
				bad("%s: removes %s: %+v, %+v", q.Name, name, w, m)
			}
		}
		for _, name := range plan.Retire {
			if w := beats[name]; !w.Parked || len(w.Running) > 0 || !slices.Contains(plan.Park, name) {
				bad("%s: retires %s: %+v", q.Name, name, w)
			}
		}
		for _, name := range append(slices.Clone(plan.Park), plan.Unpark...) {
			if _, known := beats[name]; !known || beats[name].Retired {
				bad("%s: orders %s about", q.Name, name)
			}
		}
	}
	for lane := range d.Turns {
		if p.Paused(lane) {
			bad("%s is paused and takes turns", lane)
		}
	}
	if asked > max(p.Budget, existing) {
		bad("%d replicas, with a budget of %d and %d existing", asked, p.Budget, existing)
	}
	return problems
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func describe(n *worldWorker) string {
	return fmt.Sprintf("has up=%v parked=%v retired=%v leaving=%v and runs %d jobs", n.up, n.Parked, n.Retired,
		n.leaving, len(n.Running))
}

func (w *world) clock() string { return fmt.Sprintf("%5.1fs", w.now.Sub(t0).Seconds()) }

// told returns the plans that changed something, for messages.
func (w *world) told() string {
	s := ""
	for _, p := range w.plans {
		s += fmt.Sprintf("%5.0fs %s %d → %d park %v unpark %v retire %v remove %v [%s] %s\n",
			p.At.Sub(t0).Seconds(), p.Pool, p.From, p.To, len(p.Park), len(p.Unpark), p.Retire, p.Remove, p.Reason,
			p.Why)
	}
	return s
}

// plan returns the last one of a pool.
func (w *world) plan(pool string) fleet.Plan {
	for _, p := range w.d.Plans {
		if p.Pool == pool {
			return p
		}
	}
	return fleet.Plan{}
}

func (w *world) running(pool string) (n int) {
	for _, worker := range w.pools[pool].workers {
		n += len(worker.Running)
	}
	return n
}

// snapshotOf returns a History as text, to compare it later.
func snapshotOf(t testing.TB, h facts.History) string {
	t.Helper()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
