package client_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
)

func probe(id string, labels map[string]string) job.Job {
	return job.Job{
		ID: id, Kind: "probe", Labels: labels, Input: "file:///in/a.mp4",
		Output: "file:///out/" + id + ".json",
	}
}

func TestEnqueueAndWait(t *testing.T) {
	c := newClient(t, options())
	tests := []struct {
		name string
		job  job.Job
		lane string
		end  job.State
	}{
		{"classified by its labels", probe("", map[string]string{"urgent": "true"}), "express", job.Completed},
		{"no selector wants it", probe("", nil), "standard", job.Completed},
		{"its own id", probe("my-own_id.1", nil), "standard", job.Completed},
		{"one that can't succeed", job.Job{Kind: "broken"}, "standard", job.Dead},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := within(t, time.Minute)
			id, err := c.Enqueue(ctx, tt.job)
			if err != nil || id == "" || tt.job.ID != "" && id != tt.job.ID {
				t.Fatalf("id %q, %v", id, err)
			}
			r, err := c.Wait(ctx, id)
			if err != nil || r.ID != id || r.State != tt.end || r.Lane != tt.lane || r.Attempts != 1 {
				t.Errorf("record %+v, %v; want %s in %s", r, err, tt.end, tt.lane)
			}
			if again, err := c.Get(ctx, id); err != nil || again.State != tt.end {
				t.Errorf("get: %+v, %v", again, err)
			}
		})
	}
}

func TestSameIDRunsOnce(t *testing.T) {
	c := newClient(t, options())
	ctx := within(t, time.Minute)
	for range 3 {
		if _, err := c.Enqueue(ctx, probe("same", nil)); err != nil {
			t.Fatal(err)
		}
		if r, err := c.Wait(ctx, "same"); err != nil || r.Attempts != 1 {
			t.Fatalf("record %+v, %v", r, err)
		}
	}
}

func TestEnqueueBatch(t *testing.T) {
	c := newClient(t, options())
	ctx := within(t, time.Minute)
	const n = 2000
	jobs := make([]job.Job, n)
	for i := range jobs {
		jobs[i] = probe(fmt.Sprintf("batch-%d", i), nil)
	}
	jobs[7].Kind = ""
	jobs[8].Input = strings.Repeat("x", job.MaxMessage)
	var ids []string
	for i, o := range c.EnqueueBatch(ctx, jobs) {
		if refused := o.Err != nil; refused != (i == 7 || i == 8) || o.ID != jobs[i].ID || o.Lane != "standard" {
			t.Errorf("job %d: %+v", i, o)
		} else if !refused {
			ids = append(ids, o.ID)
		}
	}
	if _, err := c.Get(ctx, "batch-7"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a job that wasn't enqueued has a record: %v", err)
	}
	completed := 0
	for r, err := range c.Watch(ctx, ids...) {
		if err != nil {
			t.Fatal(err)
		}
		if r.State == job.Completed {
			completed++
		}
	}
	if completed != n-2 {
		t.Errorf("%d jobs completed, want %d", completed, n-2)
	}
	if o := c.EnqueueBatch(ctx, nil); len(o) != 0 {
		t.Errorf("empty batch: %v", o)
	}
}

