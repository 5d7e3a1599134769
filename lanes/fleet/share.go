package fleet

import (
	"math"
	"time"
)

// foreseenSlot is a slot as the prediction plays it.
type foreseenSlot struct {
	pool string
	lane string // a shoulder's; "" for a shared slot
	host *foreseenHost
	free time.Duration // idle: from when on it takes a job
	turn int
	// of its job:
	runs   string        // the lane
	left   time.Duration // how long it goes on alone; 0: the slot is idle
	cores  float64       // that it uses then; 0: not known, and it isn't slowed down
	weight float64       // in the sharing of cores
	rate   float64       // how fast it goes now, 1 as fast as alone
}

// foreseenHost is a machine as the prediction plays it. Its jobs share its cores by their weights, as Linux does, and
// none uses more than it can.
//
// Where they use clearly less than they could, others need the machine as well, be it programs that Siren doesn't know:
// n jobs then get n/(n + others) of it, and others follows from what the jobs that run now get.
type foreseenHost struct {
	slots     []*foreseenSlot
	cores     float64 // 0: without end
	computing float64 // what its jobs use now
	could     float64 // what they could use
	jobs      int     // that do
	others    float64 // what competes with them, as many jobs as that would be
	now       time.Duration
	// the next thing that happens: a job of the slot ends, or the slot, idle, takes one; nil: nothing
	event *foreseenSlot
	at    time.Duration
}

const (
	// contended is the part of what jobs could use below which others are taken to keep it from them.
	contended = 0.85
	// usable is the part of a machine's cores that jobs use together where nothing is seen of more: they wait for disks
	// and for each other, and a virtual core is hardly ever a whole one. Replayed recordings of a fleet are predicted
	// best with 0.6, and about as well with 0.5 to 0.8.
	usable = 0.6
)

// add notes what a worker says of the machine.
func (h *foreseenHost) add(w Heartbeat, left func(Run) Load) {
	h.cores = max(h.cores, float64(w.Cores))
	if len(w.Running) == 0 || w.Computing == 0 {
		return
	}
	h.computing += w.Computing
	h.jobs += len(w.Running)
	for _, r := range w.Running {
		h.could += left(r).Cores
	}
}

// settle finds out how many cores there are for jobs, and what competes with them.
func (h *foreseenHost) settle() {
	if h.cores > 0 {
		h.cores = max(usable*h.cores, h.computing)
	}
	if h.computing > 0 && h.computing < contended*h.could {
		h.others = float64(h.jobs) * max(0, h.cores/h.computing-1)
	}
}

// weight is a program's share of the cores beside others, by its nice value (sched_prio_to_weight in Linux).
func weight(nice int) float64 { return math.Pow(1.25, -float64(nice)) }

// pass lets time pass until then.
func (h *foreseenHost) pass(until time.Duration) {
	d := float64(until - h.now)
	for _, s := range h.slots {
		if s.left > 0 {
			s.left = max(1, s.left-time.Duration(d*s.rate)) // its end is an event
		}
	}
	h.now = until
}

// plan finds the next event.
func (h *foreseenHost) plan() {
	h.share()
	h.event = nil
	for _, s := range h.slots {
		at := s.free
		if s.left > 0 {
			at = h.now + time.Duration(math.Ceil(min(float64(s.left)/s.rate, float64(2*farthest))))
		}
		if h.event == nil || at < h.at || at == h.at && h.event.lane != "" && s.lane == "" {
			h.event, h.at = s, at
		}
	}
}

// share divides the cores among the jobs: each gets its weight's part, or what it can use if that is less, and then
// the others have more.
func (h *foreseenHost) share() {
	var open []*foreseenSlot
	cores := h.cores
	for _, s := range h.slots {
		if s.rate = 1; s.left > 0 && s.cores > 0 && h.cores > 0 {
			open = append(open, s)
			cores = max(cores, s.cores)
		}
	}
	n := float64(len(open))
	for cores *= n / max(n+h.others, 1); len(open) > 0; {
		sum, rest, used := 0.0, open[:0:0], 0.0
		for _, s := range open {
			sum += s.weight
		}
		for _, s := range open {
			if part := cores * s.weight / sum; part >= s.cores {
				s.rate, used = 1, used+s.cores
			} else {
				s.rate = max(part/s.cores, 1e-6)
				rest = append(rest, s)
			}
		}
		if len(rest) == len(open) {
			return
		}
		cores, open = max(0, cores-used), rest
	}
}

// remove takes a slot away.
func (h *foreseenHost) remove(s *foreseenSlot) {
	for i, other := range h.slots {
		if other == s {
			h.slots = append(h.slots[:i], h.slots[i+1:]...)
			return
		}
	}
}

// foreseenHosts is a heap: the machine on which something happens first; of those at the same time, a shared slot
// before a shoulder.
type foreseenHosts []*foreseenHost

func (h foreseenHosts) Len() int { return len(h) }

func (h foreseenHosts) Less(i, j int) bool {
	x, y := h[i], h[j]
	switch {
	case x.event == nil || y.event == nil:
		return y.event == nil && x.event != nil
	case x.at != y.at:
		return x.at < y.at
	}
	return x.event.lane == "" && y.event.lane != ""
}

func (h foreseenHosts) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *foreseenHosts) Push(x any) { *h = append(*h, x.(*foreseenHost)) }

// Pop implements heap.Interface.
func (h *foreseenHosts) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
