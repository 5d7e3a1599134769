package sim

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Controller decides how many workers there are. Siren is the project's own; package rival has others.
type Controller interface {
	// Every is how often it looks.
	Every() time.Duration
	// Decide looks, and says what is to be changed.
	Decide(v *View) Wanted
}

// Wanted is what a controller wants changed. A plan names its pool; one that changes nothing may be left out.
type Wanted struct {
	Plans    []fleet.Plan
	Turns    map[string]string // as in law.Decision
	NoGuests []string
	Policy   *lanes.Policy // that is in force from now on; nil: as before
}

// Plant is a fleet and its queues in the simulation.
type Plant struct {
	c          Config
	policy     *lanes.Policy
	controller Controller
	began      time.Time
	now, end   int64 // ns since the beginning
	rand       *rand.Rand
	agenda     agenda
	lanes      []lane
	pools      []pool
	workers    []*worker // by index; nil: none, and the index is free
	free       []int32
	births     uint32
	existing   int   // workers that have a place, and count against the budget
	heartbeat  int64 // ns between two
	next       Job
	more       bool
	away       []returning // jobs that will be in their queue again, by index
	freeAway   []int32
	films      []film
	freeFilms  []int32
	kinds      kinds
	effective  lanes.Effective
	following  bool // the workers will hear of effective
	heard      bool // somebody listens to heartbeats: until then there is only each worker's first
	view       View
	book       book
}

// lane is a lane's queue and who may take from it.
type lane struct {
	lanes.Lane
	queue    queue
	weight   float64 // of its jobs, as Linux has it
	running  int
	away     int
	shared   []int32 // pools of which the shared slots may take it now
	shoulder []int32 // pools with a shoulder for it
}

// returning is a job on its way back to its queue.
type returning struct {
	waiting
	lane int32
}

// film is a split job: how many of its parts haven't ended.
type film struct{ left, parts int32 }

// pool is a pool's replicas.
type pool struct {
	lanes.Pool
	replicas int
	acting   bool     // its controllers will act
	victims  []string // that the scaler named
	members  []int32
	names    int
	orders   [][]int32 // lanes to take, by turn
	sharedly idlers    // workers with a free shared slot
	shoulder idlers    // and those with a free shoulder
	special  int32     // the shoulder's lane; -1: none
	aside    int       // shoulder slots of a worker
}

// often is after how many events it looks whether ctx has ended.
const often = 1 << 14

// Run plays the whole of it, unless ctx ends before.
func Run(ctx context.Context, c Config, controller Controller) (*Result, error) {
	if c.Policy == nil || c.Load == nil || c.For <= 0 {
		return nil, errConfig
	}
	p := newPlant(c, controller)
	for len(p.agenda.heap) > 0 {
		e := p.agenda.next()
		if e.at > p.end {
			break
		}
		p.now = e.at
		if p.book.events++; p.book.events%often == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p.happen(e)
	}
	p.now = p.end
	return p.result(), nil
}

func newPlant(c Config, controller Controller) *Plant {
	p := &Plant{
		c: c, policy: c.Policy, controller: controller, end: int64(c.For), rand: rand.New(rand.NewPCG(c.Seed, 1)),
		heartbeat: int64(c.Policy.Timing.Heartbeat), effective: lanes.Effective{Policy: *c.Policy},
	}
	p.view.p = p
	if p.began = c.Start; p.began.IsZero() {
		p.began = beginning
	}
	for _, l := range c.Policy.Lanes {
		nice := float64(c.Policy.Nice(l.Name))
		p.lanes = append(p.lanes, lane{Lane: l, weight: math.Pow(1.25, -nice)})
		p.book.addLane()
	}
	for i, q := range c.Policy.Pools {
		name, aside := q.Shoulders()
		n := pool{Pool: q, replicas: q.Min, special: -1, aside: aside}
		if aside > 0 {
			n.special = int32(c.Policy.Rank(name))
			p.lanes[n.special].shoulder = append(p.lanes[n.special].shoulder, int32(i))
		}
		p.pools = append(p.pools, n)
	}
	p.book.pools = make([]spent, len(p.pools))
	p.takeOrders()
	for i := range p.pools {
		for range p.pools[i].Min {
			p.begin(p.create(int32(i)))
		}
	}
	p.arrive()
	p.agenda.put(event{at: 0, kind: look})
	if c.Sample > 0 {
		p.agenda.put(event{at: int64(c.Sample), kind: sample})
	}
	return p
}

func (p *Plant) happen(e event) {
	switch e.kind {
	case arrives:
		p.push(int32(p.next.Lane), waiting{
			ready: p.now, work: int64(p.next.Service), film: -1, parts: int32(p.next.Parts), attempt: 1,
			kind: int16(min(max(0, p.next.Kind), MostKinds)),
		})
		p.book.lanes[p.next.Lane].arrived++
		p.arrive()
	case back:
		r := p.away[e.worker]
		p.freeAway = append(p.freeAway, e.worker)
		p.lanes[r.lane].away--
		r.ready = p.now
		p.push(r.lane, r.waiting)
	case look:
		p.apply(p.controller.Decide(&p.view))
		p.agenda.put(event{at: p.now + int64(p.controller.Every()), kind: look})
	case follow:
		p.following = false
		p.takeOrders()
		p.offerAll()
	case reconcile:
		p.reconcile(e.worker)
	case sample:
		p.sample()
		p.agenda.put(event{at: p.now + int64(p.c.Sample), kind: sample})
	default:
		w := p.workers[e.worker]
		if w == nil {
			return
		}
		if e.kind == ends {
			if int(e.slot) < len(w.slots) && w.slots[e.slot].birth == e.birth {
				p.ended(w, e.slot)
			}
			return
		}
		if w.birth == e.birth {
			p.happenTo(w, e.kind)
		}
	}
}