// A job's priority goes out as the message's, and into its record, when its lane allows it; else the job isn't
// enqueued.
func TestPriority(t *testing.T) {
	o := options()
	var err error
	if o.Policy, err = lanes.Parse([]byte(strings.Replace(policyText, "startWithin: 30m",
		"startWithin: 30m, queueType: classic, priorities: 2", 1))); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, o)
	ctx := within(t, time.Minute)
	batch := map[string]string{"batch": "true"} // no worker takes bulk
	for _, tt := range []struct {
		id       string
		priority int
		err      string
	}{{"prio-2", 2, ""}, {"prio-3", 3, `lane "bulk" allows 2 at most`}, {"prio-9", 9, "priority 9 must be 0 to 4"}} {
		job := probe(tt.id, batch)
		job.Priority = tt.priority
		_, err := c.Enqueue(ctx, job)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.id, err, tt.err)
		}
		r, missing := c.Get(ctx, tt.id)
		if (missing == nil) != (err == nil) || err == nil && r.Priority != tt.priority {
			t.Errorf("%s: its record: %+v, %v", tt.id, r, missing)
		}
	}
	conn, err := amqp.Dial(o.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	bulk := "siren.lane." + lanes.Queue{
		Lane: "bulk",
		Type: cmp.Or(os.Getenv("SIREN_TEST_QUEUE_TYPE"), lanes.Classic),
	}.String()
	for {
		d, ok, err := ch.Get(bulk, false) // the others go back when the channel closes
		if err != nil || !ok {
			t.Fatalf("the job isn't in its lane: %v", err)
		}
		if d.MessageId == "prio-2" {
			if d.Priority != 2 || !strings.Contains(string(d.Body), `"priority":2`) {
				t.Errorf("published with priority %d as %s", d.Priority, d.Body)
			}
			return
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	c := newClient(t, options())
	nobodys := probe("", map[string]string{"batch": "true"}) // no worker takes bulk
	id, err := c.Enqueue(within(t, time.Minute), nobodys)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Wait(within(t, 200*time.Millisecond), id)
	if !errors.Is(err, context.DeadlineExceeded) || r.State != job.Queued {
		t.Errorf("record %+v, %v", r, err)
	}
	if _, err := c.Wait(within(t, time.Minute), "never enqueued"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

func TestPolicies(t *testing.T) {
	empty, err := servers.StartRedis(t.Context(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = empty.Stop(context.Background()) })
	o := options()
	o.RedisURL = empty.URL
	ctx := within(t, time.Minute)

	c := newClient(t, o)
	if _, err := c.Enqueue(ctx, probe("", nil)); !errors.Is(err, client.ErrNoPolicy) ||
		!strings.Contains(err.Error(), "siren scaler") {
		t.Errorf("%v, want ErrNoPolicy", err)
	}
	o.Policy, err = lanes.Parse([]byte(strings.Replace(policyText, "urgent=true", "hurry=yes", 1)))
	if err != nil {
		t.Fatal(err)
	}
	given := newClient(t, o)
	if out := given.EnqueueBatch(ctx, []job.Job{probe("", map[string]string{"hurry": "yes"})}); out[0].Err != nil ||
		out[0].Lane != "express" {
		t.Errorf("by a given policy: %+v", out)
	}

	// Redis goes away: what the client has read serves on, and the job goes out.
	store := openStore(t, empty.URL)
	if _, err := redis.NewBoard(store, discard).PublishPolicy(ctx, lanes.Effective{Policy: *o.Policy}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Enqueue(ctx, probe("", nil)); err != nil {
		t.Fatal(err)
	}
	if err := empty.Kill(); err != nil {
		t.Fatal(err)
	}
	out := c.EnqueueBatch(ctx, []job.Job{probe("without-redis", map[string]string{"hurry": "yes"})})
	if out[0].Err != nil || out[0].Lane != "express" {
		t.Errorf("without Redis: %+v", out)
	}
	if _, err := c.Wait(within(t, 300*time.Millisecond), "without-redis"); !errors.Is(err, lanes.ErrAway) ||
		!strings.Contains(err.Error(), "outcome is unknown") {
		t.Errorf("wait without Redis: %v, want ErrAway", err)
	}
	workers := newClient(t, options()) // the worker has a Redis of its own
	for r, err := workers.Get(ctx, "without-redis"); r.State != job.Completed; r, err = workers.Get(ctx,
		"without-redis") {
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			t.Fatalf("the job isn't done: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// What a producer says of times goes by Redis' clock, from its first job on: the wait of a lane is measured by it.
func TestWrongClock(t *testing.T) {
	broker, err := amqp.Dial(options().AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	ch, err := broker.Channel()
	if err != nil {
		t.Fatal(err)
	}
	taken, err := ch.QueueDeclare("", false, true, true, false, nil) // sees what comes for bulk, too
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(taken.Name, "bulk", "siren.jobs", false, nil); err != nil {
		t.Fatal(err)
	}
	for name, off := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			c, err := client.NewAt(options(), func() time.Time { return time.Now().Add(off) })
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			id, err := c.Enqueue(within(t, time.Minute), probe("clock-"+name, map[string]string{"batch": "true"}))
			if err != nil {
				t.Fatal(err)
			}
			d, found, err := ch.Get(taken.Name, true)
			if err != nil || !found {
				t.Fatalf("the job isn't there: %v", err)
			}
			for _, header := range []string{"enqueuedAt", "readyAt"} {
				if at := time.UnixMilli(d.Headers[header].(int64)); time.Since(at).Abs() > time.Minute {
					t.Errorf("%s is %s", header, at)
				}
			}
			if r, err := c.Get(t.Context(), id); err != nil || time.Since(r.EnqueuedAt).Abs() > time.Minute {
				t.Errorf("%+v, %v; want the time of its record right", r, err)
			}
		})
	}
}

// TestUnsentJobsHaveNoRecord: when the answer is a plain no, nothing is left behind.
func TestUnsentJobsHaveNoRecord(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	o := options()
	u, err := url.Parse(o.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = closed.Addr().String()
	o.AMQPURL = u.String()
	c := newClient(t, o)
	_, err = c.Enqueue(within(t, 300*time.Millisecond), probe("unsent", nil))
	if !errors.Is(err, confirms.ErrNotSent) || errors.Is(err, client.ErrUncertain) {
		t.Errorf("%v, want ErrNotSent", err)
	}
	if password, _ := u.User.Password(); strings.Contains(err.Error(), password) {
		t.Errorf("the error has the password: %v", err)
	}
	if _, err := c.Get(t.Context(), "unsent"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("get: %v, want ErrNotFound", err)
	}
}

func TestTLS(t *testing.T) {
	pem, err := os.ReadFile(secure.authority.CA)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := secure.authority.Issue("producer")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	trust := &tls.Config{
		RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
	}
	trust.RootCAs.AppendCertsFromPEM(pem)
	o := client.Options{AMQPURL: secure.amqpURL, RedisURL: secure.redisURL, AMQPTLS: trust, RedisTLS: trust}
	c := newClient(t, o)
	ctx := within(t, time.Minute)
	if _, err := c.Enqueue(ctx, probe("over-tls", nil)); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Wait(ctx, "over-tls"); err != nil || r.State != job.Completed {
		t.Errorf("%+v, %v; want it completed", r, err)
	}
	for name, forget := range map[string]func(*client.Options){
		"broker": func(o *client.Options) { o.AMQPTLS = nil },
		"store":  func(o *client.Options) { o.RedisTLS = nil },
	} {
		o := o
		forget(&o)
		if _, err := newClient(t, o).Enqueue(within(t, 3*time.Second), probe("untrusted-"+name, nil)); err == nil ||
			!strings.Contains(err.Error(), "isn't trusted") {
			t.Errorf("%s without the CA: %v", name, err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for name, change := range map[string]func(*client.Options){
		"broker":             func(o *client.Options) { o.AMQPURL = "http://u:secret@host" },
		"store":              func(o *client.Options) { o.RedisURL = "redis://u:secret@host:port" },
		"broker without TLS": func(o *client.Options) { o.AMQPTLS = &tls.Config{} },
		"store without TLS":  func(o *client.Options) { o.RedisTLS = &tls.Config{} },
		"policy": func(o *client.Options) {
			o.Policy = &lanes.Policy{Lanes: []lanes.Lane{{Name: "a", Match: []string{"=="}}}}
		},
	} {
		o := options()
		change(&o)
		if _, err := client.New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func openStore(t *testing.T, url string) *redislink.Store {
	t.Helper()
	s, err := redislink.Open(url, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
