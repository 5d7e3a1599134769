package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// TestRedisGoesAndComesBack stops a Redis under a ledger and starts it again.
func TestRedisGoesAndComesBack(t *testing.T) {
	server, err := procs.StartRedis(t.Context(), procs.ServerOptions{})
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop(context.Background())) })
	l := ledgerOn(open(t, server.URL))

	claimed := claim(t, l, delivery("claimed", "bulk"), "w1", lanes.Granted)
	waits := delivery("waits", "bulk")
	_, err = l.Create(t.Context(), waits.Job, waits.Lane, waits.EnqueuedAt)
	must(t, err)
	must(t, server.Kill())

	start := time.Now()
	foreign := delivery("foreign", "bulk")
	foreign.Attempt = 2
	unclaimed := claim(t, l, foreign, "w1", lanes.Unclaimed)
	waiting := claim(t, l, waits, "w1", lanes.Unclaimed)
	if err := l.Renew(t.Context(), claimed, lanes.Progress{}); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("renew: %v, want ErrAway", err)
	}
	must(t, l.Renew(t.Context(), unclaimed, lanes.Progress{}))
	if _, err := l.Get(t.Context(), "claimed"); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("get: %v, want ErrAway", err)
	}
	if _, err := l.Create(t.Context(), foreign.Job, "bulk", time.Now()); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("create: %v, want ErrAway", err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	must(t, l.Close(ended, claimed, lanes.Outcome{State: lanes.Completed})) // a worker at its end must not lose it
	must(t, l.Close(t.Context(), unclaimed, lanes.Outcome{State: lanes.Completed, Service: time.Minute}))
	must(t, l.Close(t.Context(), waiting, lanes.Outcome{State: lanes.Retrying, NextAt: time.Now().Add(time.Hour), Error: "first"}))
	must(t, l.Close(t.Context(), waiting, lanes.Outcome{State: lanes.Dead, Reason: "second"}))
	must(t, l.Close(t.Context(), waiting, lanes.Outcome{State: lanes.Queued}))
	if took := time.Since(start); took > 10*time.Second { // two seconds for each of them would be more
		t.Errorf("an absent Redis held jobs up for %s", took)
	}
	if s := l.Stats(); !s.Away || s.Since.IsZero() || s.Unclaimed != 2 || s.Buffered != 4 || s.Dropped != 0 {
		t.Errorf("stats %+v", s)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if left := l.Flush(short); left != 4 {
		t.Errorf("flushed while away: %d left", left)
	}

	must(t, server.Restart(t.Context()))
	if left := l.Flush(t.Context()); left != 0 {
		t.Errorf("%d left", left)
	}
	if s := l.Stats(); s.Away || s.Dropped != 0 {
		t.Errorf("stats %+v", s)
	}
	if r := get(t, l, "claimed"); r.State != lanes.Completed || r.Attempts != 1 {
		t.Errorf("claimed %+v", r)
	}
	if r := get(t, l, "foreign"); r.State != lanes.Completed || r.Kind != "probe" || r.Lane != "bulk" || r.Attempts != 2 || r.EndedAt.Sub(r.StartedAt) != time.Minute {
		t.Errorf("foreign %+v", r)
	}
	if r := get(t, l, "waits"); r.State != lanes.Dead || r.Reason != "second" || r.Error != "" && r.Error != "first" {
		t.Errorf("not in order: %+v", r)
	}
	claim(t, l, delivery("next", "bulk"), "w1", lanes.Granted)
}

// TestBufferIsBounded fills the buffer of a ledger whose Redis never was there.
func TestBufferIsBounded(t *testing.T) {
	l := ledgerOn(open(t, "redis://127.0.0.1:1"))
	for i := range 10_000 {
		c := claim(t, l, delivery(fmt.Sprint(i), "bulk"), "w1", lanes.Unclaimed)
		must(t, l.Close(t.Context(), c, lanes.Outcome{State: lanes.Completed}))
	}
	c := claim(t, l, delivery("one too many", "bulk"), "w1", lanes.Unclaimed)
	if err := l.Close(t.Context(), c, lanes.Outcome{State: lanes.Completed}); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("close: %v, want ErrAway", err)
	}
	if s := l.Stats(); s.Buffered != 10_000 || s.Dropped != 1 || s.Unclaimed != 10_001 {
		t.Errorf("stats %+v", s)
	}
}

