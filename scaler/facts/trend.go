package facts

import (
	"math"
	"time"
)

// Trend is how a lane's backlog moves: its exponential moving average, and how fast that grows.
type Trend struct {
	At      time.Time
	Backlog float64 // jobs, averaged
	Growth  float64 // jobs a second; less than 0: it shrinks
}

// TrendAge returns how old what a trend says is, in the mean: half a cold start, and at least 2.5 s. Who wants to see a
// cold start ahead looks as far back; over less than that, single arrivals look like growth.
func TrendAge(coldStart time.Duration) time.Duration { return max(coldStart/2, 2500*time.Millisecond) }

// learn takes in the backlog of one tick.
func (t *Trend) learn(at time.Time, backlog int, age time.Duration) {
	since := at.Sub(t.At)
	switch {
	case t.At.IsZero():
		*t = Trend{At: at, Backlog: float64(backlog)}
	case since > 0:
		weight := 1 - math.Exp(-since.Seconds()/age.Seconds())
		change := weight * (float64(backlog) - t.Backlog)
		*t = Trend{At: at, Backlog: t.Backlog + change, Growth: change / since.Seconds()}
	}
}
