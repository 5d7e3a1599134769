package fleet

import (
	"container/heap"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Load is what a job takes of the machine that it runs on.
type Load struct {
	Alone time.Duration // how long it runs, or goes on, when nothing keeps cores from it
	Cores float64       // that it uses then; 0: not known, and others don't slow it down
}

// Forecast is what a prediction is made of: the fleet and its lanes as they are seen now. It predicts by playing
// through what would happen if nothing more urgent came, each job took what jobs like it do, and shared its machine's
// cores with the others there (see foreseenHost); if the fleet grew only as it is told now, and shrank once the pool's
// own lanes are empty; and if pools that are shut to guests let them in again when their own lanes are in time.
type Forecast struct {
	Effective *lanes.Effective
	Snapshot  Snapshot
	Workers   []Heartbeat
	// Left is what is left of running jobs; of one that isn't in it: of its lane's Service.
	Left map[string]Load
	// Waiting is what each lane's next jobs take, in their order; those behind them take as much on average, and all of
	// a lane that isn't in it the lane's Service.
	Waiting map[string][]Load
}

const (
	farthest   = 24 * time.Hour // no prediction goes beyond
	mostEvents = 400_000        // nor beyond so many starts and ends
)

// play is a forecast as it is played through.
type play struct {
	Forecast
	waiting map[string]int           // by lane
	started map[string]int           // of them
	doors   map[string]time.Duration // when the pools that are closed to guests open
	own     map[string]int           // jobs of the pool's own lanes that run on its shared slots
	shared  map[string]int           // shared slots of the pool that take jobs
	leaves  map[string]time.Duration // from when on the pool keeps no more than its min, once its own lanes are empty
}

// Start predicts how long it takes, from the snapshot on, until a job of the lane starts that has so many others of its
// lane before it. It is false when no slot will take it: the lane is paused, or no worker that serves it is there or on
// its way.
func (f Forecast) Start(lane string, ahead int) (time.Duration, bool) {
	p := &play{
		Forecast: f, waiting: map[string]int{}, started: map[string]int{}, doors: f.doors(), own: map[string]int{},
		shared: map[string]int{}, leaves: map[string]time.Duration{},
	}
	for _, l := range f.Snapshot.Lanes {
		p.waiting[l.Name] = l.Ready
	}
	p.waiting[lane] = ahead + 1
	hosts := p.hosts()
	heap.Init(&hosts)
	for events := 0; len(hosts) > 0 && events < mostEvents; events++ {
		h := hosts[0]
		s, at := h.event, h.at
		if s == nil || at > farthest {
			heap.Pop(&hosts)
			continue
		}
		h.pass(at)
		if s.left > 0 {
			p.end(s, at)
		} else if p.take(s, lane) {
			return at, true
		}
		h.plan()
		heap.Fix(&hosts, 0)
	}
	return 0, false
}

// take has an idle slot take a job, wait for one, or leave. It is true when the lane's last job starts.
func (p *play) take(s *foreseenSlot, lane string) bool {
	next, at := p.next(s, p.waiting, p.doors)
	switch {
	case next == "" || p.gone(s): // nothing comes any more that it could take
		s.host.remove(s)
		if s.lane == "" {
			p.shared[s.pool]--
		}
		return false
	case at > s.free:
		s.free = at
		return false
	}
	p.waiting[next]--
	if next == lane && p.waiting[lane] == 0 {
		return true
	}
	p.keepShut(p.doors, s, next)
	s.turn++
	p.run(s, next, p.load(next))
	return false
}

// run has a slot run a job.
func (p *play) run(s *foreseenSlot, lane string, l Load) {
	s.runs, s.cores, s.left = lane, l.Cores, max(l.Alone, time.Millisecond)
	s.weight = weight(p.Effective.Policy.Nice(lane))
	if p.isOwn(s) {
		p.own[s.pool]++
	}
}

// end ends a slot's job.
func (p *play) end(s *foreseenSlot, at time.Duration) {
	s.left, s.free = 0, at
	if p.isOwn(s) {
		p.own[s.pool]--
	}
}

// isOwn reports whether the slot is a shared one with a job of its pool's own.
func (p *play) isOwn(s *foreseenSlot) bool {
	q, _ := p.Effective.Policy.Pool(s.pool)
	return s.lane == "" && slices.Contains(q.Lanes, s.runs)
}

// gone reports whether the idle slot isn't there any more: its pool shrinks to its min when its own lanes have been
// empty for the hold window. Guests don't keep it.
func (p *play) gone(s *foreseenSlot) bool {
	status, q := p.pool(s.pool), lanes.Pool{}
	if status.Hold == 0 || status.Frozen || s.lane != "" {
		return false
	}
	q, _ = p.Effective.Policy.Pool(s.pool)
	if p.own[s.pool] > 0 || slices.ContainsFunc(q.Lanes, func(l string) bool { return p.waiting[l] > 0 }) {
		delete(p.leaves, s.pool)
		return false
	}
	if _, empty := p.leaves[s.pool]; !empty {
		p.leaves[s.pool] = s.free + status.Hold.D()
	}
	return s.free >= p.leaves[s.pool] && p.shared[s.pool] > status.Min*q.Slots
}

// load returns what the lane's next job takes.
func (p *play) load(lane string) Load {
	known, n := p.Waiting[lane], p.started[lane]
	p.started[lane]++
	if n < len(known) {
		return known[n]
	}
	if len(known) == 0 {
		return Load{Alone: p.service(lane)}
	}
	var sum Load
	for _, l := range known {
		sum.Alone, sum.Cores = sum.Alone+l.Alone, sum.Cores+l.Cores
	}
	return Load{Alone: sum.Alone / time.Duration(len(known)), Cores: sum.Cores / float64(len(known))}
}

// next returns the lane that a slot takes a job from, and when; "" for none. That is later than the slot is free where
// its pool takes no guests yet.
func (f Forecast) next(
	s *foreseenSlot, waiting map[string]int, doors map[string]time.Duration,
) (lane string, at time.Duration) {
	if s.lane != "" {
		if waiting[s.lane] > 0 && !f.Effective.Policy.Paused(s.lane) {
			return s.lane, s.free
		}
		return "", 0
	}
	first := func(e *lanes.Effective) string {
		for _, l := range e.TakeOrder(s.pool, s.turn) {
			if waiting[l] > 0 {
				return l
			}
		}
		return ""
	}
	lane, at = first(f.Effective), s.free
	if opens, shut := doors[s.pool]; lane == "" && shut {
		open := *f.Effective
		open.NoGuests = nil
		lane, at = first(&open), max(s.free, opens)
	}
	return lane, at
}

// doors returns when each pool that is closed to guests opens if no job of its own waits: at the end of the hold
// window.
func (f Forecast) doors() map[string]time.Duration {
	opens := map[string]time.Duration{}
	for _, name := range f.Effective.NoGuests {
		opens[name] = f.pool(name).Hold.D()
	}
	return opens
}

// keepShut notes that a slot takes a job of its pool's own. The pool lets guests in when the hold window has passed
// since its lanes were in time again, and a lane is in time when its last job starts within what the scaling law lets
// it rely on (relied).
func (f Forecast) keepShut(doors map[string]time.Duration, s *foreseenSlot, lane string) {
	opens, shut := doors[s.pool]
	q, _ := f.Effective.Policy.Pool(s.pool)
	if !shut || s.lane != "" || !slices.Contains(q.Lanes, lane) {
		return
	}
	l, _ := f.Effective.Policy.Lane(lane)
	p := f.pool(s.pool)
	relied := max(0, (l.StartWithin.D()-2*p.ColdStart.D())/2)
	doors[s.pool] = max(opens, s.free+p.Hold.D()-relied)
}

func (f Forecast) pool(name string) PoolStatus {
	for _, p := range f.Snapshot.Pools {
		if p.Name == name {
			return p
		}
	}
	return PoolStatus{}
}

// service returns how long a job of the lane runs.
func (f Forecast) service(lane string) time.Duration {
	for _, l := range f.Snapshot.Lanes {
		if l.Name == lane && l.Service > 0 {
			return l.Service.D()
		}
	}
	return f.Effective.Policy.Timing.ServiceTime.D()
}

// left returns what is left of a running job.
func (f Forecast) left(r Run) Load {
	if l, ok := f.Left[r.Job]; ok {
		return l
	}
	service := f.service(r.Lane)
	return Load{Alone: max(service-f.Snapshot.At.Sub(r.Since), service/10)}
}

// hosts returns the machines with every slot that takes jobs now or will.
func (p *play) hosts() (all foreseenHosts) {
	fresh := p.Effective.Policy.Timing.Fresh()
	byName := map[string]*foreseenHost{}
	host := func(name string) *foreseenHost {
		if byName[name] == nil {
			byName[name] = &foreseenHost{}
			all = append(all, byName[name])
		}
		return byName[name]
	}
	var peer Heartbeat // one that shares its machine
	for _, w := range p.Workers {
		if p.Snapshot.At.Sub(w.At) > fresh {
			continue
		}
		if w.Host == "" {
			w.Host = w.Worker
		} else if w.Host != w.Worker {
			peer = w
		}
		h := host(w.Host)
		h.add(w, p.left)
		if w.Parked || w.Retired || w.Draining {
			continue
		}
		q, _ := p.Effective.Policy.Pool(w.Pool)
		slots := p.worker(h, q, w.Slots, w.Shoulder, 0)
		for _, r := range w.Running {
			for i, s := range slots {
				if s != nil && (s.lane != "") == r.Shoulder {
					p.run(s, r.Lane, p.left(r))
					slots[i] = nil
					break
				}
			}
		}
	}
	for _, status := range p.Snapshot.Pools {
		q, ok := p.Effective.Policy.Pool(status.Name)
		if !ok {
			continue
		}
		_, shoulder := q.Shoulders()
		for _, at := range p.arrivals(status) {
			h := &foreseenHost{}
			if peer.Host != "" {
				h = host(peer.Host)
			} else {
				all = append(all, h)
			}
			p.worker(h, q, q.Slots, shoulder, at)
		}
	}
	for _, h := range all {
		h.settle()
		h.plan()
	}
	return all
}

// worker adds a worker's slots to a machine: they are free at that time.
func (p *play) worker(h *foreseenHost, q lanes.Pool, shared, shoulder int, at time.Duration) []*foreseenSlot {
	lane, _ := q.Shoulders()
	slots := make([]*foreseenSlot, shared+shoulder)
	for i := range slots {
		slots[i] = &foreseenSlot{pool: q.Name, host: h, free: at}
		if i >= shared {
			slots[i].lane = lane
		}
	}
	p.shared[q.Name] += shared
	h.slots = append(h.slots, slots...)
	return slots
}

// arrivals returns when the workers begin to take jobs that are starting or have only been asked for.
func (f Forecast) arrivals(p PoolStatus) (at []time.Duration) {
	for _, t := range p.Expected {
		at = append(at, max(0, t.Sub(f.Snapshot.At)))
	}
	there := p.Ready + p.Parked + p.Retired + p.Stuck + len(p.Expected)
	for range max(0, p.Target-there) {
		at = append(at, p.ColdStart.D())
	}
	return at
}