// TestSilentRedis is one that takes connections and never answers: only the first call may wait for it.
func TestSilentRedis(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	l := ledgerOn(open(t, "redis://"+silent.Addr().String()))
	start := time.Now()
	claim(t, l, delivery("first", "bulk"), "w1", lanes.Unclaimed)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the first claim took %s", took)
	}
	start = time.Now()
	for i := range 100 {
		claim(t, l, delivery(fmt.Sprint(i), "bulk"), "w1", lanes.Unclaimed)
	}
	if took := time.Since(start); took > 10*time.Second { // each would wait for two seconds
		t.Errorf("100 more took %s", took)
	}
}

// TestFullRedis is there but takes no writes: that counts as away. One end of three can't be written even afterwards.
func TestFullRedis(t *testing.T) {
	l, raw := freshLedger(t)
	must(t, raw.Set(t.Context(), "siren:job:broken", "not a hash", 0).Err())
	must(t, raw.ConfigSet(t.Context(), "maxmemory", "1").Err())
	t.Cleanup(func() { must(t, raw.ConfigSet(context.Background(), "maxmemory", "0").Err()) })
	first := claim(t, l, delivery("first", "bulk"), "w1", lanes.Unclaimed)
	last := claim(t, l, delivery("last", "bulk"), "w1", lanes.Unclaimed)
	for _, c := range []lanes.Claim{first, {State: lanes.Unclaimed, JobID: "broken"}, last} {
		must(t, l.Close(t.Context(), c, lanes.Outcome{State: lanes.Completed}))
	}
	must(t, raw.ConfigSet(t.Context(), "maxmemory", "0").Err())
	if left := l.Flush(t.Context()); left != 0 {
		t.Errorf("%d left", left)
	}
	if s := l.Stats(); s.Dropped != 1 {
		t.Errorf("stats %+v, want one dropped", s)
	}
	for _, id := range []string{"first", "last"} {
		if r := get(t, l, id); r.State != lanes.Completed {
			t.Errorf("record %+v", r)
		}
	}
}

// TestBrokenRecord is one job's misfortune: Redis doesn't count as away for it.
func TestBrokenRecord(t *testing.T) {
	l, raw := freshLedger(t)
	must(t, raw.Set(t.Context(), "siren:job:broken", "not a hash", 0).Err())
	if c, err := l.Claim(t.Context(), delivery("broken", "bulk"), "w", maxCrashes); err == nil || errors.Is(err, lanes.ErrAway) {
		t.Errorf("claim %+v, %v; want an error that isn't ErrAway", c, err)
	}
	if l.Stats().Away {
		t.Error("away")
	}
}

// TestClaimUnheardOf: a Redis that hangs may grant a claim after its worker has given up hope and run the job without. The end of that run
// counts all the same, and the claim that nobody knows of isn't taken for another worker. Guard: the nonce in close.lua.
func TestClaimUnheardOf(t *testing.T) {
	server, err := procs.StartRedis(t.Context(), procs.ServerOptions{})
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop(context.Background())) })
	s := open(t, server.URL)
	l := ledgerOn(s)
	claim(t, l, delivery("warm up", "bulk"), "w1", lanes.Granted)
	_, after, _ := strings.Cut(s.Client().Info(t.Context(), "server").Val(), "process_id:")
	pid, err := strconv.Atoi(strings.Fields(after)[0])
	must(t, err)

	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	c := claim(t, l, delivery("job", "bulk"), "w1", lanes.Unclaimed)
	must(t, l.Close(t.Context(), c, lanes.Outcome{State: lanes.Dead, Reason: "bad input"}))
	must(t, syscall.Kill(pid, syscall.SIGCONT))
	if left := l.Flush(t.Context()); left != 0 {
		t.Errorf("%d left", left)
	}
	r := get(t, l, "job")
	if r.Worker == "" {
		t.Fatal("Redis never granted the claim: this test shows nothing")
	}
	if r.State != lanes.Dead || r.Attempts != 1 {
		t.Errorf("%+v, want it dead after one attempt", r)
	}
}

