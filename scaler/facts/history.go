package facts

import (
	"maps"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	serviceWeight = 0.05            // α of the service time's moving average: hardly matters (≤ 5 % of cost)
	settledAfter  = 20              // finished jobs until which the age of the running ones counts too
	coldStarts    = 64              // cold starts kept: the last 20 are biased by bursts
	waitWindow    = 5 * time.Minute // over which waits are judged
	flowWindow    = time.Minute     // over which rates are taken
	maxWaits      = 4096            // waits kept for each lane, at most
	staleTicks    = 3               // empty answers in a row that aren't believed
	missedFor     = 5 * time.Minute // a worker that was silent for longer isn't expected to speak again
)

// History is what one tick hands to the next. Decide takes and returns it as a value: the one it was given stays as it
// was. A new leader begins with the zero History, and the snapshot of the one before it.
type History struct {
	Lanes   map[string]LaneHistory
	Pools   map[string]PoolHistory
	Workers map[string]WorkerHistory
}

// LaneHistory is what is remembered of a lane.
type LaneHistory struct {
	Service   float64   // moving average of the finished jobs' run time, in seconds
	Finished  int       // finished jobs in that average
	LastEmpty time.Time // the last moment the backlog was seen empty
	LastReady time.Time // the latest readyAt of an ordinary job started at its first attempt
	Begun     time.Time // the first look at the lane, or what counts as that: of what was before, only the records know
	Silent    int       // ticks in a row in which the broker's "empty" is doubtful
	Stale     bool      // the broker's last answer is missing or not believed
	Backlog   int       // at the last believed tick
	Waits     []WaitSample
	Flow      []FlowSample
	Trend     Trend
	RecordHistory
}

// WaitSample is the waits of the first starts that one tick heard of.
type WaitSample struct {
	At    time.Time
	Waits []time.Duration
}

// FlowSample is how many jobs came and went in one tick. In may be negative in one tick: heartbeats tell of a start up
// to a second after the queue does. Over a minute that evens out.
type FlowSample struct {
	At      time.Time
	In, Out int
}

// PoolHistory is what is remembered of a pool.
type PoolHistory struct {
	State      fleet.PoolState   // what the fleet said last
	Wants      []Want            // the plans of the hold window, decreasing
	Needs      map[string][]Want // by lane: what it and the more urgent ones beside it needed in the last cold start
	Peaks      map[string]Peaks  // by lane: the same in longer spans, of lanes that no cold start helps in time
	ColdStarts []time.Duration   // the latest ones, oldest first
	// workers ordered to park at the last tick: their heartbeats say so a second or two later
	Parking     []string
	Retiring    []string  // workers asked to retire that haven't promised yet
	RetiredAt   time.Time // when workers were last asked to retire
	GuestsUntil time.Time // no new guest jobs until then
	Seen        bool
}

// Want is how many replicas the law asked for at one tick.
type Want struct {
	At       time.Time
	Replicas int
}

// WorkerHistory is what is remembered of a worker: its last heartbeat and its counters then.
type WorkerHistory struct {
	At    time.Time
	Lanes map[string]fleet.LaneWork
	// Strange is the first heartbeat of a worker that never was one of the fleet; zero for those that are, or were.
	Strange time.Time `json:",omitzero"`
}

// news is what the workers did since the last tick.
type news struct {
	started, finished map[string]int       // jobs by lane: all starts; completed and failed ones
	waits             map[string][]int64   // of first starts, by lane, in milliseconds
	arrived           map[string]time.Time // workers that have just begun, heard of for the first time: when
}

// Learn returns the history after this tick's observation.
func (h History) Learn(p *lanes.Policy, o Observation) History {
	first := h.Lanes == nil
	h = History{Lanes: copied(h.Lanes), Pools: copied(h.Pools), Workers: copied(h.Workers)}
	n := h.learnWorkers(p.Timing, o)
	if first { // what was done before this leader's time is no news
		n = news{}
		h.resume(o)
	}
	for name, l := range h.Lanes {
		l.learnWaits(o.At, n.waits[name])
		h.Lanes[name] = l
	}
	subscribed := subscribed(p, o)
	for _, lane := range o.LaneNames(p) {
		l := h.Lanes[lane]
		depth, answered := o.Depths[lane]
		l.learnBacklog(o.At, depth, answered, subscribed[lane], n.started[lane], n.finished[lane])
		if w, ok := o.Waiting[lane]; ok && answered && l.Silent == 0 {
			l.learnRecords(o.At, w, o.whole(lane))
		}
		h.Lanes[lane] = l
	}
	for _, q := range p.Pools {
		ph := h.Pools[q.Name]
		if state, seen := o.Pools[q.Name]; seen {
			ph.State = state
		}
		ph.learnColdStarts(n.arrived)
		h.Pools[q.Name] = ph
		for _, lane := range q.Lanes {
			l := h.Lanes[lane]
			l.Trend.learn(o.At, l.Load(), TrendAge(ph.ColdStart(p.Timing.ColdStart.D())))
			h.Lanes[lane] = l
		}
	}
	return h
}

