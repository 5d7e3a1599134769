package sim

// kind is what happens at an event.
type kind uint8

const (
	arrives   kind = iota // the next job of the load
	ends                  // a job on a worker's slot
	begins                // a worker is up
	beats                 // a worker's heartbeat
	crashes               // a worker
	gone                  // a worker that was told to stop
	reconcile             // a pool's controllers act
	follow                // the workers hear of other turns and guests
	back                  // a job is in its queue again
	look                  // the controller's turn
	sample                // of the series
)

// event is one thing that will happen. Those at the same time happen in the order in which they were put.
type event struct {
	at     int64 // ns since the beginning
	order  uint64
	kind   kind
	worker int32  // an index, of whatever the kind is about
	slot   int32  // of the worker
	birth  uint32 // of the worker, or the run: an event of one that is no more is void
}

func (e event) before(f event) bool { return e.at < f.at || e.at == f.at && e.order < f.order }

// agenda is a heap of events, the next one first.
type agenda struct {
	heap  []event
	order uint64
}

func (a *agenda) put(e event) {
	a.order++
	e.order = a.order
	a.heap = append(a.heap, e)
	i := len(a.heap) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(a.heap[up]) {
			break
		}
		a.heap[i] = a.heap[up]
		i = up
	}
	a.heap[i] = e
}

func (a *agenda) next() event {
	first := a.heap[0]
	last := len(a.heap) - 1
	e := a.heap[last]
	a.heap = a.heap[:last]
	i := 0
	for {
		least := 4*i + 1
		if least >= last {
			break
		}
		for j := least + 1; j < min(4*i+5, last); j++ {
			if a.heap[j].before(a.heap[least]) {
				least = j
			}
		}
		if !a.heap[least].before(e) {
			break
		}
		a.heap[i] = a.heap[least]
		i = least
	}
	if last > 0 {
		a.heap[i] = e
	}
	return first
}
