package sim

import (
	"cmp"
	"fmt"
	"slices"
)

// reconcile makes a pool's workers as many as its replicas, as a ReplicaSet does.
func (p *Plant) reconcile(i int32) {
	q := &p.pools[i]
	q.acting = false
	there := make([]*worker, 0, len(q.members))
	for _, m := range q.members {
		if w := p.workers[m]; !w.leaving {
			there = append(there, w)
		}
	}
	for range q.replicas - len(there) {
		p.create(i)
	}
	if len(there) > q.replicas {
		slices.SortFunc(there, func(a, b *worker) int {
			return cmp.Or(
				cmp.Compare(a.standing(), b.standing()), cmp.Compare(q.spares(a), q.spares(b)),
				cmp.Compare(a.shuffle, b.shuffle),
			)
		})
		for _, w := range there[:len(there)-q.replicas] {
			p.remove(w)
		}
	}
	q.victims = q.victims[:0] // whoever still wants them gone says so again
}

// spares returns 0 for a worker that the scaler named, else 1.
func (q *pool) spares(w *worker) int {
	if slices.Contains(q.victims, w.name) {
		return 0
	}
	return 1
}

// create makes a worker, which has to wait while the budget is used up: that is how many the cluster has room for.
func (p *Plant) create(i int32) *worker {
	q := &p.pools[i]
	q.names++
	p.births++
	w := &worker{
		pool: i, birth: p.births, name: fmt.Sprintf("%s-%05d", q.Name, q.names), shuffle: p.rand.Uint64(),
		created: p.now, since: p.now, pending: true, slots: make([]slot, q.Slots+q.aside), seen: -1,
	}
	for s := q.Slots; s < len(w.slots); s++ {
		w.slots[s].shoulder = true
	}
	w.index = int32(len(p.workers))
	if last := len(p.free) - 1; last >= 0 {
		w.index, p.free = p.free[last], p.free[:last]
		p.workers[w.index] = w
	} else {
		p.workers = append(p.workers, w)
	}
	q.members = append(q.members, w.index)
	if p.existing < p.policy.Budget {
		p.place(w)
	}
	return w
}

// place gives a worker its room: it starts.
func (p *Plant) place(w *worker) {
	p.existing++
	p.book.peak = max(p.book.peak, p.existing)
	w.pending = false
	p.account(w)
	s := &p.book.pools[w.pool]
	s.starts++
	s.peak = max(s.peak, p.pools[w.pool].present(p.workers))
	p.agenda.put(event{
		at: p.now + p.c.Cold.draw(p.rand), kind: begins, worker: w.index, birth: w.birth,
	})
}

// remove tells a worker to stop, as a cluster does that has one too many.
func (p *Plant) remove(w *worker) {
	w.leaving = true
	p.account(w)
	if w.pending {
		p.goes(w)
		return
	}
	after := int64(p.c.Leave)
	if w.busy > 0 {
		p.book.pools[w.pool].busyRemoved++
		if p.c.Grace > 0 {
			after = max(after, int64(p.c.Grace))
		} else {
			p.hit(w)
		}
	}
	w.deadline = p.now + after
	p.account(w)
	p.agenda.put(event{at: w.deadline, kind: gone, worker: w.index, birth: w.birth})
}

// leaveAlone has a worker end of its own accord, without another in its place.
func (p *Plant) leaveAlone(w *worker) {
	p.pools[w.pool].replicas--
	p.remove(w)
}

// hit ends what a worker runs: it starts again elsewhere.
func (p *Plant) hit(w *worker) {
	for i := range w.slots {
		s := &w.slots[i]
		if !s.busy {
			continue
		}
		job, l := s.job, s.lane
		p.book.pools[w.pool].hits++
		p.book.lanes[l].hits++
		p.book.lanes[l].lost += p.now - s.started
		p.release(w, int32(i))
		job.again = true
		p.lanes[l].queue.pushFront(job)
		p.offer(l)
	}
}

// goes takes a worker away.
func (p *Plant) goes(w *worker) {
	if w.busy > 0 {
		if p.now < w.deadline {
			return
		}
		p.hit(w)
	}
	p.account(w)
	q := &p.pools[w.pool]
	q.members = slices.DeleteFunc(q.members, func(m int32) bool { return m == w.index })
	p.workers[w.index] = nil
	p.free = append(p.free, w.index)
	if w.pending {
		return
	}
	p.existing--
	p.placeNext()
}

// placeNext gives room to the worker that has waited for it longest.
func (p *Plant) placeNext() {
	var first *worker
	for i := range p.pools {
		for _, m := range p.pools[i].members {
			if w := p.workers[m]; w.pending && !w.leaving && (first == nil || w.birth < first.birth) {
				first = w
			}
		}
	}
	if first != nil && p.existing < p.policy.Budget {
		p.place(first)
	}
}

// crash ends a worker's process. What it ran comes back when its claim's lease is over, and it starts again in place.
func (p *Plant) crash(w *worker) {
	for i := range w.slots {
		s := &w.slots[i]
		if !s.busy {
			continue
		}
		job, l := s.job, s.lane
		p.release(w, int32(i))
		job.again = true
		job.crashes++
		p.book.lanes[l].crashed++
		if int(job.crashes) >= p.lanes[l].MaxCrashes {
			p.die(l, job)
			continue
		}
		p.sendAway(l, job, int64(p.policy.Timing.Lease))
	}
	p.restart(w)
}

// restart starts a worker's process again, under its name. The orders for it stand: it hears them again.
func (p *Plant) restart(w *worker) {
	p.births++
	w.birth = p.births
	w.up, w.parked, w.retired = false, false, false
	w.listed = [2]bool{}
	w.counts = nil // its counters begin afresh
	w.said, w.seen = [2]said{}, -1
	p.account(w)
	if w.leaving {
		p.agenda.put(event{at: p.now, kind: gone, worker: w.index, birth: w.birth})
		return
	}
	p.agenda.put(event{
		at: p.now + p.c.Cold.draw(p.rand), kind: begins, worker: w.index, birth: w.birth,
	})
}

// present returns how many of a pool's workers have a place.
func (q *pool) present(workers []*worker) (n int) {
	for _, m := range q.members {
		if !workers[m].pending {
			n++
		}
	}
	return n
}