func copied[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// met reports whether a heartbeat of the worker came in lately enough for the next one to be missed.
func (h History) met(worker string, at time.Time) bool {
	w, ok := h.Workers[worker]
	return ok && at.Sub(w.At) <= missedFor
}

// has reports whether the fleet ever told of the pool.
func (h History) has(pool string) bool {
	_, ok := h.Pools[pool]
	return ok
}

// Others reports whether a worker is of another scaler, or of nobody: it isn't one of the fleet and never was. alive is
// whether it has beaten since it was first heard of: the last heartbeat of one that is gone stays for a while.
func (h History) Others(worker string) (others, alive bool) {
	w := h.Workers[worker]
	return !w.Strange.IsZero(), w.At.After(w.Strange)
}

// AllOthers returns how many such workers there are in all pools together, and how many of which that isn't certain.
func (h History) AllOthers(timing lanes.Timing, o Observation) (n, doubtful int) {
	for _, w := range o.Workers {
		switch others, alive := h.Others(w.Worker); {
		case !others || o.At.Sub(w.At) > timing.GoneAfter.D():
		case alive:
			n++
		default:
			doubtful++
		}
	}
	return n, doubtful
}

// learnWorkers takes in what the workers did since their last heartbeat.
func (h History) learnWorkers(timing lanes.Timing, o Observation) news {
	n := news{
		started: map[string]int{}, finished: map[string]int{}, waits: map[string][]int64{},
		arrived: map[string]time.Time{},
	}
	listed, members := map[string]bool{}, o.members()
	for _, w := range o.Workers {
		listed[w.Worker] = true
		before, known := h.Workers[w.Worker]
		if !known && w.At.Sub(w.Began) <= timing.Fresh() { // else it was forgotten, and is back
			n.arrived[w.Worker] = w.At
		}
		for lane, now := range w.Lanes {
			was := before.Lanes[lane]
			if now.Started < was.Started {
				was = fleet.LaneWork{} // begun afresh under the same name
			}
			l := h.Lanes[lane]
			l.learnService(now.Finished-was.Finished, (now.Service - was.Service).D())
			l.learnReady(w.At, was.LastReady, now.LastReady)
			h.Lanes[lane] = l
			n.started[lane] += int(now.Started - was.Started)
			n.finished[lane] += int(now.Finished - was.Finished + now.Failed - was.Failed)
			fresh := min(max(0, int(now.First-was.First)), len(now.Waits))
			n.waits[lane] = append(n.waits[lane], now.Waits[len(now.Waits)-fresh:]...)
		}
		strange := before.Strange
		if _, seen := o.Pools[w.Pool]; members[w.Worker] {
			strange = time.Time{}
		} else if !known && (seen || len(o.Pools) > 0 && !h.has(w.Pool)) {
			strange = w.At
		}
		h.Workers[w.Worker] = WorkerHistory{At: w.At, Lanes: w.Lanes, Strange: strange}
	}
	maps.DeleteFunc(h.Workers, func(name string, w WorkerHistory) bool {
		return !listed[name] && o.At.Sub(w.At) > missedFor
	})
	return n
}

func (l *LaneHistory) learnService(n int64, total time.Duration) {
	if n <= 0 {
		return
	}
	l.Service = averaged(l.Service, l.Finished, total.Seconds()/float64(n), int(n))
	l.Finished += int(n)
}

// averaged returns the moving average of so many samples with n more, whose mean is known. Each of the first twenty
// counts as much as the others, so that the very first one isn't what the average goes by for long.
func averaged(average float64, samples int, mean float64, n int) float64 {
	kept := 1.0
	for i := range n {
		kept *= 1 - max(serviceWeight, 1/float64(samples+i+1))
	}
	return mean + (average-mean)*kept
}

// learnReady takes in what a heartbeat says of the latest readyAt. One in the future counts as the time of the
// heartbeat that brought it, and only once: said again by every heartbeat, it would keep the lane from ever seeming to
// wait.
func (l *LaneHistory) learnReady(beat, was, now time.Time) {
	if now.Equal(was) {
		return
	}
	if now.After(beat) {
		now = beat
	}
	if now.After(l.LastReady) {
		l.LastReady = now
	}
}

// learnWaits adds new waits and drops those that left the window.
func (l *LaneHistory) learnWaits(at time.Time, ms []int64) {
	samples := l.Waits
	for len(samples) > 0 && at.Sub(samples[0].At) > waitWindow {
		samples = samples[1:]
	}
	if len(ms) > 0 {
		sample := WaitSample{at, make([]time.Duration, 0, min(len(ms), maxWaits))}
		for _, w := range ms[max(0, len(ms)-maxWaits):] {
			sample.Waits = append(sample.Waits, time.Duration(w)*time.Millisecond)
		}
		samples = extended(samples, sample)
	}
	for n := waits(samples); n > maxWaits; samples = samples[1:] {
		n -= len(samples[0].Waits)
	}
	l.Waits = samples
}

// extended returns a copy with one more: an older History may hold the same list.
func extended[T any](list []T, one T) []T {
	return append(append(make([]T, 0, len(list)+1), list...), one)
}

// waits returns how many there are.
func waits(samples []WaitSample) (n int) {
	for _, s := range samples {
		n += len(s.Waits)
	}
	return n
}

// ServiceTime returns S of the law: the moving average, in which those of the running jobs whose run time is predicted
// count as if they had ended; or the policy's prior when nothing is known. What is averaged with them is 1/S, which is
// what the law goes by and what their harmonic mean is right for. Until enough jobs count, S is at least the mean age
// of the running ones, since the short ones finish first.
func (l LaneHistory) ServiceTime(prior time.Duration, running Ages) time.Duration {
	n, s := l.Finished+running.predicted, prior
	if n > 0 {
		rate := averaged(1/max(l.Service, 0.001), l.Finished, running.perSecond(), running.predicted)
		s = time.Duration(float64(time.Second) / rate)
	}
	if n < settledAfter {
		s = max(s, running.Mean())
	}
	return s
}

// learnBacklog takes in the broker's answer for a lane. subscribed: some worker with an idle slot says that it consumes
// from the lane, so the broker can't honestly see no consumer. While its answer is doubtful, the last believed one
// stands.
func (l *LaneHistory) learnBacklog(at time.Time, depth fleet.Depth, answered, subscribed bool, started, finished int) {
	if l.LastEmpty.IsZero() && l.Begun.IsZero() {
		l.Begun = at
	}
	if !answered {
		l.Stale = true
		return
	}
	if depth == (fleet.Depth{}) && subscribed && started == 0 {
		l.Silent++
		l.Stale = l.Silent >= staleTicks
		return
	}
	l.Silent, l.Stale = 0, false
	if depth.Ready == 0 {
		l.LastEmpty = at
	}
	flow := extended(l.Flow, FlowSample{at, depth.Ready - l.Backlog + started, finished})
	for len(flow) > 0 && at.Sub(flow[0].At) > flowWindow {
		flow = flow[1:]
	}
	l.Flow, l.Backlog = flow, depth.Ready
}

// learnColdStarts takes in the first heartbeats of the pool's new members.
func (p *PoolHistory) learnColdStarts(arrived map[string]time.Time) {
	for _, m := range p.State.Members {
		if at, ok := arrived[m.Name]; ok && !m.CreatedAt.IsZero() {
			p.ColdStarts = extended(p.ColdStarts, max(0, at.Sub(m.CreatedAt)))
			p.ColdStarts = p.ColdStarts[max(0, len(p.ColdStarts)-coldStarts):]
		}
	}
}

// ColdStart returns D of the law: the median of the pool's latest cold starts, or the policy's value until one was
// measured.
func (p PoolHistory) ColdStart(prior time.Duration) time.Duration {
	if len(p.ColdStarts) == 0 {
		return prior
	}
	s := slices.Sorted(slices.Values(p.ColdStarts))
	return s[len(s)/2]
}

// act is how long it takes until the scaler has seen that it is time, and the cluster creates workers.
const act = 2 * time.Second

// Lead returns how long before a floor is to be ready its workers are asked for: the cold start that nine in ten of the
// pool's latest ones kept, or the policy's value until one was measured, and the time to act. With the median every
// other worker would be late.
func (p PoolHistory) Lead(prior time.Duration) time.Duration {
	if n := len(p.ColdStarts); n > 0 {
		prior = slices.Sorted(slices.Values(p.ColdStarts))[n*9/10]
	}
	return prior + act
}

// Held adds this tick's want and returns the largest of the hold window.
func (p *PoolHistory) Held(at time.Time, replicas int, window time.Duration) int {
	p.Wants = Hold(p.Wants, at, replicas, window)
	return p.Wants[0].Replicas
}

// Hold adds a want to those of a window, which decrease: the first is the largest. Those that it is given stay as they
// are.
func Hold(wants []Want, at time.Time, replicas int, window time.Duration) []Want {
	for len(wants) > 0 && at.Sub(wants[0].At) > window {
		wants = wants[1:]
	}
	for len(wants) > 0 && wants[len(wants)-1].Replicas <= replicas {
		wants = wants[:len(wants)-1]
	}
	return extended(wants, Want{at, replicas})
}
