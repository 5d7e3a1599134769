package client_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/lanes/work"
)

// policyText has a lane that a worker serves and one that none does. `make test-matrix` runs these tests on both queue
// types.
var policyText = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m}
pools:
  - {name: general, lanes: [express, standard], max: 1}
  - {name: batch, lanes: [bulk], max: 1}
budget: 2
presets:
  small@1: {kind: thumbnail, params: {width: 320, quality: 70}}
  gone@1: {kind: thumbnail, retired: true}
broker: {queueType: ` + cmp.Or(os.Getenv("SIREN_TEST_QUEUE_TYPE"), lanes.Classic) + "}\n"

// secure is where the same servers listen with TLS, and who signs their certificates and those of their clients.
var secure struct {
	amqpURL, redisURL string
	authority         *servers.Authority
}

var discard = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err == nil {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run starts a RabbitMQ, a Redis, and a worker for the lanes express and standard, as `siren up` would.
func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "siren-client-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if secure.authority, err = servers.NewAuthority(dir); err != nil {
		return 1, err
	}
	amqp, err := servers.StartRabbitMQ(ctx, servers.Options{TLS: secure.authority})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, amqp.Stop(context.Background())) }()
	logins := access.NewLogins()
	store, err := servers.StartRedis(ctx, servers.Options{TLS: secure.authority, Config: logins.Config()})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, store.Stop(context.Background())) }()
	producer, err := logins.URL(role.Producer, store.URL) // which is all that a client may need
	if err := errors.Join(err, os.Setenv("SIREN_AMQP_URL", amqp.URL),
		os.Setenv("SIREN_REDIS_URL", producer)); err != nil {
		return 1, err
	}
	secure.amqpURL = amqp.TLSURL
	if secure.redisURL, err = logins.URL(role.Producer, store.TLSURL); err != nil {
		return 1, err
	}
	stop, err := serve(ctx, amqp.URL, store.URL)
	if err != nil {
		return 1, err
	}
	defer stop()
	return m.Run(), redistest.Refused(store.URL)
}

// serve declares the topology, publishes the policy and works.
func serve(ctx context.Context, amqpURL, redisURL string) (stop func(), err error) {
	policy, err := lanes.Parse([]byte(policyText))
	if err != nil {
		return nil, err
	}
	consume, err := rabbitlink.Open(rabbitlink.Options{URL: amqpURL, Name: "worker"})
	if err != nil {
		return nil, err
	}
	publish, err := rabbitlink.Open(rabbitlink.Options{URL: amqpURL, Name: "worker (publish)"})
	if err != nil {
		return nil, err
	}
	store, err := redislink.Open(redisURL, discard)
	if err != nil {
		return nil, err
	}
	effective := lanes.Effective{Policy: *policy}
	if _, err := redis.NewBoard(store, discard).PublishPolicy(ctx, effective); err != nil {
		return nil, err
	}
	if err := topology.Declare(ctx, publish, policy, nil); err != nil {
		return nil, err
	}
	taker := take.NewTaker(consume, confirms.NewPublisher(publish, 0), "general")
	taker.Follow(&effective)
	life, end := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { workOn(life, taker.Shared(), jobledger.New(store, discard)) })
	return func() {
		end()
		work.Wait()
		consume.Close()
		publish.Close()
		_ = store.Close()
	}, nil
}

// workOn completes every job at once, but one of the kind "broken" dies.
func workOn(ctx context.Context, slot *take.Slot, l *jobledger.Ledger) {
	for {
		d, err := slot.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			continue
		}
		c, err := l.Claim(ctx, d, "general-1", 3)
		if err == nil && c.State == work.Granted {
			o := work.Outcome{State: job.Completed, Outputs: []job.Output{{URL: d.Job.Output, Bytes: 42}}}
			if d.Job.Kind == "broken" {
				o = work.Outcome{State: job.Dead, Reason: "bad input", Error: "not a video"}
			}
			err = l.Close(ctx, c, o)
		}
		if err = errors.Join(err, slot.Settle(ctx, d, work.Disposition{Action: work.Ack})); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
		}
	}
}

// options returns the options for the servers that run started.
func options() client.Options {
	return client.Options{
		AMQPURL: os.Getenv("SIREN_AMQP_URL"), RedisURL: os.Getenv("SIREN_REDIS_URL"), Name: "test",
		AnyKind: true,
	}
}

func newClient(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// within returns a context for calls that should be quick.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
