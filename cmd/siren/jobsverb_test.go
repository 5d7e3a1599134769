package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/jobcmd"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// many makes n queued jobs of a lane. They have records; nothing is published.
func many(tb testing.TB, ledger *jobledger.Ledger, n int) {
	tb.Helper()
	batch := make([]work.Delivery, n)
	at := time.Now().Add(-time.Minute)
	for i := range batch {
		j := job.Job{
			ID: fmt.Sprintf("many-%05d", i), Kind: "probe", Input: "file:///in", Output: "file:///out.json",
			Labels: map[string]string{"n": fmt.Sprint(i % 2)},
		}
		batch[i] = work.Delivery{Job: j, Lane: "bulk", EnqueuedAt: at, ReadyAt: at}
	}
	if _, err := ledger.CreateAll(tb.Context(), batch); err != nil {
		tb.Fatal(err)
	}
}

// commandCounts resets Redis' statistics, calls f, and returns how often each command was given meanwhile, in lower
// case, scripts' own commands included.
func commandCounts(tb testing.TB, url string, f func()) map[string]int {
	tb.Helper()
	o, err := goredis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	c := goredis.NewClient(o)
	defer c.Close()
	if err := c.ConfigResetStat(context.Background()).Err(); err != nil {
		tb.Fatal(err)
	}
	f()
	info, err := c.Info(context.Background(), "commandstats").Result()
	if err != nil {
		tb.Fatal(err)
	}
	counts := map[string]int{}
	for _, found := range regexp.MustCompile(`cmdstat_(\S+):calls=(\d+)`).FindAllStringSubmatch(info, -1) {
		counts[found[1]], _ = strconv.Atoi(found[2])
	}
	return counts
}

// A bulk verb is one pass: each record is read once, each job's script runs once, and the audit log has one entry.
func TestBulkIsOnePass(t *testing.T) {
	server, store := redistest.StartStore(t)
	o, _, _ := tuner(t, store)
	inForceLocal(t, o)
	const n = 1300
	many(t, o.Ledger, n)
	siren := func(args ...string) string {
		var out, said bytes.Buffer
		args = append(args, "--redis-url", server.URL, "--amqp-url", "amqp://127.0.0.1:1")
		if code := run("siren", args, app.Streams{In: strings.NewReader(""), Out: &out, Err: &said}); code != exit.OK {
			t.Errorf("%v: exit code %d, %s", args, code, said.String())
		}
		return out.String()
	}
	for _, c := range []struct {
		args          []string
		says          string
		read, scripts int
	}{
		{[]string{"jobs", "list", "--limit", "0"}, "many-00000", n, 0},
		{[]string{"jobs", "list"}, "many-01299", 50, 0},
		{[]string{"jobs", "cancel", "--lane", "bulk", "--dry-run"}, "1300 jobs would be cancelled", n, 0},
		{[]string{"jobs", "cancel", "--lane", "bulk", "-l", "n=0", "--yes"}, "650 jobs cancelled", n, 650},
		{[]string{"jobs", "cancel", "--lane", "bulk", "--yes"}, "650 jobs cancelled", n, 650},
		{[]string{"dead", "summary"}, "", 0, 0},
	} {
		counts := commandCounts(t, server.URL, func() {
			if out := siren(c.args...); !strings.Contains(out, c.says) {
				t.Errorf("%v: %s", c.args, out)
			}
		})
		if counts["hgetall"] != c.read || counts["evalsha"] > c.scripts+jobsInFirstBatch {
			t.Errorf("%v: %d records read and %d scripts run, want %d and %d", c.args, counts["hgetall"],
				counts["evalsha"], c.read, c.scripts)
		}
	}
	entries, err := o.Tunings.Audit(t.Context(), time.Time{}, 100)
	must(t, err)
	if len(entries) != 2 || entries[0].Jobs != 650 || entries[0].On != "jobs: lane bulk" ||
		len(entries[0].Sample) != 20 || entries[0].Sample[0] != "many-00001" {
		t.Errorf("the audit log has %+v", entries)
	}
}

// jobsInFirstBatch may be asked for twice: Redis doesn't know the script at first.
const jobsInFirstBatch = 250

// A bulk verb that is broken off in the middle has done whole batches, says so, and has made an entry; the same command
// goes on with the rest.
func TestBulkBrokenOff(t *testing.T) {
	_, store := redistest.StartStore(t)
	o, out, said := tuner(t, store)
	many(t, o.Ledger, 600)
	cancel := func(ctx context.Context, records iter.Seq2[job.Record, error]) error {
		out.Reset()
		v := jobcmd.JobVerb{
			Jobs: choose.Jobs{Filter: dead.Filter{Lane: "bulk"}}, Verb: "cancel", Past: "cancelled",
			Fates: map[jobs.Fate]int{},
		}
		w := jobs.Cancel(o.Desk(), "")
		w.Filter = v.String()
		return v.CarryOut(ctx, o, w, records, 0)
	}
	chosen := func() iter.Seq2[job.Record, error] {
		return o.Ledger.Each(t.Context(), jobrecord.Filter{State: job.Queued, OldestFirst: true})
	}
	ctx, interrupt := context.WithCancel(t.Context())
	seen := 0
	err := cancel(ctx, func(yield func(job.Record, error) bool) {
		for r, err := range chosen() {
			if seen++; seen == 300 {
				interrupt()
			}
			if !yield(r, err) {
				return
			}
		}
	})
	if err == nil || !strings.Contains(err.Error(),
		"interrupted: what was begun is done, nothing is lost, and the same command goes on") ||
		out.String() != "250 jobs cancelled\n" {
		t.Errorf("it said %s%s, and %v", out, said, err)
	}
	must(t, cancel(t.Context(), chosen()))
	if out.String() != "350 jobs cancelled\n" {
		t.Errorf("the second said %s", out)
	}
	entries, err := o.Tunings.Audit(t.Context(), time.Time{}, 100)
	must(t, err)
	if len(entries) != 2 || entries[1].Jobs != 250 || entries[0].Jobs != 350 {
		t.Errorf("the audit log has %+v", entries)
	}
}

