package jobledger_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// TestRedisGoesAndComesBack stops a Redis under a ledger and starts it again.
func TestRedisGoesAndComesBack(t *testing.T) {
	server, err := servers.StartRedis(t.Context(), servers.Options{})
	redistest.Must(t, err)
	t.Cleanup(func() { redistest.Must(t, server.Stop(context.Background())) })
	l := redistest.LedgerOn(redistest.Open(t, server.URL))

	claimed := redistest.Claim(t, l, redistest.Delivery("claimed", "bulk"), "w1", work.Granted)
	waits := redistest.Delivery("waits", "bulk")
	_, err = redistest.Create(t.Context(), l, waits.Job, waits.Lane, waits.EnqueuedAt)
	redistest.Must(t, err)
	redistest.Must(t, server.Kill())

	start := time.Now()
	foreign := redistest.Delivery("foreign", "bulk")
	foreign.Attempt = 2
	unclaimed := redistest.Claim(t, l, foreign, "w1", work.Unclaimed)
	waiting := redistest.Claim(t, l, waits, "w1", work.Unclaimed)
	if err := l.Renew(t.Context(), claimed, job.Progress{}); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("renew: %v, want ErrAway", err)
	}
	redistest.Must(t, l.Renew(t.Context(), unclaimed, job.Progress{}))
	if _, err := l.Get(t.Context(), "claimed"); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("get: %v, want ErrAway", err)
	}
	if _, err := redistest.Create(t.Context(), l, foreign.Job, "bulk", time.Now()); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("create: %v, want ErrAway", err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	// a worker at its end must not lose it
	redistest.Must(t, l.Close(ended, claimed, work.Outcome{State: job.Completed}))
	redistest.Must(t, l.Close(t.Context(), unclaimed, work.Outcome{State: job.Completed, Service: time.Minute}))
	redistest.Must(t, l.Close(t.Context(), waiting,
		work.Outcome{State: job.Retrying, NextAt: time.Now().Add(time.Hour), Error: "first"}))
	redistest.Must(t, l.Close(t.Context(), waiting, work.Outcome{State: job.Dead, Reason: "second"}))
	redistest.Must(t, l.Close(t.Context(), waiting, work.Outcome{State: job.Queued}))
	if took := time.Since(start); took > 10*time.Second { // two seconds for each of them would be more
		t.Errorf("an absent Redis held jobs up for %s", took)
	}
	if s := l.Stats(); !s.Away || s.Buffered != 4 || s.Dropped != 0 {
		t.Errorf("stats %+v", s)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if left := l.Flush(short); left != 4 {
		t.Errorf("flushed while away: %d left", left)
	}

	redistest.Must(t, server.Restart(t.Context()))
	if left := l.Flush(t.Context()); left != 0 {
		t.Errorf("%d left", left)
	}
	if s := l.Stats(); s.Away || s.Dropped != 0 {
		t.Errorf("stats %+v", s)
	}
	if r := redistest.Get(t, l, "claimed"); r.State != job.Completed || r.Attempts != 1 {
		t.Errorf("claimed %+v", r)
	}
	if r := redistest.Get(t, l, "foreign"); r.State != job.Completed || r.Kind != "probe" || r.Lane != "bulk" ||
		r.Attempts != 2 || r.EndedAt.Sub(r.StartedAt) != time.Minute {
		t.Errorf("foreign %+v", r)
	}
	if r := redistest.Get(t, l, "waits"); r.State != job.Dead || r.Reason != "second" || r.Error != "" &&
		r.Error != "first" {
		t.Errorf("not in order: %+v", r)
	}
	redistest.Claim(t, l, redistest.Delivery("next", "bulk"), "w1", work.Granted)
}

// TestBufferIsBounded fills the buffer of a ledger whose Redis never was there.
func TestBufferIsBounded(t *testing.T) {
	l := redistest.LedgerOn(redistest.Open(t, "redis://127.0.0.1:1"))
	for i := range 10_000 {
		c := redistest.Claim(t, l, redistest.Delivery(fmt.Sprint(i), "bulk"), "w1", work.Unclaimed)
		redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
	}
	c := redistest.Claim(t, l, redistest.Delivery("one too many", "bulk"), "w1", work.Unclaimed)
	if err := l.Close(t.Context(), c, work.Outcome{State: job.Completed}); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("close: %v, want ErrAway", err)
	}
	registry := prometheus.NewRegistry()
	jobledger.RegisterMetrics(registry, l.Stats)
	redistest.Must(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP siren_ledger_away 1 while Redis is away: jobs run without claims, and their ends are buffered.
# TYPE siren_ledger_away gauge
siren_ledger_away 1
# HELP siren_ledger_buffered_ends Ends of jobs that wait for Redis to be back.
# TYPE siren_ledger_buffered_ends gauge
siren_ledger_buffered_ends 10000
# HELP siren_ledger_dropped_ends_total Ends of jobs that no record will ever have: the buffer was full, `+
		`Redis refused them, or it was away until this process ended.
# TYPE siren_ledger_dropped_ends_total counter
siren_ledger_dropped_ends_total 1
# HELP siren_ledger_restored_ends_total Ends of jobs that Redis had lost, as by a failover, and that it was told again.
# TYPE siren_ledger_restored_ends_total counter
siren_ledger_restored_ends_total 0
`)))
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

