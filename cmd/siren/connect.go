package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// urls finds RabbitMQ and Redis: flags, then the environment, then the running `siren up`.
func (a *app) urls() (amqpURL, redisURL string, err error) {
	amqpURL, redisURL = a.amqpURL, a.redisURL
	if amqpURL == "" {
		amqpURL = os.Getenv("SIREN_AMQP_URL")
	}
	if redisURL == "" {
		redisURL = os.Getenv("SIREN_REDIS_URL")
	}
	if amqpURL == "" || redisURL == "" {
		l, ok := running()
		if amqpURL == "" {
			amqpURL = l.AMQPURL
		}
		if redisURL == "" {
			redisURL = l.RedisURL
		}
		if !ok {
			return "", "", exit(exitUnreachable, errors.New(
				"no RabbitMQ and Redis to talk to: start `siren up` in another terminal, or set SIREN_AMQP_URL and SIREN_REDIS_URL"))
		}
	}
	return amqpURL, redisURL, nil
}

// store opens Redis.
func (a *app) store() (*redis.Store, error) {
	_, url, err := a.urls()
	if err != nil {
		return nil, err
	}
	s, err := redis.Open(url, slog.New(slog.DiscardHandler))
	return s, exit(exitUsage, err)
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
	url, _, err := a.urls()
	if err != nil {
		return nil, err
	}
	c, err := rabbit.Open(rabbit.Options{URL: url, Name: name, Log: log})
	return c, exit(exitUsage, err)
}
