package redislink

import (
	"time"
)

// WithPace sets how often the store looks at its Redis.
func WithPace(every time.Duration) Option {
	return func(r *remote) { r.pace = pace{every, every, every, maxAge} }
}

// WithAge sets how long a connection is used at most.
func WithAge(age time.Duration) Option {
	return func(r *remote) { r.pace.age = age }
}

// Ahead is ahead.
var Ahead = ahead
