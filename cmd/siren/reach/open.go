package reach

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/client"
)

// Broker opens a connection to RabbitMQ, named for what it is for, that goes by the clock; nil: this machine's.
func (e Endpoints) Broker(now func() time.Time, name string, log *slog.Logger) (*rabbitlink.Conn, error) {
	c, err := rabbitlink.Open(rabbitlink.Options{
		URL: e.AMQP.URL, Name: name, Log: log, Renew: e.AMQP.renewal(),
		TLS: e.AMQP.settings(), Now: now,
	})
	return c, operate.Invalid.With(err)
}

// connectWithin is how long somebody who waits, such as a person, waits for the broker.
const connectWithin = 5 * time.Second

// Connect does as Broker, and waits until the connection is there. It fails when none is within five seconds.
func (e Endpoints) Connect(
	ctx context.Context, now func() time.Time, name string, log *slog.Logger,
) (*rabbitlink.Conn, error) {
	c, err := e.Broker(now, name, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	if err := c.Wait(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// clockVariable shifts the clock of a process, as in 45m or -1h. For tests: nobody else sets it.
const clockVariable = "SIREN_TEST_CLOCK_OFFSET"

// Store opens Redis.
func (e Endpoints) Store(log *slog.Logger) (*redislink.Store, error) {
	options := []redislink.Option{redislink.WithRenew(e.Redis.renewal()), redislink.WithTLS(e.Redis.settings())}
	if text := os.Getenv(clockVariable); text != "" {
		offset, err := time.ParseDuration(text)
		if err != nil {
			return nil, operate.Invalid.Errorf("%s: %w", clockVariable, err)
		}
		options = append(options, redislink.WithClock(func() time.Time { return time.Now().Add(offset) }))
	}
	s, err := redislink.Open(e.Redis.URL, log, options...)
	return s, operate.Invalid.With(err)
}

// Client opens both for a producer. It goes by the files as they are now.
func (e Endpoints) Client(o client.Options) (*client.Client, error) {
	o.AMQPURL, o.RedisURL = e.AMQP.URL, e.Redis.URL
	var err, err2 error
	o.AMQPTLS, err = e.AMQP.TLS()
	o.RedisTLS, err2 = e.Redis.TLS()
	if err := errors.Join(err, err2); err != nil {
		return nil, operate.Invalid.With(err)
	}
	c, err := client.New(o)
	return c, operate.Invalid.With(err)
}