// Redis takes connections and never answers: only the first call may wait for it.
func TestSilentRedis(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	redistest.Must(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	l := redistest.LedgerOn(redistest.Open(t, "redis://"+silent.Addr().String()))
	start := time.Now()
	redistest.Claim(t, l, redistest.Delivery("first", "bulk"), "w1", work.Unclaimed)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the first claim took %s", took)
	}
	start = time.Now()
	for i := range 100 {
		redistest.Claim(t, l, redistest.Delivery(fmt.Sprint(i), "bulk"), "w1", work.Unclaimed)
	}
	if took := time.Since(start); took > 10*time.Second { // each would wait for two seconds
		t.Errorf("100 more took %s", took)
	}
}

// Redis is there but takes no writes: that counts as away. One end of three can't be written even afterwards.
func TestFullRedis(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	redistest.Must(t, raw.Set(t.Context(), "siren:job:broken", "not a hash", 0).Err())
	redistest.Must(t, raw.ConfigSet(t.Context(), "maxmemory", "1").Err())
	t.Cleanup(func() { redistest.Must(t, raw.ConfigSet(context.Background(), "maxmemory", "0").Err()) })
	first := redistest.Claim(t, l, redistest.Delivery("first", "bulk"), "w1", work.Unclaimed)
	last := redistest.Claim(t, l, redistest.Delivery("last", "bulk"), "w1", work.Unclaimed)
	for _, c := range []work.Claim{first, {State: work.Unclaimed, JobID: "broken"}, last} {
		redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
	}
	redistest.Must(t, raw.ConfigSet(t.Context(), "maxmemory", "0").Err())
	if left := l.Flush(t.Context()); left != 0 {
		t.Errorf("%d left", left)
	}
	if s := l.Stats(); s.Dropped != 1 {
		t.Errorf("stats %+v, want one dropped", s)
	}
	for _, id := range []string{"first", "last"} {
		if r := redistest.Get(t, l, id); r.State != job.Completed {
			t.Errorf("record %+v", r)
		}
	}
}

// A broken record is one job's problem: Redis doesn't count as away for it.
func TestBrokenRecord(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	redistest.Must(t, raw.Set(t.Context(), "siren:job:broken", "not a hash", 0).Err())
	if c, err := l.Claim(t.Context(), redistest.Delivery("broken", "bulk"), "w", redistest.MaxCrashes); err == nil ||
		errors.Is(err, lanes.ErrAway) {
		t.Errorf("claim %+v, %v; want an error that isn't ErrAway", c, err)
	}
	if l.Stats().Away {
		t.Error("away")
	}
}

