package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// endpoints is where RabbitMQ and Redis are, for a person.
func (a *app) endpoints() (reach.Endpoints, error) { return a.endpointsOf(lanes.OperatorRole) }

// endpointsOf is where they are, with the login of the role.
func (a *app) endpointsOf(role string) (reach.Endpoints, error) {
	e, err := a.asked.As(role).Find()
	if err == nil {
		a.used = e
	}
	return e, err
}

// store opens Redis for a command that says itself what goes wrong.
func (a *app) store() (*redis.Store, error) {
	e, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	return e.Store(slog.New(slog.DiscardHandler))
}

// withStore calls f with the Redis in use.
func (a *app) withStore(f func(*redis.Store) error) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	defer store.Close()
	return f(store)
}

// withBoard calls f with the board of the Redis in use.
func (a *app) withBoard(f func(*redis.Board) error) error {
	return a.withStore(func(s *redis.Store) error { return f(redis.NewBoard(s, slog.New(slog.DiscardHandler))) })
}

// withLedger calls f with the ledger of the Redis in use.
func (a *app) withLedger(f func(*redis.Ledger) error) error {
	log, err := a.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	return a.withStore(func(s *redis.Store) error { return f(redis.NewLedger(s, log)) })
}

// effective is the policy in force.
func (a *app) effective(ctx context.Context, s *redis.Store) (lanes.Effective, error) {
	e, err := redis.NewBoard(s, slog.New(slog.DiscardHandler)).Policy(ctx)
	if errors.Is(err, redis.ErrNotFound) {
		return e, errNoPolicy
	}
	return e, reach.Unreachable(err)
}

func redisNotFound(err error) bool { return errors.Is(err, redis.ErrNotFound) }

// broker opens a connection to RabbitMQ, named for what it is for.
func (a *app) broker(name string, log *slog.Logger) (*rabbit.Conn, error) {
	e, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	return e.Broker(nil, name, log)
}
