package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// shared is the Redis of all tests but those that stop theirs.
var shared *procs.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var err error
	if shared, err = procs.StartRedis(ctx, procs.ServerOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shared.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

var discard = slog.New(slog.DiscardHandler)

// lease is short, so that the tests are, and longer than a busy machine holds a test up.
const lease = time.Second

// maxCrashes of all claims.
const maxCrashes = 3

func testPolicy() *lanes.Policy {
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "express"}, {Name: "standard"}, {Name: "bulk"}}}
	p.Timing.Lease = lanes.Duration(lease)
	p.Default()
	return p
}

// open connects to url and closes at the end of the test.
func open(t testing.TB, url string) *redis.Store {
	t.Helper()
	s, err := redis.Open(url, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fresh is a store on an empty Redis, and a plain client beside it to look behind and to break things.
func fresh(t *testing.T) (*redis.Store, *goredis.Client) {
	t.Helper()
	raw := rawClient(t, shared.URL)
	if err := raw.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return open(t, shared.URL), raw
}

func rawClient(t testing.TB, url string) *goredis.Client {
	t.Helper()
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	raw := goredis.NewClient(o)
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

func ledgerOn(s *redis.Store) *redis.Ledger {
	l := redis.NewLedger(s, discard)
	l.SetPolicy(testPolicy())
	return l
}

// freshLedger is a ledger on an empty Redis with the short lease.
func freshLedger(t *testing.T) (*redis.Ledger, *goredis.Client) {
	t.Helper()
	s, raw := fresh(t)
	return ledgerOn(s), raw
}

func delivery(id, lane string) lanes.Delivery {
	now := time.Now()
	return lanes.Delivery{
		Job:  lanes.Job{ID: id, Kind: "probe", Labels: map[string]string{"tier": "premium"}, Input: "file:///in/a.mp4", Output: "file:///out/a.json"},
		Lane: lane, EnqueuedAt: now, ReadyAt: now, Attempt: 1,
	}
}

// claim asks for the job and expects the answer.
func claim(t *testing.T, l *redis.Ledger, d lanes.Delivery, worker string, want lanes.ClaimState) lanes.Claim {
	t.Helper()
	c, err := l.Claim(t.Context(), d, worker, maxCrashes)
	if err != nil {
		t.Fatal(err)
	}
	if c.State != want {
		t.Fatalf("claim of %s by %s: %s, want %s", d.Job.ID, worker, c.State, want)
	}
	return c
}

func get(t *testing.T, l *redis.Ledger, id string) lanes.Record {
	t.Helper()
	r, err := l.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, within time.Duration, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}
