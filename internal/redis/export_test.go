package redis

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// WithPace has the store look at its Redis so often.
func WithPace(every time.Duration) Option {
	return func(r *remote) { r.pace = pace{every, every, every, maxAge} }
}

// WithAge has no connection be used for longer.
func WithAge(age time.Duration) Option {
	return func(r *remote) { r.pace.age = age }
}

// Ahead is ahead.
var Ahead = ahead

// Create is CreateAll for one job.
func (l *Ledger) Create(ctx context.Context, job lanes.Job, lane string, at time.Time) (bool, error) {
	made, err := l.CreateAll(ctx, []lanes.Delivery{{Job: job, Lane: lane, EnqueuedAt: at, ReadyAt: at}})
	if err != nil {
		return false, err
	}
	return made[0], nil
}
