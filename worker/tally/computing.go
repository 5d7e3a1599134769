package tally

import (
	"math"
	"time"
)

const (
	recent = 4 * time.Second // over which computing is averaged; what is older counts less and less
	least  = time.Second     // of running from which on it is known
	apart  = 0.2             // a change by less isn't told
)

// computing is how many cores the jobs have used lately, while any ran.
type computing struct {
	at            time.Time // up to when time was counted
	busy, seconds float64   // seconds in which jobs ran, and computed seconds, both fading
	said          float64
}

// Compute takes in that the jobs' programs have computed for so long.
func (t *Tally) Compute(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seconds += d.Seconds()
}

// pass lets time pass until now; while nothing ran it doesn't count.
func (c *computing) pass(now time.Time, ran bool) {
	if d := now.Sub(c.at).Seconds(); ran && d > 0 {
		fade := math.Exp(-d / recent.Seconds())
		c.busy, c.seconds = (c.busy+d)*fade, c.seconds*fade
	}
	c.at = now
}

// say returns how many cores that are; 0 while it isn't known. A heartbeat that says the same as before costs its
// readers next to nothing, so it stays what was said until it is clearly something else.
func (c *computing) say() float64 {
	if c.busy < least.Seconds() {
		return c.said
	}
	if cores := c.seconds / c.busy; math.Abs(cores-c.said) > apart*c.said {
		c.said = math.Round(cores*100) / 100
	}
	return c.said
}
