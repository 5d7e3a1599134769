package rabbit

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 100 * time.Millisecond // doubles up to lastPause
	lastPause  = 5 * time.Second        // a broker restarts in 4 to 9 s: more would only add to that
	steady     = 10 * time.Second       // what went well for so long ends the backoff
)

// backoff is a growing, jittered pause between attempts.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{firstPause} }

func (b *backoff) reset() { b.next = firstPause }

// lasted resets the pause after what went well for long enough; false when it was too short.
func (b *backoff) lasted(d time.Duration) bool {
	if d < steady {
		return false
	}
	b.reset()
	return true
}

// wait pauses for between half of the current pause and all of it, or until ctx ends.
func (b *backoff) wait(ctx context.Context) {
	sleep(ctx, b.next/2+rand.N(b.next/2))
	b.next = min(2*b.next, lastPause)
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
