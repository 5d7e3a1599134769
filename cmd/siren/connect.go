package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
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
	return e, unreachable(err)
}

// unreachable gives an error of the store or the broker its exit code.
func unreachable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrNotFound) {
		return err
	}
	return exit(exitUnreachable, err)
}

func redisNotFound(err error) bool { return errors.Is(err, redis.ErrNotFound) }

// broker opens a connection to RabbitMQ, named for what it is for.
func (a *app) broker(name string, log *slog.Logger) (*rabbit.Conn, error) {
	return a.brokerBy(nil, name, log)
}

// brokerBy is broker by another clock than this machine's.
func (a *app) brokerBy(now func() time.Time, name string, log *slog.Logger) (*rabbit.Conn, error) {
	e, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	return e.broker(now, name, log)
}

// broker opens a connection to RabbitMQ, named for what it is for, that goes by the clock; nil: this machine's.
func (e endpoints) broker(now func() time.Time, name string, log *slog.Logger) (*rabbit.Conn, error) {
	c, err := rabbit.Open(rabbit.Options{URL: e.amqp.url, Name: name, Log: log, Renew: e.amqp.renewal(), TLS: e.amqp.settings(), Now: now})
	return c, exit(exitUsage, err)
}

// clockVariable shifts the clock of a process, as in 45m or -1h. For tests: nobody else sets it.
const clockVariable = "SIREN_TEST_CLOCK_OFFSET"

// store opens Redis.
func (e endpoints) store(log *slog.Logger) (*redis.Store, error) {
	options := []redis.Option{redis.WithRenew(e.redis.renewal()), redis.WithTLS(e.redis.settings())}
	if text := os.Getenv(clockVariable); text != "" {
		offset, err := time.ParseDuration(text)
		if err != nil {
			return nil, exit(exitUsage, fmt.Errorf("%s: %w", clockVariable, err))
		}
		options = append(options, redis.WithClock(func() time.Time { return time.Now().Add(offset) }))
	}
	s, err := redis.Open(e.redis.url, log, options...)
	return s, exit(exitUsage, err)
}

// client opens both for a producer. It goes by the files as they are now.
func (e endpoints) client(o client.Options) (*client.Client, error) {
	o.AMQPURL, o.RedisURL = e.amqp.url, e.redis.url
	var err, err2 error
	o.AMQPTLS, err = e.amqp.config()
	o.RedisTLS, err2 = e.redis.config()
	if err := errors.Join(err, err2); err != nil {
		return nil, exit(exitUsage, err)
	}
	c, err := client.New(o)
	return c, exit(exitUsage, err)
}
