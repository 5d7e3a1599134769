package redislink

import (
	"time"
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
