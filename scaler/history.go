package scaler

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

const (
	serviceWeight = 0.05            // α of the service time's moving average: hardly matters (≤ 5 % of cost)
	settledAfter  = 20              // finished jobs until which the age of the running ones counts too
	coldStarts    = 64              // cold starts kept: the last 20 are biased by bursts
	waitWindow    = 5 * time.Minute // over which waits are judged
	flowWindow    = time.Minute     // over which rates are taken
	maxWaits      = 4096            // waits kept for each lane
	staleTicks    = 3               // empty answers in a row that aren't believed
)

// History is what one tick hands to the next. Decide takes and returns it as a value: the one it was given stays as it was.
// A new leader begins with the zero History.
type History struct {
	Lanes   map[string]LaneHistory
	Pools   map[string]PoolHistory
	Workers map[string]WorkerHistory
}

// LaneHistory is what is remembered of a lane.
type LaneHistory struct {
	Service   float64   // moving average of the finished jobs' run time, in seconds
	Finished  int       // finished jobs in that average
	LastEmpty time.Time // the last moment the backlog was seen empty (or the first look at it)
	LastReady time.Time // the latest readyAt of a job started at its first attempt
	Silent    int       // ticks in a row in which the broker's "empty" is doubtful
	Backlog   int       // at the last believed tick
	Waits     []WaitSample
	Flow      []FlowSample
}

// WaitSample is the wait of one first start.
type WaitSample struct {
	At   time.Time
	Wait time.Duration
}

// FlowSample is how many jobs came and went in one tick.
type FlowSample struct {
	At      time.Time
	In, Out int
}

// PoolHistory is what is remembered of a pool.
type PoolHistory struct {
	Wants       []Want          // the plans of the hold window, decreasing
	ColdStarts  []time.Duration // the latest ones, oldest first
	RetiredAt   time.Time       // when workers were last asked to retire
	GuestsUntil time.Time       // no new guest jobs until then
	Seen        bool
}

// Want is how many replicas the law asked for at one tick.
type Want struct {
	At       time.Time
	Replicas int
}

// WorkerHistory is what is remembered of a worker: its counters at its last heartbeat.
type WorkerHistory struct {
	Pool  string
	Last  time.Time
	Lanes map[string]lanes.LaneWork
}

func (h History) clone() History {
	c := History{Lanes: maps.Clone(h.Lanes), Pools: maps.Clone(h.Pools), Workers: maps.Clone(h.Workers)}
	if c.Lanes == nil {
		c = History{Lanes: map[string]LaneHistory{}, Pools: map[string]PoolHistory{}, Workers: map[string]WorkerHistory{}}
	}
	return c
}

// learnWorkers takes in what the workers did since their last heartbeat: service times, starts, waits.
// It returns how many jobs of each lane started (all starts) and finished.
func (h History) learnWorkers(o Observation) (started, finished map[string]int) {
	started, finished = map[string]int{}, map[string]int{}
	for _, w := range o.Workers {
		before, known := h.Workers[w.Worker]
		for lane, now := range w.Lanes {
			was := before.Lanes[lane]
			l := h.Lanes[lane]
			n := now.Finished - was.Finished
			l.learnService(n, (now.Service - was.Service).D())
			l.learnWaits(o.At, now, int(now.First-was.First))
			if now.LastReady.After(l.LastReady) {
				l.LastReady = now.LastReady
			}
			h.Lanes[lane] = l
			if known {
				started[lane] += int(now.Started - was.Started)
				finished[lane] += int(n + now.Failed - was.Failed)
			}
		}
		h.Workers[w.Worker] = WorkerHistory{Pool: w.Pool, Last: o.At, Lanes: w.Lanes}
	}
	for name, w := range h.Workers {
		if o.At.Sub(w.Last) > waitWindow {
			delete(h.Workers, name)
		}
	}
	return started, finished
}

func (l *LaneHistory) learnService(n int64, total time.Duration) {
	if n <= 0 {
		return
	}
	mean := total.Seconds() / float64(n)
	if l.Finished == 0 {
		l.Service = mean
	} else {
		l.Service = mean + (l.Service-mean)*math.Pow(1-serviceWeight, float64(n))
	}
	l.Finished += int(n)
}

