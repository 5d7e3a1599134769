package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach/reachtest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// An operator whose machine's clock is an hour behind or ahead of all others' sees and does what they do: what is
// written into messages and records, and what is compared with a time in them, goes by Redis' clock.
func TestOperatorWithAWrongClock(t *testing.T) {
	g := newGraveyard(t)
	for name, ahead := range map[string]time.Duration{"behind": time.Hour, "ahead": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			g := g.in(t)
			g.declare(lanes.Classic)
			reachtest.SetEndpoints(t, map[string]string{
				"SIREN_AMQP_URL":  g.url,
				"SIREN_REDIS_URL": shiftClock(t, g.redis, ahead),
			})
			o, err := goredis.ParseURL(g.admin)
			g.must(err)
			raw := goredis.NewClient(o)
			defer raw.Close()
			w := wrongClock{g, raw, "clock-" + name, ahead}
			t.Run("filters and ages", w.lists)
			t.Run("copies", w.copies)
			t.Run("leases", w.leases)
			t.Run("dead letters", w.deadLetters)
			t.Run("enqueue", w.enqueues)
			t.Run("reports", w.reports)
		})
	}
}

// shiftClock stands in front of Redis and tells another time than it does. What scripts write goes by its own.
func shiftClock(t *testing.T, target string, by time.Duration) string {
	t.Helper()
	u, err := url.Parse(target)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	to := u.Host
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			pumps.Go(func() {
				_, _ = io.Copy(out, in)
				out.Close()
			})
			pumps.Go(func() {
				_, _ = io.Copy(shifter{in, by}, out)
				in.Close()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		pumps.Wait()
	})
	u.Host = l.Addr().String()
	return u.String()
}

// shifter writes replies of Redis, those to TIME with another time.
type shifter struct {
	io.Writer
	by time.Duration
}

var timeReply = regexp.MustCompile(`\*2\r\n\$10\r\n(\d{10})\r\n\$\d\r\n\d{1,6}\r\n`)

func (s shifter) Write(p []byte) (int, error) {
	q := bytes.Clone(p)
	for _, at := range timeReply.FindAllSubmatchIndex(q, -1) {
		seconds, _ := strconv.ParseInt(string(q[at[2]:at[3]]), 10, 64)
		copy(q[at[2]:at[3]], strconv.FormatInt(seconds+int64(s.by.Seconds()), 10))
	}
	return s.Writer.Write(q)
}

type wrongClock struct {
	*graveyard
	raw    *goredis.Client
	prefix string
	ahead  time.Duration // of this machine's clock
}

func (w wrongClock) now() time.Time { return time.Now().Add(w.ahead) }

// near reports whether a time is about now.
func (w wrongClock) near(at time.Time) bool { return w.now().Sub(at).Abs() < 5*time.Minute }

// said runs a command and returns what it printed, on both streams.
func (w wrongClock) said(t *testing.T, args ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	if code := run("siren", args, app.Streams{In: strings.NewReader(""), Out: &out, Err: &err}); code != exit.OK {
		t.Errorf("%v: exit code %d, %s", args, code, err.String())
	}
	return out.String() + err.String()
}

// queued makes the record of a job that was enqueued so long ago.
func (w wrongClock) queued(t *testing.T, id string, ago time.Duration, expires time.Time) {
	t.Helper()
	at := w.now().Add(-ago)
	j := job.Job{
		ID: id, Kind: "probe", Input: "file:///in", Output: "file:///out", ExpiresAt: expires,
		Labels: map[string]string{"set": w.prefix},
	}
	_, err := w.ledger.CreateAll(t.Context(), []work.Delivery{{Job: j, Lane: "bulk", EnqueuedAt: at, ReadyAt: at}})
	must(t, err)
}

func (w wrongClock) record(t *testing.T, id string) job.Record {
	t.Helper()
	r, err := w.ledger.Get(t.Context(), id)
	must(t, err)
	return r
}

