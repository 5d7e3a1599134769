package advise

import (
	"math"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

// Outcome is what a policy makes of the load.
type Outcome struct {
	WorkerHours float64 `json:"workerHours"`
	// CoreHours counts what the workers have: as many cores as slots, or slot.cores for each.
	CoreHours float64 `json:"coreHours"`
	// Owed is the core-hours of the jobs that haven't ended when the load is over: a policy isn't cheap for them.
	Owed   float64 `json:"owed"`
	Starts int     `json:"starts"`
	Peak   int     `json:"peak"` // workers at most
	Lanes  []Lane  `json:"lanes"`
}

// Lane is how a lane's jobs fared.
type Lane struct {
	Name        string         `json:"name"`
	StartWithin lanes.Duration `json:"startWithin"`
	Jobs        int            `json:"jobs"`
	Share       float64        `json:"share"` // of the jobs that started within it
	P95         lanes.Duration `json:"p95"`
	Met         bool           `json:"met"`
}

// cost is what one outcome is compared with another by, in core-hours.
func (o Outcome) cost() float64 { return o.CoreHours + o.Owed }

// met is the part of a lane's jobs that has to start in time.
const met = 0.95

// missing is how far the lanes are from their objectives together: 0 when all meet them.
func (o Outcome) missing() (sum float64) {
	for _, l := range o.Lanes {
		sum += max(0, met-l.Share)
	}
	return sum
}

// lane returns a lane's part of it.
func (o Outcome) lane(name string) Lane {
	for _, l := range o.Lanes {
		if l.Name == name {
			return l
		}
	}
	return Lane{Share: 1, Met: true}
}

// Cores returns how many cores a worker of the pool is paid for.
func Cores(q lanes.Pool) float64 { return float64(q.Slots) * q.Slot.Cores }

// CoreHours returns what a policy's workers cost in a simulation.
func CoreHours(p *lanes.Policy, r *sim.Result) (sum float64) {
	for i, q := range p.Pools {
		sum += r.Pools[i].WorkerSeconds() / 3600 * Cores(q)
	}
	return sum
}

// outcome reads a simulation of a load whose jobs take so much work in all.
func outcome(p *lanes.Policy, r *sim.Result, work time.Duration) Outcome {
	o := Outcome{Starts: r.Total.Starts, Peak: r.Total.Peak, Owed: max(0, work.Seconds()-r.Work) / 3600}
	o.WorkerHours, o.CoreHours = r.Total.WorkerSeconds()/3600, CoreHours(p, r)
	for _, l := range r.Lanes {
		o.Lanes = append(o.Lanes, Lane{
			Name: l.Name, StartWithin: l.StartWithin, Jobs: l.InTime + l.Late, Share: l.Share(), P95: l.P95,
			Met: l.Met(),
		})
	}
	return o
}

// little is what isn't a difference: half a point of a lane's jobs, a per cent of the cost.
const (
	littleShare = 0.005
	littleCost  = 0.01
)

// spare is how much more than its objective asks for a lane keeps that a step takes something from: another day isn't
// quite like the trace.
const spare = 0.01

// harms reports whether a lane has more jobs late than before, and misses its objective, or nearly.
func (o Outcome) harms(before Outcome) bool {
	for i, l := range o.Lanes {
		if l.Share < before.Lanes[i].Share-littleShare/2 && l.Share < met+spare {
			return true
		}
	}
	return false
}

// gain is what a step is worth: more jobs in time for each core-hour that it costs, else the core-hours that it saves.
// Steps of the first kind come before those of the second. It is 0 when the step is worth nothing.
func (o Outcome) gain(before Outcome) float64 {
	if o.harms(before) {
		return 0
	}
	more, costs := before.missing()-o.missing(), o.cost()-before.cost()
	switch {
	case more >= littleShare:
		return inTime * (1 + more/max(costs, before.cost()*littleCost))
	case more > -littleShare/2 && -costs > before.cost()*littleCost:
		return math.Min(-costs, inTime/2)
	}
	return 0
}

// inTime is more than any fleet can save.
const inTime = 1e12
