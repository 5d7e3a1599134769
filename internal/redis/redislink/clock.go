package redislink

import (
	"context"
	"sync/atomic"
	"time"
)

const clockWithin = time.Second // an answer that took longer says too little

// clock is this machine's, put right by Redis': the times in headers and heartbeats are compared between machines,
// whose clocks may differ.
type clock struct {
	own   func() time.Time
	ahead atomic.Int64 // nanoseconds by which Redis' clock is ahead; 0 while that is less than can be told
}

// Now returns the time by Redis' clock, as far as it is known: soon after the first connection, or see FollowClock;
// this machine's otherwise.
func (s *Store) Now() time.Time { return s.clock.own().Add(time.Duration(s.clock.ahead.Load())) }

// FollowClock looks at Redis' clock now; the store does so again every few seconds until it is closed. While Redis is
// away what was last seen stands.
func (s *Store) FollowClock(ctx context.Context) { s.look(ctx) }

// set takes what an answer says, unless it took too long.
func (c *clock) set(theirs, asked time.Time, took time.Duration) {
	if took <= clockWithin {
		c.ahead.Store(int64(ahead(theirs, asked, took)))
	}
}

// ahead returns how far their clock is ahead of the one that says when they were asked and how long the answer took. A
// difference that the round trip can explain counts as none.
func ahead(theirs, asked time.Time, took time.Duration) time.Duration {
	d := theirs.Sub(asked.Add(took / 2))
	if d.Abs() <= took/2+time.Millisecond {
		return 0
	}
	return d
}
