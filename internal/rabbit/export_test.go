package rabbit

import (
	"context"
	"net"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// SetPatience shortens how long a publish waits without progress.
func (p *Publisher) SetPatience(d time.Duration) { p.patience = d }

// SetLooks shortens the time between two looks at the broker's name.
func (c *Conn) SetLooks(every time.Duration) { c.looks = looks{every, every} }

// SetPause shortens the pause before a job goes back that couldn't be moved.
func (t *Taker) SetPause(d time.Duration) { t.pause = d }

// SetLongestDelay shortens how far the last delay queue with exact times reaches, until it is called again; it returns what it was.
func SetLongestDelay(d time.Duration) time.Duration {
	last := &buckets[len(buckets)-2]
	was := last.reach
	last.reach = d
	return was
}

// SetForwardPrefetch has forwarders that begin now hold fewer jobs of each queue, until it is called again; it returns what it was.
func SetForwardPrefetch(n int) int {
	was := forwardPrefetch
	forwardPrefetch = n
	return was
}

// StopWriting makes every write on the live session fail, while reads go on until the broker hangs up.
func (c *Conn) StopWriting() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.raw.(*net.TCPConn).CloseWrite()
}

// Blocked is why the broker has stopped this connection from publishing (an alarm), "" when it hasn't.
func (c *Conn) Blocked() string {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s == nil {
		return ""
	}
	why, _ := s.block()
	return why
}

// Enqueue puts one job into a lane.
func (p *Publisher) Enqueue(ctx context.Context, lane string, job lanes.Job, enqueuedAt time.Time) error {
	return p.EnqueueBatch(ctx, []Entry{{Lane: lane, Job: job, EnqueuedAt: enqueuedAt}})[0]
}
