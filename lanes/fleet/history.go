package fleet

import (
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Point is one moment of the history of lanes and pools, or a stretch of it: see Merge.
type Point struct {
	At    time.Time            `json:"at"`
	Lanes map[string]LanePoint `json:"lanes"`
	Pools map[string]PoolPoint `json:"pools"`
	// those that count against the budget: replicas of all pools, and workers that aren't this scaler's
	Workers int `json:"workers"`
	Budget  int `json:"budget"` // 0: any number
}

// LanePoint is what a point says of a lane, in the words of LaneStatus.
type LanePoint struct {
	Ready      int            `json:"ready"`
	Busy       int            `json:"busy"`
	OldestWait lanes.Duration `json:"oldestWait"`
	P95Wait    lanes.Duration `json:"p95Wait"`
	Started    int            `json:"started"`
	InTime     int            `json:"inTime"`
}

// PoolPoint is what a point says of a pool, in the words of PoolStatus.
type PoolPoint struct {
	Ready    int `json:"ready"`
	Busy     int `json:"busy"`
	Starting int `json:"starting"`
	Wanted   int `json:"wanted"`
	Target   int `json:"target"`
}

// Point returns what the history keeps of the snapshot.
func (s Snapshot) Point() Point {
	p := Point{
		At: s.At, Lanes: make(map[string]LanePoint, len(s.Lanes)), Pools: make(map[string]PoolPoint, len(s.Pools)),
		Workers: s.Others, Budget: s.Budget,
	}
	for _, l := range s.Lanes {
		p.Lanes[l.Name] = LanePoint{l.Ready, l.Busy, l.OldestWait, l.P95Wait, l.Started, l.InTime}
	}
	for _, w := range s.Pools {
		p.Pools[w.Name] = PoolPoint{w.Ready, w.Busy, w.Starting, w.Wanted, w.Target}
		p.Workers += w.Replicas
	}
	return p
}

// Merge makes one point of at least one, the oldest first: waits are the longest, counts of jobs and workers the mean,
// rounded up so that what was there for a moment shows. Started, InTime and the budget are the last: the first two are
// of the last five minutes already. A lane or pool counts in the points that have it. At is that of the first.
func Merge(points []Point) Point {
	last := points[len(points)-1]
	m := Point{
		At: points[0].At, Lanes: map[string]LanePoint{}, Pools: map[string]PoolPoint{}, Budget: last.Budget,
	}
	inLane, inPool := map[string]int{}, map[string]int{}
	for _, p := range points {
		m.Workers += p.Workers
		for name, l := range p.Lanes {
			inLane[name]++
			m.Lanes[name] = m.Lanes[name].and(l)
		}
		for name, w := range p.Pools {
			inPool[name]++
			m.Pools[name] = m.Pools[name].and(w)
		}
	}
	m.Workers = mean(m.Workers, len(points))
	for name, l := range m.Lanes {
		n := inLane[name]
		l.Ready, l.Busy = mean(l.Ready, n), mean(l.Busy, n)
		m.Lanes[name] = l
	}
	for name, w := range m.Pools {
		n := inPool[name]
		m.Pools[name] = PoolPoint{
			mean(w.Ready, n), mean(w.Busy, n), mean(w.Starting, n), mean(w.Wanted, n), mean(w.Target, n),
		}
	}
	return m
}

// and adds up the counts.
func (l LanePoint) and(next LanePoint) LanePoint {
	return LanePoint{
		l.Ready + next.Ready, l.Busy + next.Busy, max(l.OldestWait, next.OldestWait), max(l.P95Wait, next.P95Wait),
		next.Started, next.InTime,
	}
}

func (p PoolPoint) and(next PoolPoint) PoolPoint {
	return PoolPoint{
		p.Ready + next.Ready, p.Busy + next.Busy, p.Starting + next.Starting, p.Wanted + next.Wanted,
		p.Target + next.Target,
	}
}

// mean returns the mean of n counts, rounded up.
func mean(sum, n int) int { return (sum + n - 1) / n }