// Many jobs are moved, retried or called off by a command that is killed, or whose connections are cut, again and
// again until it is through. Then each has run once, and those that were called off not at all.
func TestBulkUnderFire(t *testing.T) {
	t.Parallel()
	g := newGraveyard(t)
	cut := func(g *graveyard, _ *exec.Cmd) { g.way.cut() }
	for _, c := range []struct {
		name, verb string
		strike     func(*graveyard, *exec.Cmd)
		args       []string
		runs       int
	}{
		{"move, killed", "move", kill, []string{"--to", "express"}, 1000},
		{"move, cut", "move", cut, []string{"--to", "express"}, 1000},
		{"cancel, killed", "cancel", kill, nil, 0},
		{"retry, killed", "retry", kill, []string{"--state", "cancelled"}, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := g.in(t)
			g.declare(lanes.Classic)
			prefix := regexp.MustCompile(`\W+`).ReplaceAllString(c.name, "-")
			ids := g.enqueue(1000, prefix)
			if c.verb == "retry" {
				_, err := g.ledger.CancelAll(t.Context(), ids)
				g.must(err)
			}
			args := append([]string{"jobs", c.verb, "--lane", "bulk", "-l", "set=" + prefix, "--yes"}, c.args...)
			g.strikeUntilDone(args, c.strike)
			stop := g.work()
			g.awaitEnds(ids)
			stop()
			if ran, more := g.ran(); ran != c.runs || more > 0 {
				t.Errorf("%d jobs have run, %d of them more than once; want %d, once each", ran, more, c.runs)
			}
		})
	}
}

// enqueue puts n jobs into lane bulk, with a label that they have in common.
func (g *graveyard) enqueue(n int, set string) []string {
	g.t.Helper()
	c, err := client.New(client.Options{
		AMQPURL: g.url, RedisURL: g.redis, Policy: &g.policy,
		Log: slog.New(slog.DiscardHandler),
	})
	g.must(err)
	defer c.Close()
	all, ids := make([]job.Job, n), make([]string, n)
	for i := range all {
		ids[i] = fmt.Sprintf("%s-%04d", set, i)
		all[i] = job.Job{
			ID: ids[i], Kind: "probe", Input: "file:///in", Output: "file:///out.json",
			Labels: map[string]string{"set": set, "batch": "true"},
		}
	}
	for _, o := range c.EnqueueBatch(g.t.Context(), all) {
		g.must(o.Err)
		if o.Lane != "bulk" {
			g.t.Fatalf("job %s is in lane %s", o.ID, o.Lane)
		}
	}
	return ids
}

// strikeUntilDone runs a command and strikes it, later each time, until it gets through.
func (g *graveyard) strikeUntilDone(args []string, strike func(*graveyard, *exec.Cmd)) {
	g.t.Helper()
	strikes := 0
	for end := time.Now().Add(time.Minute); ; strikes++ {
		cmd := g.siren(args...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		g.must(cmd.Start())
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case err := <-done:
			if err == nil {
				g.t.Logf("%d strikes", strikes)
				return
			}
		case <-time.After(time.Duration(40+rand.IntN(60+20*strikes)) * time.Millisecond):
			strike(g, cmd)
			if <-done == nil {
				g.t.Logf("%d strikes", strikes+1)
				return
			}
		}
		if time.Now().After(end) {
			g.t.Fatalf("after %d strikes it isn't through: %s", strikes, said.String())
		}
	}
}

// awaitEnds waits until all of the jobs have come to an end, and no message is left in their lanes.
func (g *graveyard) awaitEnds(ids []string) {
	g.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		records, err := g.ledger.GetAll(g.t.Context(), ids)
		g.must(err)
		open := 0
		for _, r := range records {
			if !r.State.Final() {
				open++
			}
		}
		if open == 0 && len(records) == len(ids) && g.waiting() == 0 {
			return
		}
		if time.Now().After(end) {
			g.t.Fatalf("%d jobs haven't ended, and %d messages wait", open, g.waiting())
		}
	}
}

// waiting counts the messages that are ready in the lanes.
func (g *graveyard) waiting() int {
	g.t.Helper()
	conn := g.open("depths")
	defer conn.Close()
	depths, err := rabbit.NewBacklog(conn).Depths(g.t.Context(),
		[]lanes.Queue{g.policy.QueueOf("express"), g.policy.QueueOf("bulk")})
	g.must(err)
	n := 0
	for _, d := range depths {
		n += d.Ready
	}
	return n
}
