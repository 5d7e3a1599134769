package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/role"
)

// Endpoints returns where RabbitMQ and Redis are, for a person.
func (a *App) Endpoints() (reach.Endpoints, error) { return a.EndpointsOf(role.Operator) }

// EndpointsOf returns where they are, with the login of the role.
func (a *App) EndpointsOf(role string) (reach.Endpoints, error) {
	e, err := a.Asked.As(role).Find()
	if err == nil {
		if until, ok := e.Stopping(); ok && a.Used.Origin() == "" { // said once
			a.Warn("`siren up` is stopping: no job is started any more, and those that run may go on until %s",
				say.Clock(until))
		}
		a.Used = e
	}
	return e, err
}

// Store opens Redis for a command that says itself what goes wrong. From then on the command goes by its clock.
func (a *App) Store() (*redislink.Store, error) {
	e, err := a.Endpoints()
	if err != nil {
		return nil, err
	}
	s, err := e.Store(slog.New(slog.DiscardHandler))
	if err == nil {
		s.FollowClock(context.Background()) // a second at most
		a.clock = s.Now
	}
	return s, err
}

// Now returns the time by Redis' clock, as records and messages have it: this machine's may be wrong. Before a command
// has opened Redis it is this machine's.
func (a *App) Now() time.Time {
	if a.clock == nil {
		return time.Now() //nolint:forbidigo // there is no other
	}
	return a.clock()
}

// withStore calls f with the Redis in use.
func (a *App) withStore(f func(*redislink.Store) error) error {
	store, err := a.Store()
	if err != nil {
		return err
	}
	defer store.Close()
	return f(store)
}

// WithBoard calls f with the board of the Redis in use.
func (a *App) WithBoard(f func(*redis.Board) error) error {
	return a.withStore(func(s *redislink.Store) error { return f(redis.NewBoard(s, slog.New(slog.DiscardHandler))) })
}

// WithLedger calls f with the ledger of the Redis in use.
func (a *App) WithLedger(f func(*jobledger.Ledger) error) error {
	log, err := a.Logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	return a.withStore(func(s *redislink.Store) error { return f(jobledger.New(s, log)) })
}

// Effective returns the policy in force.
func (a *App) Effective(ctx context.Context, s *redislink.Store) (lanes.Effective, error) {
	e, err := redis.NewBoard(s, slog.New(slog.DiscardHandler)).Policy(ctx)
	if errors.Is(err, redislink.ErrNotFound) {
		return e, operate.ErrNoPolicy
	}
	return e, err
}

func RedisNotFound(err error) bool { return errors.Is(err, redislink.ErrNotFound) }

// Broker opens a connection to RabbitMQ, named for what it is for.
func (a *App) Broker(name string, log *slog.Logger) (*rabbitlink.Conn, error) {
	e, err := a.Endpoints()
	if err != nil {
		return nil, err
	}
	return e.Broker(a.Now, name, log)
}
