package sim

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Result is what came of a simulation.
type Result struct {
	For   lanes.Duration `json:"for"`
	Lanes []LaneResult   `json:"lanes"` // in the policy's order
	Pools []PoolResult   `json:"pools"`
	Total PoolResult     `json:"total"` // of all pools together
	// Work is the cores that the ended jobs took alone, in seconds: no fleet can have fewer worker-seconds than that,
	// divided by its workers' slots.
	Work      float64    `json:"work"`
	Events    int        `json:"events"`
	Decisions []Decision `json:"decisions,omitempty"` // those that changed something, the latest ones
	Series    []Point    `json:"series,omitempty"`
}

// LaneResult is what came of a lane's jobs. Waits are from being ready until the first start, and of jobs that haven't
// started when it ends, until then: what is said of them is the least that it can be.
type LaneResult struct {
	Name        string         `json:"name"`
	StartWithin lanes.Duration `json:"startWithin"`
	Arrived     int            `json:"arrived"`
	Started     int            `json:"started"`
	Ended       int            `json:"ended"`
	Dead        int            `json:"dead"`    // failed or crashed too often
	Crashed     int            `json:"crashed"` // attempts whose worker crashed
	Hits        int            `json:"hits"`    // running jobs that a worker's removal ended, and that start again
	Lost        float64        `json:"lost"`    // seconds that these had run, for nothing
	Left        int            `json:"left"`    // neither ended nor dead: they wait or run at the end
	Mean        lanes.Duration `json:"mean"`
	P50         lanes.Duration `json:"p50"`
	P95         lanes.Duration `json:"p95"`
	P99         lanes.Duration `json:"p99"`
	Max         lanes.Duration `json:"max"`
	// InTime is how many started within the objective, and Late how many didn't: those that wait at the end count when
	// they have waited for longer already.
	InTime int `json:"inTime"`
	Late   int `json:"late"`
}

// Share returns the part of the jobs that started within the objective, 1 when there were none.
func (l LaneResult) Share() float64 {
	if l.InTime+l.Late == 0 {
		return 1
	}
	return float64(l.InTime) / float64(l.InTime+l.Late)
}

// Met reports whether 95 % of the jobs started within the objective.
func (l LaneResult) Met() bool { return l.Share() >= 0.95 }

// PoolResult is what a pool's workers cost, in worker-seconds, and how often their number changed.
type PoolResult struct {
	Name     string  `json:"name,omitempty"`
	Busy     float64 `json:"busy"`
	Idle     float64 `json:"idle"`
	Starting float64 `json:"starting"`
	Parked   float64 `json:"parked"`  // and idle
	Leaving  float64 `json:"leaving"` // told to stop, and idle
	Starts   int     `json:"starts"`  // of workers
	Changes  int     `json:"changes"` // of the number of replicas
	// BusyRemoved is how many workers were removed that ran something, and Hits how many jobs had to start again.
	BusyRemoved int `json:"busyRemoved"`
	Hits        int `json:"hits"`
	Peak        int `json:"peak"` // workers at most
}

// WorkerSeconds returns all that the pool's workers cost.
func (r PoolResult) WorkerSeconds() float64 {
	return r.Busy + r.Idle + r.Starting + r.Parked + r.Leaving
}

// Decision is a plan that changed something.
type Decision struct {
	At     lanes.Duration `json:"at"`
	Pool   string         `json:"pool"`
	From   int            `json:"from"`
	To     int            `json:"to"`
	Reason fleet.Reason   `json:"reason"`
	Why    string         `json:"why"`
}

// book is what is noted while it goes on.
type book struct {
	lanes     []tally
	pools     []spent
	ran       int64
	events    int
	decisions []Decision
	from      int // the oldest of decisions
	series    []Point
	peak      int
}

// tally is a lane's jobs.
type tally struct {
	arrived, ended, dead, crashed int
	hits                          int
	lost                          int64
	finished                      int                     // attempts that ended well, parts too
	waits                         *hdrhistogram.Histogram // in ms
	sum                           float64                 // of the waits, in s
	max                           int64
	inTime, late                  int
	worst                         int64 // wait since the last sample
}

// doing is what a worker costs its time for.
type doing uint8

const (
	nothing doing = iota // it has no place yet
	starting
	idling
	parked
	busy
	leaving
	doings
)

// spent is a pool's worker time by what it was for.
type spent struct {
	time                               [doings]int64
	starts, changes, hits, busyRemoved int
	peak                               int
}

// longest is the longest wait that is told from a longer one.
const longest = 30 * 24 * time.Hour

func (b *book) addLane() {
	b.lanes = append(b.lanes, tally{waits: hdrhistogram.New(1, int64(longest/time.Millisecond), 2)})
}