// TestUnclaimedEndMeetsARecord: an end that arrives late, without a token, never overrides what others know better.
func TestUnclaimedEndMeetsARecord(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*testing.T, *redis.Ledger, lanes.Delivery)
		ended   lanes.State
		want    lanes.State
	}{
		{"completed while another one runs it", func(t *testing.T, l *redis.Ledger, d lanes.Delivery) {
			claim(t, l, d, "w2", lanes.Granted)
		}, lanes.Completed, lanes.Completed},
		{"failed while another one runs it", func(t *testing.T, l *redis.Ledger, d lanes.Delivery) {
			claim(t, l, d, "w2", lanes.Granted)
		}, lanes.Retrying, lanes.Running},
		{"failed after another one completed it", func(t *testing.T, l *redis.Ledger, d lanes.Delivery) {
			must(t, l.Close(t.Context(), claim(t, l, d, "w2", lanes.Granted), lanes.Outcome{State: lanes.Completed}))
		}, lanes.Dead, lanes.Completed},
		{"failed, and nobody knows better", func(*testing.T, *redis.Ledger, lanes.Delivery) {}, lanes.Retrying, lanes.Retrying},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := freshLedger(t)
			tt.prepare(t, l, delivery("job", "bulk"))
			must(t, l.Close(t.Context(), lanes.Claim{State: lanes.Unclaimed, JobID: "job", Attempts: 1}, lanes.Outcome{State: tt.ended}))
			if r := get(t, l, "job"); r.State != tt.want {
				t.Errorf("%s, want %s", r.State, tt.want)
			}
		})
	}
}

// TestLostAnswers cuts the connection before the answer to a move comes back: the move is made once all the same.
func TestLostAnswers(t *testing.T) {
	_, _ = fresh(t)
	p := startProxy(t)
	l := ledgerOn(open(t, p.url))
	d := delivery("job", "bulk")
	claim(t, l, delivery("warm up", "bulk"), "w", lanes.Granted)

	p.cutNextAnswer()
	c := claim(t, l, d, "w1", lanes.Granted)
	if c.Attempts != 1 || c.Crashes != 0 {
		t.Errorf("%+v, want one attempt", c)
	}
	p.cutNextAnswer()
	must(t, l.Renew(t.Context(), c, lanes.Progress{Fraction: 0.1}))
	p.cutNextAnswer()
	must(t, l.Close(t.Context(), c, lanes.Outcome{State: lanes.Queued}))
	if r := get(t, l, "job"); r.State != lanes.Queued || r.Attempts != 0 {
		t.Errorf("record %+v", r)
	}
	c = claim(t, l, d, "w1", lanes.Granted)
	p.cutNextAnswer()
	must(t, l.Close(t.Context(), c, lanes.Outcome{State: lanes.Completed}))
	if cut := p.cuts.Load(); cut != 4 {
		t.Errorf("%d answers cut, want 4", cut)
	}
}

// proxy stands between a ledger and the shared Redis and loses answers.
type proxy struct {
	url  string
	cut  atomic.Bool
	cuts atomic.Int32
	mu   sync.Mutex
	open []net.Conn
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	u, err := url.Parse(shared.URL)
	must(t, err)
	backend := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	u.Host = listener.Addr().String()
	p := &proxy{url: u.String()}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", backend)
			if err != nil {
				t.Error(err)
				return
			}
			p.mu.Lock()
			p.open = append(p.open, client, server)
			p.mu.Unlock()
			work.Go(func() { p.pass(client, server, nil) })
			work.Go(func() { p.pass(server, client, &p.cut) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for _, c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		work.Wait()
	})
	return p
}

// cutNextAnswer loses the next thing that the server says, and the connection with it.
func (p *proxy) cutNextAnswer() { p.cut.Store(true) }

func (p *proxy) pass(from, to net.Conn, cut *atomic.Bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if cut != nil && cut.CompareAndSwap(true, false) {
			p.cuts.Add(1)
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
