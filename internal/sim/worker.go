package sim

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// worker is one worker, from its creation until it is gone.
type worker struct {
	index, pool   int32
	birth         uint32
	name          string
	shuffle       uint64 // its place among those of which any may be removed
	created       int64
	began         int64
	pending       bool // there is no room for it yet
	up            bool
	leaving       bool // told to stop
	deadline      int64
	parkUntil     int64 // what it will hear
	retireOrdered bool
	retireFor     int64
	parked        bool // what it does
	retired       bool
	retiredAt     int64
	slots         []slot // shared ones, then shoulders
	busy          int    // slots with a job
	onShoulder    int    // of them, on shoulders
	slowed        bool   // more jobs than cores
	listed        [2]bool
	counts        []count
	changed       bool // since it was last heard
	beat          fleet.Heartbeat
	heard         bool
	said          [2]said // what its heartbeats hold, in turns: the scaler remembers the one before
	using         int     // of them
	seen          int     // the one that the scaler looked at last; -1: none
	doing         doing
	since         int64 // of doing
}

// said is what a heartbeat holds by reference.
type said struct {
	lanes   map[string]fleet.LaneWork
	running []fleet.Run
	waits   map[string][]int64
}

// count is what a worker has done for a lane.
type count struct {
	fleet.LaneWork
	lane  int32
	stale uint8 // bits of said that don't have it yet
}

// slot is one slot and what runs in it.
type slot struct {
	busy, shoulder, fails bool
	lane                  int32
	job                   waiting
	started               int64
	left                  float64 // ns of a whole core, at touched
	rate                  float64 // cores
	touched               int64
	birth                 uint32 // of its run
	predicted             int64
	turn                  int
}

func (w *worker) takes() bool { return w.up && !w.parked && !w.retired && !w.leaving }

// standing is how a ReplicaSet ranks pods: those that it can spare first.
func (w *worker) standing() int {
	switch {
	case w.pending:
		return 0
	case !w.up:
		return 1
	}
	return 2
}

func (w *worker) freeSlot(shoulder bool) int32 {
	for i := range w.slots {
		if s := &w.slots[i]; !s.busy && s.shoulder == shoulder {
			return int32(i)
		}
	}
	return -1
}

// begin is a worker's start: it beats, and takes jobs once it has heard its orders.
func (p *Plant) begin(w *worker) {
	if w.leaving || w.up {
		return
	}
	w.up, w.began = true, p.now
	if p.c.Faults.Crash > 0 {
		after := int64(p.rand.ExpFloat64() * float64(p.c.Faults.Crash))
		p.agenda.put(event{at: p.now + after, kind: crashes, worker: w.index, birth: w.birth})
	}
	w.changed = true
	p.account(w)
	p.beat(w)
	p.fill(w)
	if p.c.OneJob && w.busy == 0 {
		p.leaveAlone(w)
	}
}

// beat reports, and then obeys.
func (p *Plant) beat(w *worker) {
	after := p.heartbeat
	if p.now == 0 { // those that are there at the beginning don't beat in step
		after = 1 + p.rand.Int64N(p.heartbeat)
	}
	if p.heard {
		p.agenda.put(event{at: p.now + after, kind: beats, worker: w.index, birth: w.birth})
	}
	if f := p.c.Faults.LostBeat; f > 0 && p.rand.Float64() < f {
		return
	}
	p.report(w)
	took := w.takes()
	if park := w.retired || w.retireOrdered || p.now < w.parkUntil; park != w.parked {
		w.parked, w.changed = park, true
	}
	switch {
	case w.retireOrdered && !w.retired && w.busy == 0:
		w.retired, w.retiredAt, w.changed = true, p.now, true
	case w.retired && p.now-w.retiredAt > w.retireFor && !w.leaving:
		w.retireOrdered, w.parkUntil = false, 0 // it leaves the roster, and its orders with it
		p.restart(w)
		return
	}
	p.account(w)
	if w.takes() && !took {
		p.fill(w)
	}
}

// report makes the heartbeat that the scaler sees.
func (p *Plant) report(w *worker) {
	q := &p.pools[w.pool]
	w.beat.At, w.heard = p.at(p.now), true
	if !w.changed {
		return
	}
	w.changed = false
	if w.using == w.seen {
		w.using = 1 - w.using
	}
	s := &w.said[w.using]
	if s.lanes == nil {
		s.lanes, s.waits = map[string]fleet.LaneWork{}, map[string][]int64{}
	}
	bit := uint8(1) << w.using
	for i := range w.counts {
		n := &w.counts[i]
		if n.stale&bit == 0 {
			continue
		}
		n.stale &^= bit
		name := p.lanes[n.lane].Name
		l := n.LaneWork
		l.Waits = append(s.waits[name][:0], n.Waits...)
		s.waits[name], s.lanes[name] = l.Waits, l
	}
	s.running = s.running[:0]
	for i := range w.slots {
		if r := &w.slots[i]; r.busy {
			s.running = append(s.running, fleet.Run{
				Lane: p.lanes[r.lane].Name, Shoulder: r.shoulder, Since: p.at(r.started),
				Predicted: lanes.Duration(r.predicted),
			})
		}
	}
	w.beat = fleet.Heartbeat{
		Worker: w.name, Pool: q.Name, At: w.beat.At, Began: p.at(w.began), Slots: q.Slots, Shoulder: q.aside,
		Running: s.running, Lanes: s.lanes, Subscribed: true, Parked: w.parked, Retired: w.retired, Draining: w.leaving,
	}
}

// countOf returns what the worker has done for a lane.
func (w *worker) countOf(l int32) *count {
	i := slices.IndexFunc(w.counts, func(c count) bool { return c.lane == l })
	if i < 0 {
		i = len(w.counts)
		w.counts = append(w.counts, count{lane: l})
	}
	w.changed = true
	c := &w.counts[i]
	c.stale = 3
	return c
}

// countStart counts a job that begins.
func (p *Plant) countStart(w *worker, l int32, job *waiting) {
	n := w.countOf(l)
	n.Started++
	if job.again {
		return
	}
	n.First++
	n.LastReady = p.at(job.ready)
	if len(n.Waits) == fleet.RecentWaits {
		copy(n.Waits, n.Waits[1:])
		n.Waits = n.Waits[:fleet.RecentWaits-1]
	} else if n.Waits == nil {
		n.Waits = make([]int64, 0, fleet.RecentWaits)
	}
	n.Waits = append(n.Waits, (p.now-job.ready)/int64(time.Millisecond))
}

// countEnd counts an attempt that has ended.
func (p *Plant) countEnd(w *worker, s *slot) {
	n := w.countOf(s.lane)
	if s.fails {
		n.Failed++
		return
	}
	n.Finished++
	n.Service += lanes.Duration(p.now - s.started)
}
