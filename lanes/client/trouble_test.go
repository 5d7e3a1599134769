package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// The broker takes a job and stalls before it confirms it. Enqueuing it again, as ErrUncertain says, makes it run once.
func TestUncertain(t *testing.T) {
	u, err := url.Parse(options().AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	road := newRoad(t, u.Host)
	u.Host = road.address
	o := options()
	o.AMQPURL = u.String()
	c := newClient(t, o)
	if _, err := c.Enqueue(within(t, time.Minute), probe("before", nil)); err != nil {
		t.Fatal(err)
	}

	road.stall()
	id, err := c.Enqueue(within(t, 2*time.Second), probe("uncertain", nil))
	if id != "uncertain" || !errors.Is(err, client.ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "uncertain") {
		t.Errorf("id %q, %v; want ErrUncertain about the job", id, err)
	}
	if _, err := c.Get(t.Context(), "uncertain"); err != nil {
		t.Errorf("%v; want a job that may run to keep its record", err)
	}

	road.resume()
	if _, err := c.Enqueue(within(t, time.Minute), probe("uncertain", nil)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"uncertain", "before"} {
		if r, err := c.Wait(within(t, time.Minute), id); err != nil || r.State != job.Completed || r.Attempts != 1 {
			t.Errorf("%+v, %v; want it completed at its first attempt", r, err)
		}
	}
}

// Redis is away when a job is enqueued, and for some of the wait: the job goes out with a warning, and its end comes to
// be known.
func TestRedisComesBack(t *testing.T) {
	store, err := servers.StartRedis(t.Context(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Stop(context.Background()) })
	var said lockedBuffer
	o := options()
	o.RedisURL, o.Log = store.URL, slog.New(slog.NewTextHandler(&said, nil))
	if o.Policy, err = lanes.Parse([]byte(policyText)); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, o)
	ctx := within(t, time.Minute)
	if _, err := c.Enqueue(ctx, probe("known", map[string]string{"batch": "true"})); err != nil {
		// no worker takes bulk
		t.Fatal(err)
	}

	if err := store.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Enqueue(ctx, probe("no-record", nil)); err != nil {
		t.Errorf("enqueue without Redis: %v", err)
	}
	if !strings.Contains(said.String(), "have no record until they start") {
		t.Errorf("no warning that there are no records: %s", said.String())
	}
	ended := make(chan job.Record, 1)
	go func() {
		r, err := c.Wait(ctx, "known")
		if err != nil {
			t.Errorf("wait: %v", err)
		}
		ended <- r
	}()
	for !strings.Contains(said.String(), "outcome is unknown while Redis is away") { // Wait has noticed
		if ctx.Err() != nil {
			t.Fatal("Wait says nothing of Redis being away")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := store.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	ledger := jobledger.New(openStore(t, store.URL), discard)
	d := work.Delivery{Job: probe("known", nil), Lane: "bulk"}
	claim, err := ledger.Claim(ctx, d, "batch-1", 3)
	if err != nil || claim.State != work.Granted {
		t.Fatalf("claim %+v, %v", claim, err)
	}
	if err := ledger.Close(ctx, claim, work.Outcome{State: job.Completed}); err != nil {
		t.Fatal(err)
	}
	if r := <-ended; r.State != job.Completed || r.Worker != "batch-1" {
		t.Errorf("record %+v", r)
	}
}

// Redis swallows everything: one call waits for the policy, for about a second, and the others go by the one that is
// known.
func TestPolicyWhileRedisIsSilent(t *testing.T) {
	u, err := url.Parse(options().RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	way := newRoad(t, u.Host)
	u.Host = way.address
	o := options()
	o.RedisURL = u.String()
	c := newClient(t, o)
	urgent := map[string]string{"urgent": "true"}
	if lane, err := c.Lane(t.Context(), urgent); lane != "express" || err != nil {
		t.Fatalf("lane %q, %v", lane, err)
	}

	way.stall()
	defer way.resume()
	c.PolicyIsDue()
	began := time.Now()
	took := make(chan time.Duration)
	for range 10 {
		go func() {
			if lane, err := c.Lane(t.Context(), urgent); lane != "express" || err != nil {
				t.Errorf("lane %q, %v", lane, err)
			}
			took <- time.Since(began)
		}()
	}
	var all []time.Duration
	for range 10 {
		all = append(all, <-took)
	}
	if all[4] > all[9]/2 { // in the order in which they came back
		t.Errorf("the others waited, too: %v", all)
	}
}

// lockedBuffer is what is logged while a test reads it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// road is a network path to a server that can stall: everything sent arrives, but no answer comes back for a while.
type road struct {
	address string

	mu   sync.Mutex // held while it stalls
	ends sync.WaitGroup
}

func newRoad(t *testing.T, to string) *road {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &road{address: listener.Addr().String()}
	l.ends.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			l.ends.Go(func() { l.carry(far, near, func() {}) })
			l.ends.Go(func() { l.carry(near, far, func() { l.mu.Lock(); defer l.mu.Unlock() }) })
		}
	})
	t.Cleanup(func() { // after the client, which closes the connections
		_ = listener.Close()
		l.ends.Wait()
	})
	return l
}

// carry copies from one end to the other; before each write it waits.
func (l *road) carry(to, from net.Conn, wait func()) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			wait()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *road) stall()  { l.mu.Lock() }
func (l *road) resume() { l.mu.Unlock() }
