package sim

import (
	"math"
	"time"
)

// idlers are workers with a free slot, the one that has been so longest first. Those that have none any more are left
// in it, and passed over.
type idlers struct {
	ring []idler
	head int
	n    int
}

type idler struct {
	worker int32
	birth  uint32
	since  int64
}

func (l *idlers) push(i idler) {
	if l.n == len(l.ring) {
		more := make([]idler, max(16, 2*len(l.ring)))
		for k := range l.n {
			more[k] = l.ring[(l.head+k)&(len(l.ring)-1)]
		}
		l.ring, l.head = more, 0
	}
	l.ring[(l.head+l.n)&(len(l.ring)-1)] = i
	l.n++
}

func (l *idlers) pop() idler {
	i := l.ring[l.head]
	l.head = (l.head + 1) & (len(l.ring) - 1)
	l.n--
	return i
}

// which is the place of shared slots and shoulders in worker.listed.
func which(shoulder bool) int {
	if shoulder {
		return 1
	}
	return 0
}

func (q *pool) idlers(shoulder bool) *idlers {
	if shoulder {
		return &q.shoulder
	}
	return &q.sharedly
}

// idle returns the pool's worker that has had a free slot longest, and since when; nil when none has.
func (p *Plant) idle(i int32, shoulder bool) (*worker, int64) {
	list := p.pools[i].idlers(shoulder)
	for list.n > 0 {
		first := list.ring[list.head]
		w := p.workers[first.worker]
		if w != nil && w.birth == first.birth {
			if w.takes() && w.freeSlot(shoulder) >= 0 {
				return w, first.since
			}
			w.listed[which(shoulder)] = false
		}
		list.pop()
	}
	return nil, 0
}

// enlist notes that a worker has a free slot.
func (p *Plant) enlist(w *worker, shoulder bool) {
	if w.listed[which(shoulder)] || w.freeSlot(shoulder) < 0 {
		return
	}
	w.listed[which(shoulder)] = true
	p.pools[w.pool].idlers(shoulder).push(idler{w.index, w.birth, p.now})
}

// longestIdle returns the worker that takes a lane's next job: of the pools, the one that has been idle longest.
func (p *Plant) longestIdle(pools []int32, shoulder bool) *worker {
	var best *worker
	var since int64
	for _, i := range pools {
		if w, at := p.idle(i, shoulder); w != nil && (best == nil || at < since) {
			best, since = w, at
		}
	}
	return best
}

// offer has idle slots take a lane's jobs: shared ones first.
func (p *Plant) offer(l int32) {
	lane := &p.lanes[l]
	for lane.queue.n > 0 && !lane.Paused {
		shoulder := false
		w := p.longestIdle(lane.shared, false)
		if w == nil {
			shoulder = true
			w = p.longestIdle(lane.shoulder, true)
		}
		if w == nil {
			return
		}
		list := p.pools[w.pool].idlers(shoulder)
		list.pop()
		w.listed[which(shoulder)] = false
		p.start(w, w.freeSlot(shoulder), l)
		p.enlist(w, shoulder)
	}
}

func (p *Plant) offerAll() {
	for l := range p.lanes {
		p.offer(int32(l))
	}
}

// fill has a worker's free slots take what waits, in the order of lanes.
func (p *Plant) fill(w *worker) {
	if !w.takes() {
		return
	}
	q := &p.pools[w.pool]
	for i := range w.slots {
		s := &w.slots[i]
		if s.busy {
			continue
		}
		if s.shoulder {
			if l := &p.lanes[q.special]; l.queue.n > 0 && !l.Paused {
				p.start(w, int32(i), q.special)
			}
			continue
		}
		for _, l := range q.orders[s.turn%len(q.orders)] {
			if p.lanes[l].queue.n > 0 {
				p.start(w, int32(i), l)
				break
			}
		}
	}
	p.enlist(w, false)
	p.enlist(w, true)
}

// start takes a lane's first job into a slot.
func (p *Plant) start(w *worker, i, l int32) {
	s, lane := &w.slots[i], &p.lanes[l]
	job := lane.queue.pop()
	if job.parts > 1 && job.role == whole {
		job = p.split(l, job)
	}
	w.busy++
	if s.shoulder {
		w.onShoulder++
	}
	lane.running++
	s.turn++
	p.births++
	s.busy, s.lane, s.job, s.started, s.birth = true, l, job, p.now, p.births
	s.left, s.rate, s.touched, s.fails = float64(job.work), 1, p.now, false
	s.predicted = p.predict(&job)
	if f := p.c.Faults.Failing; f > 0 && p.rand.Float64() < f {
		s.fails, s.left = true, s.left*p.rand.Float64()
	}
	p.countStart(w, l, &job)
	if !job.again {
		p.book.wait(l, p.now-job.ready, int64(lane.StartWithin))
		s.job.again = true
	}
	p.account(w)
	if !p.share(w) {
		p.agenda.put(event{at: p.now + int64(math.Ceil(s.left)), kind: ends, worker: w.index, slot: i, birth: s.birth})
	}
}

