// Package stand is what is measured on: a private RabbitMQ and Redis, a policy in force, clients, and jobs to send.
package stand

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
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
	"github.com/polyglot-media/siren/test/bench/yardstick"
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
	ExpressLane  = "express"
	StandardLane = "standard"
	BulkLane     = "bulk"
	Pool         = "general"
	PoolSlots    = 2
)

// Options says how often and on what is measured.
type Options struct {
	Runs    int    // of each measurement
	Siren   string // the binary
	Samples string // a file for each forecast; "": none
}

// Bench is a private RabbitMQ and Redis with Siren's topology and a policy in force, and clients of them.
type Bench struct {
	Options
	Dir               string // for clips, outputs and scratch
	AMQPURL, RedisURL string
	Effective         *lanes.Effective
	Store             *redislink.Store
	Ledger            *jobledger.Ledger
	Client            *client.Client
	Raw               *yardstick.Client
	Log               *slog.Logger
	closing           []func() error // what close calls, the last first

	expressClip, bulkClip string // paths; "" until makeClips
}

// Open starts the servers and what everything here needs; on failure nothing of it is left.
func Open(ctx context.Context, o Options) (b *Bench, err error) {
	b = &Bench{Options: o, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.Siren, err = filepath.Abs(o.Siren); err != nil {
		return b, err
	}
	if _, err := os.Stat(b.Siren); err != nil {
		return b, fmt.Errorf("%w: run `make build`, or say -siren", err)
	}
	if b.Dir, err = os.MkdirTemp("", "siren-bench-"); err != nil {
		return b, err
	}
	b.atEnd(func() error { return os.RemoveAll(b.Dir) })
	b.Say("starting a private Redis and RabbitMQ")
	if b.RedisURL, err = b.server(ctx, servers.StartRedis); err != nil {
		return b, err
	}
	if b.AMQPURL, err = b.server(ctx, servers.StartRabbitMQ); err != nil {
		return b, err
	}
	return b, b.prepare(ctx)
}

func (b *Bench) server(
	ctx context.Context, start func(context.Context, servers.Options) (*servers.Server, error),
) (url string, err error) {
	s, err := start(ctx, servers.Options{Log: b.Log})
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
func (b *Bench) prepare(ctx context.Context) error {
	policy, err := lanes.Parse([]byte(strings.ReplaceAll(policyYAML, "@DIR@", b.Dir)))
	if err != nil {
		return err
	}
	if b.Store, err = redislink.Open(b.RedisURL, b.Log); err != nil {
		return err
	}
	b.atEnd(b.Store.Close)
	b.Ledger = jobledger.New(b.Store, b.Log)
	b.Ledger.SetPolicy(policy)
	b.Effective = &lanes.Effective{Policy: *policy}
	if b.Effective.Revision, err = redis.NewBoard(b.Store, b.Log).PublishPolicy(ctx, *b.Effective); err != nil {
		return err
	}
	declare, err := b.Connect("declare")
	if err != nil {
		return err
	}
	defer declare.Close()
	if err := topology.Declare(ctx, declare, policy, nil); err != nil {
		return err
	}
	b.Client, err = client.New(client.Options{
		AMQPURL: b.AMQPURL, RedisURL: b.RedisURL, Policy: policy, Log: b.Log,
		AnyKind: true,
	})
	if err != nil {
		return err
	}
	b.atEnd(b.Client.Close)
	if b.Raw, err = yardstick.Dial(b.AMQPURL, ExpressLane, StandardLane, BulkLane); err != nil {
		return err
	}
	b.atEnd(b.Raw.Close)
	return nil
}

// Connect opens one more connection to the broker.
func (b *Bench) Connect(name string) (*rabbitlink.Conn, error) {
	return rabbitlink.Open(rabbitlink.Options{URL: b.AMQPURL, Name: "bench " + name, Log: b.Log})
}

func (b *Bench) atEnd(f func() error) { b.closing = append(b.closing, f) }

// Close stops everything, the last first.
func (b *Bench) Close() error {
	var problems []error
	for len(b.closing) > 0 {
		last := len(b.closing) - 1
		problems = append(problems, b.closing[last]())
		b.closing = b.closing[:last]
	}
	return errors.Join(problems...)
}

// Say tells on stderr how far it is.
func (b *Bench) Say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+" …\n", args...)
}

// Command returns a siren command on the bench's servers.
func (b *Bench) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.Siren, args...)
	cmd.Dir = b.Dir
	cmd.Env = append(os.Environ(), "SIREN_AMQP_URL="+b.AMQPURL, "SIREN_REDIS_URL="+b.RedisURL, "TMPDIR="+b.Dir)
	return cmd
}