// A Redis that hangs may grant a claim after its worker has given up and run the job without. The end of that run
// counts all the same, and the claim that nobody knows of isn't taken for another worker. Guard: the nonce in
// close.lua.
func TestClaimUnheardOf(t *testing.T) {
	server, err := servers.StartRedis(t.Context(), servers.Options{})
	redistest.Must(t, err)
	t.Cleanup(func() { redistest.Must(t, server.Stop(context.Background())) })
	s := redistest.Open(t, server.URL)
	l := redistest.LedgerOn(s)
	redistest.Claim(t, l, redistest.Delivery("warm up", "bulk"), "w1", work.Granted)
	_, after, _ := strings.Cut(s.Client().Info(t.Context(), "server").Val(), "process_id:")
	pid, err := strconv.Atoi(strings.Fields(after)[0])
	redistest.Must(t, err)

	redistest.Must(t, syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	c := redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w1", work.Unclaimed)
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Dead, Reason: "bad input"}))
	redistest.Must(t, syscall.Kill(pid, syscall.SIGCONT))
	if left := l.Flush(t.Context()); left != 0 {
		t.Errorf("%d left", left)
	}
	r := redistest.Get(t, l, "job")
	if r.Worker == "" {
		t.Fatal("Redis never granted the claim: this test shows nothing")
	}
	if r.State != job.Dead || r.Attempts != 1 {
		t.Errorf("%+v, want it dead after one attempt", r)
	}
}

// An end that arrives late, without a token, never overrides what others know better.
func TestUnclaimedEndMeetsARecord(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*testing.T, *jobledger.Ledger, work.Delivery)
		ended   job.State
		want    job.State
	}{
		{"completed while another one runs it", func(t *testing.T, l *jobledger.Ledger, d work.Delivery) {
			redistest.Claim(t, l, d, "w2", work.Granted)
		}, job.Completed, job.Completed},
		{"failed while another one runs it", func(t *testing.T, l *jobledger.Ledger, d work.Delivery) {
			redistest.Claim(t, l, d, "w2", work.Granted)
		}, job.Retrying, job.Running},
		{"failed after another one completed it", func(t *testing.T, l *jobledger.Ledger, d work.Delivery) {
			redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, d, "w2", work.Granted),
				work.Outcome{State: job.Completed}))
		}, job.Dead, job.Completed},
		{
			"failed, and nobody knows better", func(*testing.T, *jobledger.Ledger, work.Delivery) {}, job.Retrying,
			job.Retrying,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := redistest.FreshLedger(t)
			tt.prepare(t, l, redistest.Delivery("job", "bulk"))
			redistest.Must(t, l.Close(t.Context(), work.Claim{State: work.Unclaimed, JobID: "job", Attempts: 1},
				work.Outcome{State: tt.ended}))
			if r := redistest.Get(t, l, "job"); r.State != tt.want {
				t.Errorf("%s, want %s", r.State, tt.want)
			}
		})
	}
}

// TestLostAnswers cuts the connection before the answer to a move comes back: the move is made once all the same.
func TestLostAnswers(t *testing.T) {
	_, _ = redistest.Fresh(t)
	p := redistest.StartProxy(t)
	l := redistest.LedgerOn(redistest.Open(t, p.URL))
	d := redistest.Delivery("job", "bulk")
	redistest.Claim(t, l, redistest.Delivery("warm up", "bulk"), "w", work.Granted)

	p.CutNextAnswer()
	c := redistest.Claim(t, l, d, "w1", work.Granted)
	if c.Attempts != 1 || c.Crashes != 0 {
		t.Errorf("%+v, want one attempt", c)
	}
	p.CutNextAnswer()
	redistest.Must(t, l.Renew(t.Context(), c, job.Progress{Fraction: 0.1}))
	p.CutNextAnswer()
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Queued}))
	if r := redistest.Get(t, l, "job"); r.State != job.Queued || r.Attempts != 0 {
		t.Errorf("record %+v", r)
	}
	c = redistest.Claim(t, l, d, "w1", work.Granted)
	p.CutNextAnswer()
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
	if cut := p.Cuts.Load(); cut != 4 {
		t.Errorf("%d answers cut, want 4", cut)
	}
}