// release frees a slot.
func (p *Plant) release(w *worker, i int32) {
	s := &w.slots[i]
	s.busy = false
	s.birth = 0
	w.busy--
	if s.shoulder {
		w.onShoulder--
	}
	w.changed = true
	p.lanes[s.lane].running--
	p.account(w)
	p.share(w)
}

// ended is the end of a job's attempt.
func (p *Plant) ended(w *worker, i int32) {
	s := &w.slots[i]
	job, l, fails := s.job, s.lane, s.fails
	p.countEnd(w, s)
	p.release(w, i)
	if fails {
		p.retry(l, job)
	} else {
		p.book.ran += job.work
		p.kinds.learn(job.kind, p.now-s.started)
		p.book.lanes[l].finished++
		p.done(l, job)
	}
	switch {
	case p.c.OneJob && w.busy == 0 && !w.leaving:
		p.leaveAlone(w)
	case w.leaving && w.busy == 0:
		p.agenda.put(event{at: p.now + int64(p.c.Leave), kind: gone, worker: w.index, birth: w.birth})
	default:
		p.fill(w)
	}
}

// retry has a failed job tried again as its lane says, with a jitter of a quarter.
func (p *Plant) retry(l int32, job waiting) {
	retry := p.lanes[l].Retry
	if int(job.attempt) >= retry.Attempts {
		p.die(l, job)
		return
	}
	wait := float64(retry.Backoff(int(job.attempt))) * (0.75 + 0.5*p.rand.Float64())
	job.attempt++
	p.sendAway(l, job, int64(wait))
}

// die ends a job as a dead letter. Of a split job it is the part.
func (p *Plant) die(l int32, job waiting) {
	if job.role == whole {
		p.book.lanes[l].dead++
		return
	}
	p.done(l, job)
}

// joinTime is how long the parts of a split job take to be joined: they are only copied.
const joinTime = int64(time.Second)

// split makes a job its first part; the others wait at the end of the queue.
func (p *Plant) split(l int32, job waiting) waiting {
	i := int32(len(p.films))
	if last := len(p.freeFilms) - 1; last >= 0 {
		i, p.freeFilms = p.freeFilms[last], p.freeFilms[:last]
	} else {
		p.films = append(p.films, film{})
	}
	p.films[i] = film{job.parts, job.parts}
	job.film, job.role, job.work = i, part, job.work/int64(job.parts)
	rest := job
	rest.again, rest.ready = true, p.now
	for range job.parts - 1 {
		p.lanes[l].queue.push(rest)
	}
	return job
}

// done ends a job; of a split one, its part.
func (p *Plant) done(l int32, job waiting) {
	switch job.role {
	case part:
		f := &p.films[job.film]
		if f.left--; f.left == 0 {
			p.push(l, waiting{
				ready: p.now, work: joinTime, film: job.film, attempt: 1, again: true, role: join,
			})
		}
	case join:
		p.freeFilms = append(p.freeFilms, job.film)
		p.book.lanes[l].ended++
	default:
		p.book.lanes[l].ended++
	}
}

// share divides a worker's cores when more jobs run than it has, and reports whether it set the jobs' ends.
func (p *Plant) share(w *worker) bool {
	cores := len(w.slots) - p.pools[w.pool].aside
	slow := w.busy > cores && !p.c.FreeShoulder
	if !slow && !w.slowed {
		return false
	}
	w.slowed = slow
	left, weights := float64(cores), 0.0
	for i := range w.slots {
		if s := &w.slots[i]; s.busy {
			s.left = max(0, s.left-s.rate*float64(p.now-s.touched))
			s.touched, s.rate = p.now, 0
			weights += p.lanes[s.lane].weight
		}
	}
	for { // a job can't use more than one core
		s := w.heaviest(p.lanes)
		if s == nil || slow && left*p.lanes[s.lane].weight < weights {
			break
		}
		s.rate = 1
		left, weights = left-1, weights-p.lanes[s.lane].weight
	}
	for i := range w.slots {
		s := &w.slots[i]
		if !s.busy {
			continue
		}
		if s.rate == 0 {
			s.rate = max(left, 0) * p.lanes[s.lane].weight / weights
		}
		p.births++
		s.birth = p.births
		after := s.left / max(s.rate, minRate)
		p.agenda.put(event{
			at: p.now + int64(math.Ceil(after)), kind: ends, worker: w.index, slot: int32(i), birth: s.birth,
		})
	}
	return true
}

// heaviest returns the slot of the most urgent job that has no share yet; nil when all have.
func (w *worker) heaviest(lanes []lane) (most *slot) {
	for i := range w.slots {
		s := &w.slots[i]
		if s.busy && s.rate == 0 && (most == nil || lanes[s.lane].weight > lanes[most.lane].weight) {
			most = s
		}
	}
	return most
}

// minRate is the least of a core that a job has.
const minRate = 1e-4