func (l *LaneHistory) learnWaits(at time.Time, w lanes.LaneWork, n int) {
	fresh := w.Waits[max(0, len(w.Waits)-max(n, 0)):]
	waits := slices.Clone(l.Waits)
	for _, ms := range fresh {
		waits = append(waits, WaitSample{at, time.Duration(ms) * time.Millisecond})
	}
	waits = waits[max(0, len(waits)-maxWaits):]
	for len(waits) > 0 && at.Sub(waits[0].At) > waitWindow {
		waits = waits[1:]
	}
	l.Waits = waits
}

// service is S of the law: the moving average; until enough jobs have finished at least the mean age of the running ones,
// since the short ones finish first; the policy's prior when nothing is known.
func (l LaneHistory) service(prior time.Duration, ages []time.Duration) time.Duration {
	s := time.Duration(l.Service * float64(time.Second))
	if l.Finished == 0 {
		s = prior
	}
	if l.Finished < settledAfter && len(ages) > 0 {
		var sum time.Duration
		for _, a := range ages {
			sum += a
		}
		s = max(s, sum/time.Duration(len(ages)))
	}
	return s
}

// learnBacklog takes in the broker's answer for a lane and says whether it is believed. depth is nil when there was none.
// subscribed: some worker with an idle slot says that it consumes from the lane, so the broker can't honestly see no consumer.
func (l *LaneHistory) learnBacklog(at time.Time, depth *lanes.Depth, subscribed bool, started, finished int) (stale bool) {
	if l.LastEmpty.IsZero() {
		l.LastEmpty = at
	}
	if depth == nil {
		return true
	}
	if depth.Ready == 0 && depth.Consumers == 0 && subscribed && started == 0 {
		l.Silent++
	} else {
		l.Silent = 0
	}
	if l.Silent >= staleTicks {
		return true
	}
	if depth.Ready == 0 {
		l.LastEmpty = at
	}
	flow := append(slices.Clone(l.Flow), FlowSample{at, max(0, depth.Ready-l.Backlog+started), finished})
	for len(flow) > 0 && at.Sub(flow[0].At) > flowWindow {
		flow = flow[1:]
	}
	l.Flow, l.Backlog = flow, depth.Ready
	return false
}

// oldestWait is how long the oldest ready job has waited: jobs start in order, so it became ready no earlier than the last
// one that started, and no earlier than the lane was last empty.
func (l LaneHistory) oldestWait(at time.Time) time.Duration {
	if l.Backlog == 0 {
		return 0
	}
	since := l.LastEmpty
	if l.LastReady.After(since) {
		since = l.LastReady
	}
	return max(0, at.Sub(since))
}

// coldStart is D of the law: the median of the pool's latest cold starts, the policy's value until one was measured.
func (p PoolHistory) coldStart(prior time.Duration) time.Duration {
	if len(p.ColdStarts) == 0 {
		return prior
	}
	return median(p.ColdStarts)
}

// learnPool takes in the first heartbeats of the pool's new members.
func (h History) learnPool(name string, state lanes.PoolState, o Observation, known map[string]bool) {
	p := h.Pools[name]
	for _, m := range state.Members {
		w, beats := h.Workers[m.Name]
		if !beats || known[m.Name] || m.CreatedAt.IsZero() || w.Last != o.At {
			continue
		}
		if !p.Seen { // it was there before this leader: its start was not watched
			continue
		}
		p.ColdStarts = append(slices.Clone(p.ColdStarts), max(0, o.At.Sub(m.CreatedAt)))
		p.ColdStarts = p.ColdStarts[max(0, len(p.ColdStarts)-coldStarts):]
	}
	h.Pools[name] = p
}

// held adds this tick's want and returns the largest of the hold window.
func (p *PoolHistory) held(at time.Time, replicas int, window time.Duration) int {
	wants := slices.Clone(p.Wants)
	for len(wants) > 0 && at.Sub(wants[0].At) > window {
		wants = wants[1:]
	}
	for len(wants) > 0 && wants[len(wants)-1].Replicas <= replicas {
		wants = wants[:len(wants)-1]
	}
	p.Wants = append(wants, Want{at, replicas})
	return p.Wants[0].Replicas
}

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}
