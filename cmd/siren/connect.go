package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// local is what a running `siren up` leaves for other terminals: where its servers listen. The file is readable by its
// owner alone, since the URLs carry passwords.
type local struct {
	PID      int    `json:"pid"`
	AMQPURL  string `json:"amqpURL"`
	RedisURL string `json:"redisURL"`
}

// localFile is where `siren up` leaves its local file.
func localFile() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the state of `siren up`: %w; set XDG_STATE_HOME", err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "siren", "up.json"), nil
}

// running is the `siren up` of this user that is alive; false when there is none.
func running() (local, bool) {
	var l local
	path, err := localFile()
	if err != nil {
		return l, false
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &l) != nil || l.PID <= 0 {
		return l, false
	}
	return l, syscall.Kill(l.PID, 0) == nil
}

// save leaves l for other terminals; the returned function takes it away again.
func (l local) save() (remove func(), err error) {
	path, err := localFile()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(path) }, nil
}

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
	return redis.Open(url, slog.New(slog.DiscardHandler))
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
