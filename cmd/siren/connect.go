package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// store opens Redis for a command that says itself what goes wrong.
func (a *app) store() (*redis.Store, error) { return a.redisStore(slog.New(slog.DiscardHandler)) }

// redisStore opens Redis for a process that logs what goes wrong.
func (a *app) redisStore(log *slog.Logger) (*redis.Store, error) {
	e, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	return e.store(log)
}

// effective is the policy in force.
func (a *app) effective(ctx context.Context, s *redis.Store) (lanes.Effective, error) {
	e, err := redis.NewBoard(s, slog.New(slog.DiscardHandler)).Policy(ctx)
	if errors.Is(err, redis.ErrNotFound) {
		return e, errors.New("no policy is in force yet: is `siren scaler` (or `siren up`) running?")
	}
	return e, unreachable(err)
}

// unreachable gives an error of the store or the broker its exit code.
func unreachable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrNotFound) {
		return err
	}
	return exit(exitUnreachable, err)
}

// broker opens a connection to RabbitMQ, named for what it is for.
func (a *app) broker(name string, log *slog.Logger) (*rabbit.Conn, error) {
	e, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	return e.broker(name, log)
}
