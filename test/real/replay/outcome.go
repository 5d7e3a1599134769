// Package replay plays the same jobs twice, on a real fleet and in the simulator, and says how far apart they are.
//
// The real fleet is all there is of Siren: RabbitMQ, Redis, the scaler's loop, worker processes that take, claim, run
// and settle. Only the jobs are made for it: what they read arrives slowly (slow), so that a job lasts as long as the
// trace says and hardly needs the machine. The simulator is told what it doesn't claim to know, as it was measured in
// that run: how long each job ran, how long slots took to begin the next job, workers to start and to leave.
package replay

import (
	"fmt"
	"math"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
)

// Outcome is what came of the jobs, played in one way.
type Outcome struct {
	Lanes         []Waits // in the policy's order
	WorkerSeconds float64 // from a worker's creation until it is gone
	Starts        int     // of workers
	Fleet         []int   // workers at each second
}

// Waits is how long a lane's jobs waited, from being ready until they first started.
type Waits struct {
	Lane     string
	Jobs     int
	P50, P95 time.Duration
}

// Measured is what a real run tells the simulator.
type Measured struct {
	Cold  sim.Cold
	Leave time.Duration // from the scaler's telling an idle worker to go until it is gone
	Turn  time.Duration // from a job's end until its slot has begun the next
	Load  load.Listed   // the jobs, from when they were ready; Service is how long they kept their slots: run and Turn
}

// String says it in one line.
func (o Outcome) String() string {
	s := ""
	for _, l := range o.Lanes {
		s += fmt.Sprintf("%s %d jobs, p50 %.2f s, p95 %.2f s; ", l.Lane, l.Jobs, l.P50.Seconds(), l.P95.Seconds())
	}
	return s + fmt.Sprintf("%.0f worker-seconds, %d starts", o.WorkerSeconds, o.Starts)
}

// place returns the nearest rank of a percentile.
func place(sorted []time.Duration, percent float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(percent/100*float64(len(sorted))))-1)]
}

// fleetOf returns how many of the workers were there at each second from began on, what they cost, and how many
// started meanwhile.
func fleetOf(lives []life, began time.Time, lasts time.Duration) (fleet []int, cost float64, starts int) {
	end := began.Add(lasts)
	fleet = make([]int, int(lasts/time.Second))
	for _, l := range lives {
		if l.end.IsZero() || l.end.After(end) {
			l.end = end
		}
		if !l.from.Before(began) && l.from.Before(end) {
			starts++
		}
		l.from = later(l.from, began)
		cost += max(0, l.end.Sub(l.from).Seconds())
		for s := range fleet {
			if at := began.Add(time.Duration(s) * time.Second); !at.Before(l.from) && at.Before(l.end) {
				fleet[s]++
			}
		}
	}
	return fleet, cost, starts
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
