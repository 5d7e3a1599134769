package client

import (
	"time"

	"github.com/polyglot-media/siren/internal/redis"
)

// NewAt makes a Client on a machine with that clock.
func NewAt(o Options, clock func() time.Time) (*Client, error) {
	return open(o, redis.WithClock(clock))
}