// wait notes a first start.
func (b *book) wait(l int32, waited, within int64) {
	t := &b.lanes[l]
	t.waited(waited)
	t.worst = max(t.worst, waited)
	if waited <= within {
		t.inTime++
	} else {
		t.late++
	}
}

// waited counts a wait.
func (t *tally) waited(d int64) {
	_ = t.waits.RecordValue(min(d, int64(longest)) / int64(time.Millisecond)) // its range has all of them
	t.sum += time.Duration(d).Seconds()
	t.max = max(t.max, d)
}

// keptDecisions are as many as somebody would read.
const keptDecisions = 2000

// note keeps a plan that changes the number of workers.
func (b *book) note(now int64, p fleet.Plan) {
	if p.From == p.To {
		return
	}
	d := Decision{lanes.Duration(now), p.Pool, p.From, p.To, p.Reason, p.Why}
	if len(b.decisions) < keptDecisions {
		b.decisions = append(b.decisions, d)
		return
	}
	b.decisions[b.from] = d
	b.from = (b.from + 1) % keptDecisions
}

// account notes what a worker's time was for until now.
func (p *Plant) account(w *worker) {
	p.book.pools[w.pool].time[w.doing] += p.now - w.since
	w.since = p.now
	switch {
	case w.pending:
		w.doing = nothing
	case w.busy > 0:
		w.doing = busy
	case w.leaving:
		w.doing = leaving
	case !w.up:
		w.doing = starting
	case w.parked:
		w.doing = parked
	default:
		w.doing = idling
	}
}

func (p *Plant) result() *Result {
	r := &Result{
		For: lanes.Duration(p.end), Work: time.Duration(p.book.ran).Seconds(), Events: p.book.events,
		Series: p.book.series,
	}
	r.Decisions = append(p.book.decisions[p.book.from:len(p.book.decisions):len(p.book.decisions)],
		p.book.decisions[:p.book.from]...)
	for i := range p.lanes {
		r.Lanes = append(r.Lanes, p.laneResult(i))
	}
	for i := range p.pools {
		for _, m := range p.pools[i].members {
			p.account(p.workers[m])
		}
		r.Pools = append(r.Pools, p.book.pools[i].result(p.pools[i].Name))
		r.Total = r.Total.and(r.Pools[i])
	}
	r.Total.Peak = p.book.peak
	return r
}

func (p *Plant) laneResult(i int) LaneResult {
	l, t := &p.lanes[i], &p.book.lanes[i]
	r := LaneResult{
		Name: l.Name, StartWithin: l.StartWithin, Arrived: t.arrived, Started: t.inTime + t.late, Ended: t.ended,
		Dead: t.dead, Crashed: t.crashed, Hits: t.hits, Lost: time.Duration(t.lost).Round(time.Millisecond).Seconds(),
		Left: t.arrived - t.ended - t.dead, InTime: t.inTime, Late: t.late,
	}
	for k := range l.queue.n {
		if w := l.queue.at(k); !w.again {
			t.waited(p.end - w.ready)
			if p.end-w.ready > int64(l.StartWithin) {
				r.Late++
			}
		}
	}
	if n := t.waits.TotalCount(); n > 0 {
		r.Mean = lanes.Duration(t.sum / float64(n) * float64(time.Second))
	}
	r.P50, r.P95, r.P99 = quantile(t.waits, 50), quantile(t.waits, 95), quantile(t.waits, 99)
	r.Max = lanes.Duration(time.Duration(t.max).Round(time.Millisecond))
	return r
}

// quantile returns a wait that so many per cent of them don't exceed, to 1 %.
func quantile(h *hdrhistogram.Histogram, percent float64) lanes.Duration {
	return lanes.Duration(time.Duration(h.ValueAtQuantile(percent)) * time.Millisecond)
}

func (s spent) result(name string) PoolResult {
	sec := func(d doing) float64 { return time.Duration(s.time[d]).Round(time.Millisecond).Seconds() }
	return PoolResult{
		Name: name, Busy: sec(busy), Idle: sec(idling), Starting: sec(starting), Parked: sec(parked),
		Leaving: sec(leaving), Starts: s.starts, Changes: s.changes, BusyRemoved: s.busyRemoved, Hits: s.hits,
		Peak: s.peak,
	}
}

// and adds up what two pools cost; how many workers there were at most isn't a sum.
func (r PoolResult) and(o PoolResult) PoolResult {
	return PoolResult{
		Busy: r.Busy + o.Busy, Idle: r.Idle + o.Idle, Starting: r.Starting + o.Starting, Parked: r.Parked + o.Parked,
		Leaving: r.Leaving + o.Leaving, Starts: r.Starts + o.Starts, Changes: r.Changes + o.Changes,
		BusyRemoved: r.BusyRemoved + o.BusyRemoved, Hits: r.Hits + o.Hits,
	}
}
