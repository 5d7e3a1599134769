package sim

// waiting is a job in a queue.
type waiting struct {
	ready   int64 // since when it has been there
	work    int64 // ns of a whole core
	film    int32 // its split job, by index; -1: none
	parts   int32 // into how many it is split; 0: it isn't
	attempt int16 // from 1
	crashes int16
	kind    int16
	again   bool // it has started before: its wait is known
	role    role
}

// role is what a job of a split one is.
type role uint8

const (
	whole role = iota
	part
	join
)

// queue is the waiting jobs of a lane, in a ring that grows and is used again.
type queue struct {
	jobs []waiting
	head int
	n    int
}

func (q *queue) push(w waiting) {
	if q.n == len(q.jobs) {
		q.grow()
	}
	q.jobs[(q.head+q.n)&(len(q.jobs)-1)] = w
	q.n++
}

// pushFront puts back a job that was taken: it keeps its place.
func (q *queue) pushFront(w waiting) {
	if q.n == len(q.jobs) {
		q.grow()
	}
	q.head = (q.head - 1) & (len(q.jobs) - 1)
	q.jobs[q.head] = w
	q.n++
}

func (q *queue) pop() waiting {
	w := q.jobs[q.head]
	q.head = (q.head + 1) & (len(q.jobs) - 1)
	q.n--
	return w
}

func (q *queue) front() *waiting { return &q.jobs[q.head] }

func (q *queue) at(i int) *waiting { return &q.jobs[(q.head+i)&(len(q.jobs)-1)] }

func (q *queue) grow() {
	more := make([]waiting, max(16, 2*len(q.jobs)))
	for i := range q.n {
		more[i] = *q.at(i)
	}
	q.jobs, q.head = more, 0
}