func (p *Plant) happenTo(w *worker, k kind) {
	switch k {
	case begins:
		p.begin(w)
	case beats:
		p.beat(w)
	case crashes:
		p.crash(w)
	default: // gone
		p.goes(w)
	}
}

// arrive takes the load's next job.
func (p *Plant) arrive() {
	if p.next, p.more = p.c.Load.Next(); p.more {
		p.agenda.put(event{at: max(p.now, int64(p.next.At)), kind: arrives})
	}
}

// push puts a job into its queue, and has a slot take it that is idle.
func (p *Plant) push(l int32, w waiting) {
	p.lanes[l].queue.push(w)
	p.offer(l)
}

// sendAway has a job come back to its queue after a while.
func (p *Plant) sendAway(l int32, w waiting, after int64) {
	i := int32(len(p.away))
	if last := len(p.freeAway) - 1; last >= 0 {
		i, p.freeAway = p.freeAway[last], p.freeAway[:last]
	} else {
		p.away = append(p.away, returning{})
	}
	p.away[i] = returning{w, l}
	p.lanes[l].away++
	p.agenda.put(event{at: p.now + after, kind: back, worker: i})
}

// takeOrders makes what slots go by when they take jobs: for each turn that differs from another.
func (p *Plant) takeOrders() {
	turns := 1
	for _, l := range p.policy.Lanes {
		n := 1
		for _, to := range p.effective.Turns {
			if to == l.Name {
				n++
			}
		}
		turns = min(turns*n, maxTurns)
	}
	for i := range p.lanes {
		p.lanes[i].shared = p.lanes[i].shared[:0]
	}
	for i := range p.pools {
		q := &p.pools[i]
		q.orders = q.orders[:0]
		for turn := range turns {
			names := p.effective.TakeOrder(q.Name, turn)
			order := make([]int32, len(names))
			for k, name := range names {
				order[k] = int32(p.policy.Rank(name))
			}
			q.orders = append(q.orders, order)
		}
		for _, l := range q.orders[0] {
			p.lanes[l].shared = append(p.lanes[l].shared, int32(i))
		}
	}
}

// maxTurns is after how many jobs the order of turns begins again at the latest.
const maxTurns = 60

// apply carries the plans out as the scaler's loop does: orders wait for the workers' heartbeats, replicas for the
// cluster.
func (p *Plant) apply(wanted Wanted) {
	for _, plan := range wanted.Plans {
		i := slices.IndexFunc(p.pools, func(q pool) bool { return q.Name == plan.Pool })
		p.order(&p.pools[i], plan)
		p.scale(int32(i), plan)
		p.book.note(p.now, plan)
	}
	changed := p.follow(wanted.Policy)
	if changed || !sameTurns(p.effective, wanted) {
		p.effective.Turns, p.effective.NoGuests = wanted.Turns, wanted.NoGuests
		if !p.following { // a worker hears of it with its next heartbeat: half of one later in the mean
			p.following = true
			p.agenda.put(event{at: p.now + p.heartbeat/2, kind: follow})
		}
	}
}

func sameTurns(e lanes.Effective, w Wanted) bool {
	if len(e.Turns) != len(w.Turns) || !slices.Equal(e.NoGuests, w.NoGuests) {
		return false
	}
	for lane, to := range w.Turns {
		if e.Turns[lane] != to {
			return false
		}
	}
	return true
}

// parkLease is how long a worker stays parked without being ordered so again, as internal/redis has it.
const parkLease = int64(5 * time.Second)

// order gives the workers what they will hear at their next heartbeat.
func (p *Plant) order(q *pool, plan fleet.Plan) {
	if len(plan.Park)+len(plan.Unpark)+len(plan.Retire) == 0 {
		return
	}
	for _, i := range q.members {
		w := p.workers[i]
		if slices.Contains(plan.Park, w.name) {
			w.parkUntil = p.now + parkLease
		}
		if slices.Contains(plan.Unpark, w.name) {
			w.parkUntil = 0
		}
		if slices.Contains(plan.Retire, w.name) {
			w.retireOrdered, w.retireFor = true, max(int64(plan.RetireFor), int64(time.Minute))
		}
	}
}

// scale sets a pool's replicas.
func (p *Plant) scale(i int32, plan fleet.Plan) {
	q := &p.pools[i]
	q.victims = append(q.victims, plan.Remove...)
	if plan.To == q.replicas {
		return
	}
	q.replicas = plan.To
	p.book.pools[i].changes++
	if !q.acting {
		q.acting = true
		p.agenda.put(event{at: p.now + int64(p.c.Lag), kind: reconcile, worker: i})
	}
}
