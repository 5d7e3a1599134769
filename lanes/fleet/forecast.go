package fleet

import (
	"container/heap"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Forecast is what a prediction is made of: the fleet and its lanes as they are seen now. It predicts by playing
// through what would happen if nothing more urgent came, each job ran as long as its lane's jobs do, the fleet grew
// only as it is told now, and pools that are shut to guests let them in again when their own lanes are in time.
type Forecast struct {
	Effective *lanes.Effective
	Snapshot  Snapshot
	Workers   []Heartbeat
	// Left is how much longer a running job goes on, for those that say how far they are; absent: what is left of its
	// lane's Service.
	Left map[string]time.Duration
}

const (
	farthest   = 24 * time.Hour // no prediction goes beyond
	mostStarts = 200_000        // nor beyond so many starts
)

// Start predicts how long it takes, from the snapshot on, until a job of the lane starts that has so many others of its
// lane before it. It is false when no slot will take it: the lane is paused, or no worker that serves it is there or on
// its way.
func (f Forecast) Start(lane string, ahead int) (time.Duration, bool) {
	waiting := map[string]int{}
	for _, l := range f.Snapshot.Lanes {
		waiting[l.Name] = l.Ready
	}
	waiting[lane] = ahead + 1
	slots, doors := f.slots(), f.doors()
	heap.Init(&slots)
	for starts := 0; len(slots) > 0 && starts < mostStarts; starts++ {
		s := slots[0]
		next, at := f.next(s, waiting, doors)
		switch {
		case next == "": // nothing comes any more that it could take
			heap.Pop(&slots)
			continue
		case at > s.free:
			s.free = at
			heap.Fix(&slots, 0)
			continue
		}
		waiting[next]--
		if next == lane && waiting[lane] == 0 {
			return s.free, true
		}
		f.keepShut(doors, s, next)
		s.turn++
		s.free += max(f.service(next), time.Millisecond)
		if s.free > farthest {
			heap.Pop(&slots)
			continue
		}
		heap.Fix(&slots, 0)
	}
	return 0, false
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

// left returns how much longer a running job goes on.
func (f Forecast) left(r Run) time.Duration {
	if d, ok := f.Left[r.Job]; ok {
		return d
	}
	service := f.service(r.Lane)
	return max(service-f.Snapshot.At.Sub(r.Since), service/10)
}

// slots returns every slot that takes jobs now or will, with the time from now at which it is free.
func (f Forecast) slots() (all foreseenSlots) {
	fresh := f.Effective.Policy.Timing.Fresh()
	for _, w := range f.Workers {
		if w.Parked || w.Retired || w.Draining || f.Snapshot.At.Sub(w.At) > fresh {
			continue
		}
		var shared, aside []time.Duration
		for _, r := range w.Running {
			if r.Shoulder {
				aside = append(aside, f.left(r))
			} else {
				shared = append(shared, f.left(r))
			}
		}
		q, _ := f.Effective.Policy.Pool(w.Pool)
		all = append(all, worker(q, w.Slots, w.Shoulder, shared, aside)...)
	}
	for _, p := range f.Snapshot.Pools {
		q, ok := f.Effective.Policy.Pool(p.Name)
		if !ok {
			continue
		}
		_, shoulder := q.Shoulders()
		for _, at := range f.arrivals(p) {
			all = append(all, worker(q, q.Slots, shoulder, repeat(at, q.Slots), repeat(at, shoulder))...)
		}
	}
	return all
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

func repeat(d time.Duration, n int) []time.Duration { return slices.Repeat([]time.Duration{d}, n) }

// worker returns one worker's slots: those that are given a time are free then, the others now.
func worker(q lanes.Pool, slots, shoulder int, shared, aside []time.Duration) (all foreseenSlots) {
	add := func(n int, lane string, free []time.Duration) {
		for i := range n {
			s := &foreseenSlot{pool: q.Name, lane: lane}
			if i < len(free) {
				s.free = free[i]
			}
			all = append(all, s)
		}
	}
	add(slots, "", shared)
	lane, _ := q.Shoulders()
	add(shoulder, lane, aside)
	return all
}

// foreseenSlot is a slot as the prediction plays it.
type foreseenSlot struct {
	pool string
	lane string // a shoulder's; "" for a shared slot
	free time.Duration
	turn int
}

// foreseenSlots is a heap: the slot that is free first; a shared one before a shoulder.
type foreseenSlots []*foreseenSlot

func (s foreseenSlots) Len() int { return len(s) }
func (s foreseenSlots) Less(i, j int) bool {
	if s[i].free != s[j].free {
		return s[i].free < s[j].free
	}
	return s[i].lane == "" && s[j].lane != ""
}
func (s foreseenSlots) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Push implements heap.Interface.
func (s *foreseenSlots) Push(x any) { *s = append(*s, x.(*foreseenSlot)) }

// Pop implements heap.Interface.
func (s *foreseenSlots) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
