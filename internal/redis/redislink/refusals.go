package redislink

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// refused notes what Redis refuses to this login.
type refused struct {
	count  atomic.Int64
	latest atomic.Pointer[error] // nil once it has done something since
}

func (r *refused) note(err error) {
	switch {
	case err == nil:
		r.latest.Store(nil)
	case IsRefused(err):
		r.count.Add(1)
		r.latest.Store(&err)
	}
}

// Refusal returns the ErrRefused that Redis answered last; nil when it has done since what it was asked, or has never
// refused anything.
func (s *Store) Refusal() error {
	if err := s.remote.refusals.latest.Load(); err != nil {
		return Failed("Redis", *err)
	}
	return nil
}

// RegisterRefusals registers a metric of what Redis refuses to this login.
func RegisterRefusals(r prometheus.Registerer, s *Store) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "siren", Subsystem: "redis", Name: "refused_total",
		Help: "Commands and logins that Redis has refused to this process's user: it lacks rights of its role, " +
			"or its password is wrong.",
	}, func() float64 { return float64(s.remote.refusals.count.Load()) }))
}
