package client

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// NewAt makes a Client on a machine with that clock.
func NewAt(o Options, clock func() time.Time) (*Client, error) {
	return open(o, redislink.WithClock(clock))
}

// PolicyIsDue has the next call read the policy again.
func (c *Client) PolicyIsDue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readAt = time.Time{}
}

// Lane returns the lane of a job with these labels.
func (c *Client) Lane(ctx context.Context, labels map[string]string) (string, error) {
	r, err := c.inForce(ctx)
	if err != nil {
		return "", err
	}
	return r.Lane(labels), nil
}
