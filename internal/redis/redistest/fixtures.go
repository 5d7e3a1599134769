package redistest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/lanes/work"
)

// Shared is the Redis of all tests but those that stop theirs.
var Shared *servers.Server

// Main runs a package's tests on a Redis of their own, and is the exit code.
func Main(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var err error
	if Shared, err = servers.StartRedis(ctx, servers.Options{Config: users()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := Refused(Shared.URL, OtherUsers...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := Shared.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// AnyRole is the user that may do what any role does, and nothing else: the tests' own, so that a command which no role
// has shows.
const AnyRole = "any-role"

// OtherUsers are those of whom tests want refusals.
var OtherUsers = []string{
	"weak", "refused", access.User(role.Producer), access.User(role.Worker),
	access.User(role.Scaler), access.User(role.Operator), access.User(role.Gateway),
}

// users returns the lines of redis.conf that make a user of each role, and anyRole.
func users() string {
	text := fmt.Sprintf("user %s reset on >secret %s\n", AnyRole, access.Rules(access.Roles()...))
	for _, role := range access.Roles() {
		text += access.ACL(role, access.User(role), ">secret") + "\n"
	}
	return text
}

// LoginAs returns the URL of the shared Redis for a user.
func LoginAs(user string) string {
	_, at, _ := strings.Cut(Shared.URL, "@")
	return "redis://" + user + ":secret@" + at
}

// Discard is a log that nobody reads.
var Discard = slog.New(slog.DiscardHandler)

// Lease is short, so that the tests are, and longer than a busy machine holds a test up.
const Lease = time.Second

// MaxCrashes of all claims.
const MaxCrashes = 3

// Policy returns a policy of three lanes with the short lease.
func Policy() *lanes.Policy {
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "express"}, {Name: "standard"}, {Name: "bulk"}}}
	p.Timing.Lease = lanes.Duration(Lease)
	p.Default()
	return p
}

// Open connects to url and closes at the end of the test.
func Open(t testing.TB, url string) *redislink.Store {
	t.Helper()
	s, err := redislink.Open(url, Discard)
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

// Fresh returns a store on an empty Redis, and a plain client beside it to look behind and to break things.
func Fresh(t *testing.T) (*redislink.Store, *goredis.Client) {
	t.Helper()
	raw := Raw(t, Shared.URL)
	if err := raw.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return Open(t, LoginAs(AnyRole)), raw
}

// StartStore starts a Redis for the test alone, and opens it.
func StartStore(t *testing.T) (*servers.Server, *redislink.Store) {
	t.Helper()
	server, err := servers.StartRedis(t.Context(), servers.Options{})
	Must(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server, Open(t, server.URL)
}

// Raw returns a plain client of the Redis at the URL.
func Raw(t testing.TB, url string) *goredis.Client {
	t.Helper()
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	raw := goredis.NewClient(o)
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

// LedgerOn returns a ledger with the short lease.
func LedgerOn(s *redislink.Store) *jobledger.Ledger {
	l := jobledger.New(s, Discard)
	l.SetPolicy(Policy())
	return l
}

// FreshLedger returns a ledger on an empty Redis with the short lease.
func FreshLedger(t *testing.T) (*jobledger.Ledger, *goredis.Client) {
	t.Helper()
	s, raw := Fresh(t)
	return LedgerOn(s), raw
}

// Delivery returns the first delivery of a job, in a lane, now.
func Delivery(id, lane string) work.Delivery {
	now := time.Now()
	return work.Delivery{
		Job: job.Job{
			ID: id, Kind: "probe", Labels: map[string]string{"tier": "premium"},
			Input: "file:///in/a.mp4", Output: "file:///out/a.json",
		},
		Lane: lane, EnqueuedAt: now, ReadyAt: now, Attempt: 1,
	}
}

// Claim asks for the job and expects the answer.
func Claim(t *testing.T, l *jobledger.Ledger, d work.Delivery, worker string, want work.ClaimState) work.Claim {
	t.Helper()
	c, err := l.Claim(t.Context(), d, worker, MaxCrashes)
	if err != nil {
		t.Fatal(err)
	}
	if c.State != want {
		t.Fatalf("claim of %s by %s: %s, want %s", d.Job.ID, worker, c.State, want)
	}
	return c
}

// Get returns the job's record, and fails the test when there is none.
func Get(t *testing.T, l *jobledger.Ledger, id string) job.Record {
	t.Helper()
	r, err := l.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Must ends the test with an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until the condition holds.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	const within = time.Minute // far more than it takes, also on a busy machine
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// Create calls CreateAll for one job.
func Create(ctx context.Context, l *jobledger.Ledger, j job.Job, lane string, at time.Time) (bool, error) {
	made, err := l.CreateAll(ctx, []work.Delivery{{Job: j, Lane: lane, EnqueuedAt: at, ReadyAt: at}})
	if err != nil {
		return false, err
	}
	return made[0], nil
}

// Fill makes records of job-000 … in order of enqueue time, some of them in the same millisecond.
func Fill(t *testing.T, l *jobledger.Ledger, n int) time.Time {
	t.Helper()
	first := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	var batch []work.Delivery
	for i := range n {
		d := Delivery(fmt.Sprintf("job-%03d", i), []string{"express", "standard", "bulk"}[i%3])
		d.EnqueuedAt = first.Add(time.Duration(i/4) * time.Second)
		d.ReadyAt = d.EnqueuedAt
		d.Job.Kind = []string{"probe", "transcode"}[i%2]
		d.Job.Labels = map[string]string{"n": fmt.Sprint(i % 5)}
		batch = append(batch, d)
	}
	_, err := l.CreateAll(t.Context(), batch)
	Must(t, err)
	return first
}

// Retrying returns what waits for its next attempt in each lane.
func Retrying(t *testing.T, l *jobledger.Ledger) map[string]fleet.Delayed {
	t.Helper()
	d, err := l.Retrying(t.Context(), []string{"express", "standard", "bulk"})
	Must(t, err)
	return d
}

// Ahead returns how many jobs stand before a job.
func Ahead(t *testing.T, l *jobledger.Ledger, id string) int {
	t.Helper()
	p, err := l.Ahead(t.Context(), id, time.Now())
	Must(t, err)
	if p.Newer != 0 {
		t.Errorf("%s: %d jobs became ready after now", id, p.Newer)
	}
	return p.Known
}
