package main

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
	"github.com/polyglot-media/siren/lanes"
)

// endpoints is where RabbitMQ and Redis are, for a person.
func (a *app) endpoints() (reach.Endpoints, error) { return a.endpointsOf(lanes.OperatorRole) }

// endpointsOf is where they are, with the login of the role.
func (a *app) endpointsOf(role string) (reach.Endpoints, error) {
	e, err := a.asked.As(role).Find()
	if err == nil {
		if until, ok := e.Stopping(); ok && a.used.Origin() == "" { // said once
			a.warn("`siren up` is stopping: no job is started any more, and those that run may go on until %s", until.Local().Format("15:04:05"))
		}
		a.used = e
	}
	return e, err
}

// store opens Redis for a command that says itself what goes wrong. From then on the command goes by its clock.
func (a *app) store() (*redislink.Store, error) {
	e, err := a.endpoints()
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

// now is the time by Redis' clock, which is what times in records and messages are by: this machine's may be wrong. Before a command has opened
// Redis, and without it, there is no other than this machine's.
func (a *app) now() time.Time {
	if a.clock == nil {
		return time.Now() //nolint:forbidigo // there is no other
	}
	return a.clock()
}

// withStore calls f with the Redis in use.
func (a *app) withStore(f func(*redislink.Store) error) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	defer store.Close()
	return f(store)
}

// withBoard calls f with the board of the Redis in use.
func (a *app) withBoard(f func(*redis.Board) error) error {
	return a.withStore(func(s *redislink.Store) error { return f(redis.NewBoard(s, slog.New(slog.DiscardHandler))) })
}

// withLedger calls f with the ledger of the Redis in use.
func (a *app) withLedger(f func(*jobledger.Ledger) error) error {
	log, err := a.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	return a.withStore(func(s *redislink.Store) error { return f(jobledger.New(s, log)) })
}

// effective is the policy in force.
func (a *app) effective(ctx context.Context, s *redislink.Store) (lanes.Effective, error) {
	e, err := redis.NewBoard(s, slog.New(slog.DiscardHandler)).Policy(ctx)
	if errors.Is(err, redislink.ErrNotFound) {
		return e, operate.ErrNoPolicy
	}
	return e, err
}

func redisNotFound(err error) bool { return errors.Is(err, redislink.ErrNotFound) }

// broker opens a connection to RabbitMQ, named for what it is for.
func (a *app) broker(name string, log *slog.Logger) (*rabbitlink.Conn, error) {
	e, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	return e.Broker(a.now, name, log)
}