func (w wrongClock) lists(t *testing.T) {
	id := w.prefix + "-listed"
	w.queued(t, id, 20*time.Minute, time.Time{})
	for _, c := range []struct {
		flag string
		want bool
	}{{"--since=30m", true}, {"--since=10m", false}, {"--older-than=10m", true}, {"--older-than=30m", false}} {
		if got := strings.Contains(w.said(t, "jobs", "list", "--limit", "0", c.flag), id); got != c.want {
			t.Errorf("jobs list %s: listed %v, want %v", c.flag, got, c.want)
		}
		if got := strings.Contains(w.said(t, "jobs", "cancel", "-l", "set="+w.prefix, c.flag, "--dry-run"),
			"would be cancelled"); got != c.want {
			t.Errorf("jobs cancel %s: chosen %v, want %v", c.flag, got, c.want)
		}
	}
	if out := w.said(t, "jobs", "list", "-l", "set="+w.prefix); !strings.Contains(out, " 20m") {
		t.Errorf("the age is wrong:\n%s", out)
	}
	if out := w.said(t, "__complete", "jobs", "get", id); !strings.Contains(out, " 20m") {
		t.Errorf("the completed age is wrong:\n%s", out)
	}
}

func (w wrongClock) copies(t *testing.T) {
	id, expires := w.prefix+"-copied", w.now().Add(10*time.Minute).Truncate(time.Second)
	w.queued(t, id, 0, expires)
	w.said(t, "jobs", "move", id, "--to", "express")
	if r := w.record(t, id); !w.near(r.ReadyAt) {
		t.Errorf("the record says ready at %s", r.ReadyAt)
	}
	m := w.get(t, "siren.lane.express")
	if ready, _ := m.Headers["readyAt"].(int64); !w.near(time.UnixMilli(ready)) || !w.near(m.Timestamp) {
		t.Errorf("the message says ready at %s, and was made at %s", time.UnixMilli(ready), m.Timestamp)
	}
	var job job.Job
	must(t, json.Unmarshal(m.Body, &job))
	if !job.ExpiresAt.Equal(expires) {
		t.Errorf("the copy expires at %s, want %s", job.ExpiresAt, expires)
	}
}

