package sim

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Job is one job of a load.
type Job struct {
	At      time.Duration // since the beginning: when it is ready
	Lane    int           // its place in the policy
	Service time.Duration // how long it runs with a core of its own
	// Parts is how many jobs it is split into when it starts, each of an equal part of Service, and one more that joins
	// them when all have ended; 0 or 1: it isn't split. It has ended when its join has.
	Parts int
	// Kind is the number of its kind, from 1 to MostKinds; 0: it has none. Jobs of a kind run about as long.
	Kind int
}

// MostKinds is how many kinds a load may have.
const MostKinds = 1000

// Source is where jobs come from, the earliest first.
type Source interface {
	Next() (Job, bool)
}

// Config is one simulation.
type Config struct {
	Policy *lanes.Policy // as Load makes it: valid, with its defaults
	Load   Source
	For    time.Duration // how long it lasts
	Start  time.Time     // when it begins, by which the policy's schedules go; zero: 2026 does
	Seed   uint64
	Cold   Cold          // from a worker's creation until it is up
	Lag    time.Duration // from a changed number of replicas until the cluster acts; see NewConfig
	Leave  time.Duration // from the cluster's telling a worker to stop until it is gone, when it runs nothing
	// Grace is how long a removed worker has for what it runs (terminationGracePeriodSeconds). What lasts longer is
	// hit: it starts again elsewhere. Siren never removes a worker that runs something.
	Grace        time.Duration
	FreeShoulder bool // a job on a shoulder slows nobody
	OneJob       bool // a worker ends with its first job, and is not replaced
	Predicted    Predicted
	Faults       Faults
	Sample       time.Duration // of the series; 0: none is made
}

// Predicted is how well workers know beforehand how long jobs run.
type Predicted struct {
	Part float64 // of the jobs that are predicted
	Off  float64 // how far off: lognormal around what is right, with this coefficient of variation
	// ByKind has workers predict, instead, what jobs of the same kind have taken: of a kind that hasn't run nothing.
	ByKind bool
}

// draw returns what is predicted of a job; 0: nothing.
func (p Predicted) draw(r *rand.Rand, work int64) int64 {
	if p.Part == 0 || r.Float64() >= p.Part {
		return 0
	}
	return Cold{Median: time.Duration(work), CV: p.Off}.draw(r)
}

// Faults is what goes wrong, all of it seldom: probabilities, and mean times between.
type Faults struct {
	Failing   float64       // of an attempt: it fails, anywhere in its run
	Crash     time.Duration // mean time until a worker crashes; 0: never
	LostBeat  float64       // of a heartbeat: nobody hears it, and the worker hears no orders
	LostDepth float64       // of a look at a lane: the broker doesn't answer
	LateDepth time.Duration // how old the scaler's answers of the broker are
}

// NewConfig returns a configuration with a cluster's usual delays.
func NewConfig(p *lanes.Policy, load Source, lasts time.Duration) Config {
	return Config{
		Policy: p, Load: load, For: lasts, Cold: Cold{Median: p.Timing.ColdStart.D()},
		Lag: 300 * time.Millisecond, Leave: time.Second,
	}
}

var errConfig = errors.New("a simulation needs a policy, a load, and a time that it lasts")

// Cold is how long workers take to start: lognormal.
type Cold struct {
	Median time.Duration
	CV     float64 // the coefficient of variation; 0: all take the same
}

// draw returns how long one takes.
func (c Cold) draw(r *rand.Rand) int64 {
	if c.CV == 0 {
		return int64(c.Median)
	}
	sigma := math.Sqrt(math.Log(1 + c.CV*c.CV))
	return int64(float64(c.Median) * math.Exp(sigma*r.NormFloat64()))
}
