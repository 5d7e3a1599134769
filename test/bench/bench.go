package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
)

// policyYAML is three lanes in one pool, as most fleets have them. @DIR@ is the folder of the clips and outputs.
const policyYAML = `
lanes:
  - {name: express, match: [lane=express], startWithin: 2s}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: [lane=bulk], startWithin: 30m}
pools:
  - name: general
    lanes: [express, standard]
    guests: [bulk]
    slots: 2
    shoulder: {express: 1}
    max: 1
  - {name: batch, lanes: [bulk], max: 1}
budget: 2
storage:
  - {prefix: "file://@DIR@/", read: true, write: true}
`

// The lanes and the measured pool of policyYAML, and that pool's shared slots.
const (
	expressLane  = "express"
	standardLane = "standard"
	bulkLane     = "bulk"
	pool         = "general"
	poolSlots    = 2
)

// bench is a private RabbitMQ and Redis with Siren's topology and a policy in force, and clients of them.
type bench struct {
	options
	dir               string // for clips, outputs and scratch
	amqpURL, redisURL string
	effective         *lanes.Effective
	store             *redislink.Store
	ledger            *jobledger.Ledger
	client            *client.Client
	raw               *raw
	log               *slog.Logger
	closing           []func() error // what close calls, the last first

	expressClip, bulkClip string // paths; "" until makeClips
}

// open starts the servers and what everything here needs; on failure nothing of it is left.
func open(ctx context.Context, o options) (b *bench, err error) {
	b = &bench{options: o, log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.siren, err = filepath.Abs(o.siren); err != nil {
		return b, err
	}
	if _, err := os.Stat(b.siren); err != nil {
		return b, fmt.Errorf("%w: run `make build`, or say -siren", err)
	}
	if b.dir, err = os.MkdirTemp("", "siren-bench-"); err != nil {
		return b, err
	}
	b.atEnd(func() error { return os.RemoveAll(b.dir) })
	b.say("starting a private Redis and RabbitMQ")
	if b.redisURL, err = b.server(ctx, servers.StartRedis); err != nil {
		return b, err
	}
	if b.amqpURL, err = b.server(ctx, servers.StartRabbitMQ); err != nil {
		return b, err
	}
	return b, b.prepare(ctx)
}

func (b *bench) server(
	ctx context.Context, start func(context.Context, servers.Options) (*servers.Server, error),
) (url string, err error) {
	s, err := start(ctx, servers.Options{Log: b.log})
	if err != nil {
		return "", err
	}
	b.atEnd(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return s.Stop(ctx)
	})
	return s.URL, nil
}

// prepare puts the policy in force, declares the queues, and connects.
func (b *bench) prepare(ctx context.Context) error {
	policy, err := lanes.Parse([]byte(strings.ReplaceAll(policyYAML, "@DIR@", b.dir)))
	if err != nil {
		return err
	}
	if b.store, err = redislink.Open(b.redisURL, b.log); err != nil {
		return err
	}
	b.atEnd(b.store.Close)
	b.ledger = jobledger.New(b.store, b.log)
	b.ledger.SetPolicy(policy)
	b.effective = &lanes.Effective{Policy: *policy}
	if b.effective.Revision, err = redis.NewBoard(b.store, b.log).PublishPolicy(ctx, *b.effective); err != nil {
		return err
	}
	declare, err := b.connect("declare")
	if err != nil {
		return err
	}
	defer declare.Close()
	if err := topology.Declare(ctx, declare, policy, nil); err != nil {
		return err
	}
	b.client, err = client.New(client.Options{
		AMQPURL: b.amqpURL, RedisURL: b.redisURL, Policy: policy, Log: b.log,
		AnyKind: true,
	})
	if err != nil {
		return err
	}
	b.atEnd(b.client.Close)
	if b.raw, err = dialRaw(b.amqpURL); err != nil {
		return err
	}
	b.atEnd(b.raw.close)
	return nil
}

func (b *bench) connect(name string) (*rabbitlink.Conn, error) {
	return rabbitlink.Open(rabbitlink.Options{URL: b.amqpURL, Name: "bench " + name, Log: b.log})
}

func (b *bench) atEnd(f func() error) { b.closing = append(b.closing, f) }

// close stops everything, the last first.
func (b *bench) close() error {
	var problems []error
	for len(b.closing) > 0 {
		last := len(b.closing) - 1
		problems = append(problems, b.closing[last]())
		b.closing = b.closing[:last]
	}
	return errors.Join(problems...)
}

// say tells on stderr how far it is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+" …\n", args...)
}

// alternately calls the functions one after the other, on every second run in the opposite order, so that none of them
// profits from its place.
func alternately(run int, measure ...func() error) error {
	for i := range measure {
		if run%2 == 1 {
			i = len(measure) - 1 - i
		}
		if err := measure[i](); err != nil {
			return err
		}
	}
	return nil
}

// await asks until it is true, for so long at most.
func await(ctx context.Context, within time.Duration, what string, ok func() (bool, error)) error {
	deadline := time.Now().Add(within)
	for {
		done, err := ok()
		switch {
		case err != nil:
			return fmt.Errorf("wait for %s: %w", what, err)
		case done:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("waited %s for %s", within, what)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// pause waits, but no longer than ctx lasts.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
