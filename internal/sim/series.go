package sim

import (
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Point is one moment of a simulation.
type Point struct {
	At    lanes.Duration `json:"at"`
	Lanes []LanePoint    `json:"lanes"` // in the policy's order
	Pools []PoolPoint    `json:"pools"`
}

// LanePoint is a lane at a moment.
type LanePoint struct {
	Waiting int     `json:"waiting"`
	Running int     `json:"running"`
	Worst   float64 `json:"worst"` // the longest wait of a job that started since the moment before, in seconds
}

// PoolPoint is a pool's workers at a moment.
type PoolPoint struct {
	Replicas int `json:"replicas"`
	Busy     int `json:"busy"`
	Idle     int `json:"idle"`
	Starting int `json:"starting"`
	Parked   int `json:"parked"`
	Leaving  int `json:"leaving"`
}

// sample notes how it is now.
func (p *Plant) sample() {
	pt := Point{At: lanes.Duration(p.now)}
	for i := range p.lanes {
		l, t := &p.lanes[i], &p.book.lanes[i]
		worst := t.worst
		if l.queue.n > 0 && !l.queue.front().again {
			worst = max(worst, p.now-l.queue.front().ready)
		}
		pt.Lanes = append(pt.Lanes, LanePoint{l.queue.n, l.running, time.Duration(worst).Seconds()})
		t.worst = 0
	}
	for i := range p.pools {
		q := PoolPoint{Replicas: p.pools[i].replicas}
		for _, m := range p.pools[i].members {
			switch p.workers[m].doing {
			case busy:
				q.Busy++
			case starting:
				q.Starting++
			case parked:
				q.Parked++
			case idling:
				q.Idle++
			case leaving:
				q.Leaving++
			}
		}
		pt.Pools = append(pt.Pools, q)
	}
	p.book.series = append(p.book.series, pt)
}
