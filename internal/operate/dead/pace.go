package dead

import (
	"context"
	"math"
	"time"
)

// pace spreads jobs over time.
type pace struct {
	rate float64 // jobs a second; 0: no bound
	next time.Time
}

// batch returns how many letters are taken in one go: as many as are replayed within half a minute, so that what the
// ledger said of them isn't old.
func (p *pace) batch() int {
	if p.rate == 0 {
		return letterBatch
	}
	return int(min(letterBatch, max(1, math.Ceil(30*p.rate))))
}

// chunk returns how many jobs go at once.
func (p *pace) chunk() int {
	if p.rate == 0 {
		return copyBatch
	}
	return int(min(letterBatch, max(1, p.rate/5)))
}

// wait returns when it is time for n more.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.rate == 0 {
		return ctx.Err()
	}
	now := time.Now() //nolint:forbidigo // a pace of this process's own
	if p.next.Before(now) {
		p.next = now
	}
	t := time.NewTimer(p.next.Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.next = p.next.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	return ctx.Err()
}
