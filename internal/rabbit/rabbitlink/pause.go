package rabbitlink

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

// Backoff is a growing, jittered pause between attempts.
type Backoff struct{ next time.Duration }

// NewBackoff begins with the shortest pause.
func NewBackoff() *Backoff { return &Backoff{firstPause} }

// Reset goes back to the shortest pause.
func (b *Backoff) Reset() { b.next = firstPause }

// Lasted resets the pause after what went well for long enough; false when it was too short.
func (b *Backoff) Lasted(d time.Duration) bool {
	if d < steady {
		return false
	}
	b.Reset()
	return true
}

// Wait pauses for between half of the current pause and all of it, or until ctx ends.
func (b *Backoff) Wait(ctx context.Context) {
	Sleep(ctx, b.next/2+rand.N(b.next/2))
	b.next = min(2*b.next, lastPause)
}

// Sleep returns after d, or when ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