// get takes a message out of a queue.
func (w wrongClock) get(t *testing.T, queue string) amqp.Delivery {
	t.Helper()
	conn, err := amqp.Dial(w.url)
	must(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	must(t, err)
	m, ok, err := ch.Get(queue, true)
	must(t, err)
	if !ok {
		t.Fatalf("%s is empty", queue)
	}
	return m
}

func (w wrongClock) leases(t *testing.T) {
	lives, gone := w.prefix+"-lives", w.prefix+"-gone"
	for id, lease := range map[string]time.Duration{lives: 20 * time.Second, gone: -2 * time.Minute} {
		w.queued(t, id, 0, time.Time{})
		_, err := w.ledger.Claim(t.Context(), work.Delivery{
			Job: w.record(t, id).Job(), Lane: "bulk",
			EnqueuedAt: w.now(), ReadyAt: w.now(),
		}, "w", 3)
		must(t, err)
		must(t, w.raw.HSet(t.Context(), "siren:job:"+id, "lease", w.now().Add(lease).UnixMilli()).Err())
	}
	if list := w.said(t, "jobs", "list", "-l", "set="+w.prefix, "--state", "running",
		"--no-headers"); strings.Count(list, "vanished 2m") != 1 || strings.Count(list, "vanished") != 1 {
		t.Errorf("the list of running jobs:\n%s", list)
	}
	var out bytes.Buffer
	if code := run("siren", []string{"jobs", "retry", lives},
		app.Streams{In: strings.NewReader(""), Out: &out, Err: &out}); code != exit.Failed ||
		!strings.Contains(out.String(), "is running on w") {
		t.Errorf("a job that runs was retried: exit code %d, %s", code, out.String())
	}
	if out := w.said(t, "jobs", "retry", gone, "--to", "express"); !strings.Contains(out, "is in lane express again") {
		t.Errorf("one whose worker vanished wasn't: %s", out)
	}
	w.get(t, "siren.lane.express")
}

func (w wrongClock) deadLetters(t *testing.T) {
	ids := w.bury(2, w.prefix+"-dead")
	for _, id := range ids {
		must(t, w.raw.HSet(t.Context(), "siren:job:"+id, "ended", w.now().UnixMilli(), "expires",
			w.now().Add(10*time.Minute).UnixMilli()).Err())
		must(t, w.raw.ZAdd(t.Context(), "siren:dead", goredis.Z{Score: float64(w.now().UnixMilli()), Member: id}).Err())
	}
	for _, args := range [][]string{
		{"list"},
		{"list", "--from-queue"},
		{"summary"},
		{"summary", "--from-queue"},
		{"export"},
	} {
		young := w.said(t, append(append([]string{"dead"}, args...), "--since", "10m")...)
		old := w.said(t, append(append([]string{"dead"}, args...), "--older-than", "10m")...)
		if !strings.Contains(young, "failed") || strings.Contains(old, "the storage is away") ||
			strings.Contains(young, "1h") {
			t.Errorf("dead %v: of 10 minutes at most\n%s, at least\n%s", args, young, old)
		}
	}
	for _, verb := range []string{"replay", "purge"} {
		if out := w.said(t, "dead", verb, "--older-than", "10m", "--dry-run"); !strings.HasPrefix(out, "0 dead ") {
			t.Errorf("dead %s of older ones: %s", verb, out)
		}
	}
	w.said(t, "dead", "replay", "--since", "10m", "--yes", "--rate", "0", "--to", "express")
	for _, id := range ids {
		if m := w.get(t, "siren.lane.express"); !w.near(time.UnixMilli(m.Headers["readyAt"].(int64))) {
			t.Errorf("the copy says ready at %v", m.Headers["readyAt"])
		}
		if r := w.record(t, id); !w.near(r.ReadyAt) {
			t.Errorf("the record says ready at %s", r.ReadyAt)
		}
	}
}

func (w wrongClock) enqueues(t *testing.T) {
	id, folder := w.prefix+"-late", w.policy.Storage[0].Prefix
	w.said(t, "enqueue", "probe", "--id", id, "--input", folder+"a", "--output", folder+"b.json", "--expires-in", "10m")
	if r := w.record(t, id); !w.near(r.ExpiresAt.Add(-10*time.Minute)) || !w.near(r.ReadyAt) {
		t.Errorf("it expires at %s, ready at %s", r.ExpiresAt, r.ReadyAt)
	}
	made := strings.TrimSpace(w.said(t, "enqueue", "probe", "--input", folder+"a", "--output", folder+"c.json"))
	if first := job.NewID(w.now().Add(-time.Minute)); made < first {
		t.Errorf("the id %s sorts before %s, which is a minute older", made, first)
	}
	if last := job.NewID(w.now().Add(time.Minute)); made > last {
		t.Errorf("the id %s sorts behind %s, which is a minute younger", made, last)
	}
}

func (w wrongClock) reports(t *testing.T) {
	must(t, w.board.PutSnapshot(t.Context(), fleet.Snapshot{At: w.now(), Lanes: []fleet.LaneStatus{{Name: "bulk"}}}))
	if out := w.said(t, "lanes"); strings.Contains(out, "no scaler has reported") {
		t.Errorf("the snapshot is taken for an old one:\n%s", out)
	}
	must(t, w.board.PutSnapshot(t.Context(), fleet.Snapshot{
		At:    w.now().Add(-10 * time.Minute),
		Lanes: []fleet.LaneStatus{{Name: "bulk"}},
	}))
	if out := w.said(t, "lanes"); !strings.Contains(out, "no scaler has reported for 10m") {
		t.Errorf("the snapshot isn't taken for an old one:\n%s", out)
	}
}
