package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
)

// tuner is an operator on a Redis where the local policy is in force and no scaler runs; what it says goes to out and said.
func tuner(t *testing.T, store *redislink.Store) (o *operator, out, said *bytes.Buffer) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	out, said = &bytes.Buffer{}, &bytes.Buffer{}
	return &operator{
		app: &app{streams: streams{out: out, err: said}}, log: log, board: redis.NewBoard(store, log), ledger: jobledger.New(store, log),
		roster: redis.NewRoster(store, log), tunings: redis.NewTunings(store, log),
	}, out, said
}

// inForceLocal puts the local policy into force.
func inForceLocal(t *testing.T, o *operator) *lanes.Policy {
	t.Helper()
	p, err := localPolicy(t.TempDir())
	must(t, err)
	_, err = o.board.PublishPolicy(t.Context(), lanes.Effective{Policy: *p})
	must(t, err)
	return p
}

// together has everybody wait until all have come.
func together(n int) (arrive func()) {
	var all sync.WaitGroup
	all.Add(n)
	return func() {
		all.Done()
		all.Wait()
	}
}

// setBy makes a change of one field by somebody, who looks when all others look, too.
func setBy(o *operator, by, field, value string, look func()) error {
	var once sync.Once
	_, err := o.change(context.Background(), tuneFlags{}, []string{field}, func(*lanes.Policy, time.Time) ([]lanes.Tuning, []string, error) {
		once.Do(look)
		return []lanes.Tuning{{Field: field, Value: json.RawMessage(value), By: by, Reason: "by " + by}}, nil, nil
	})
	return err
}

// Of those who tune the same field at the very same time one wins. Each of the others is told who, and what there is now.
func TestTheSameFieldAtOnce(t *testing.T) {
	_, store := startStore(t)
	o, _, _ := tuner(t, store)
	inForceLocal(t, o)
	const operators = 24
	for round := range 5 {
		arrive := together(operators)
		errs := make([]error, operators)
		var all sync.WaitGroup
		for i := range operators {
			all.Go(func() {
				errs[i] = setBy(o, fmt.Sprintf("op-%d-%d", round, i), "pools.general.max", fmt.Sprint(100+i), arrive)
			})
		}
		all.Wait()
		now, _, err := o.tunings.Now(t.Context())
		must(t, err)
		if now.Revision != int64(round+1) || len(now.All) != 1 {
			t.Fatalf("round %d: %+v, want one change in each round", round, now)
		}
		winner := now.All[0]
		for i, err := range errs {
			by := fmt.Sprintf("op-%d-%d", round, i)
			var code *exit.Error
			switch {
			case by == winner.By && err == nil:
			case by == winner.By || err == nil:
				t.Errorf("%s got %v, but %s has won", by, err, winner.By)
			case !errors.As(err, &code) || code.Code != exit.Conflict:
				t.Errorf("%s got %v, want a conflict", by, err)
			case !strings.Contains(err.Error(), fmt.Sprintf("%s has set it to %s (by %s)", winner.By, winner.Spelled(), winner.By)):
				t.Errorf("%s is told %q, not that %s has set it to %s", by, err, winner.By, winner.Spelled())
			}
		}
	}
	wantChain(t, o, "pools.general.max", 5)
}

// wantChain expects so many tune entries of a field in the audit log, each of which began where the one before had ended.
func wantChain(t *testing.T, o *operator, field string, want int) {
	t.Helper()
	entries, err := o.tunings.Audit(t.Context(), time.Time{}, 1000)
	must(t, err)
	found, next := 0, ""
	for _, e := range entries {
		if e.On != field {
			continue
		}
		if found > 0 && e.After != next {
			t.Errorf("%s was set from %s on, after it had been set to %s", field, next, e.After)
		}
		found, next = found+1, e.Before
	}
	if found != want {
		t.Errorf("%d entries of %s in the audit log, want %d", found, field, want)
	}
}

// Those who come one after the other all win, each over the one before: nobody's value is lost unsaid.
func TestTheSameFieldInDisorder(t *testing.T) {
	_, store := startStore(t)
	o, _, _ := tuner(t, store)
	inForceLocal(t, o)
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 40 {
		all.Go(func() {
			if setBy(o, fmt.Sprintf("op-%d", i), "budget", fmt.Sprint(10+i), func() {}) == nil {
				mu.Lock()
				defer mu.Unlock()
				won++
			}
		})
	}
	all.Wait()
	if won == 0 {
		t.Error("nobody has won")
	}
	wantChain(t, o, "budget", won)
}

// Those who tune different fields at once don't hinder each other.
func TestDifferentFieldsAtOnce(t *testing.T) {
	_, store := startStore(t)
	o, _, _ := tuner(t, store)
	inForceLocal(t, o)
	values := map[string]string{
		"budget": "9", "pools.general.max": "5", "pools.general.held": "true", "pools.batch.hold": `"1m"`, "pools.batch.held": "true",
		"lanes.express.reserve": "2", "lanes.standard.paused": "true", "lanes.bulk.paused": "true", "lanes.bulk.promote": "null",
		"lanes.standard.startWithin": `"1m"`, "lanes.bulk.maxRuntime": `"5m"`, "lanes.express.startWithin": `"3s"`,
	}
	arrive := together(len(values))
	var all sync.WaitGroup
	for field, value := range values {
		all.Go(func() {
			if err := setBy(o, "op-"+field, field, value, arrive); err != nil {
				t.Errorf("%s: %v", field, err)
			}
		})
	}
	all.Wait()
	now, _, err := o.tunings.Now(t.Context())
	must(t, err)
	if len(now.All) != len(values) || now.Revision != int64(len(values)) {
		t.Errorf("%d tunings at revision %d, want %d", len(now.All), now.Revision, len(values))
	}
	for _, tuning := range now.All {
		if string(tuning.Value) != values[tuning.Field] {
			t.Errorf("%s is %s, want %s", tuning.Field, tuning.Value, values[tuning.Field])
		}
	}
}

// One who sets what another removes at the same time is told so.
func TestRemovedMeanwhile(t *testing.T) {
	_, store := startStore(t)
	o, _, _ := tuner(t, store)
	inForceLocal(t, o)
	must(t, setBy(o, "ann", "budget", "9", func() {}))
	err := setBy(o, "bob", "budget", "8", func() {
		must(t, o.remove(t.Context(), tuneFlags{}, []string{"budget"}))
	})
	if err == nil || !strings.Contains(err.Error(), "budget was changed meanwhile: its tuning to 9 by ann was removed; nothing of yours is in force") {
		t.Error(err)
	}
	err = setBy(o, "bob", "budget", "8", func() { must(t, setBy(o, "ann", "lanes.bulk.paused", "true", func() {})) })
	if err != nil {
		t.Errorf("another field was changed meanwhile: %v", err)
	}
}

// Without a scaler a change is kept, and that nobody follows it is said; nobody can say what it would lead to.
func TestTuneWithoutScaler(t *testing.T) {
	t.Parallel() // it mostly waits
	server, store := startStore(t)
	o, out, said := tuner(t, store)
	siren := func(args ...string) int {
		out.Reset()
		said.Reset()
		return run(append(args, "--redis-url", server.URL, "--amqp-url", "amqp://127.0.0.1:1"), streams{in: strings.NewReader(""), out: out, err: said})
	}
	want := func(code, wantCode int, wantOut, wantSaid string) {
		t.Helper()
		if code != wantCode || !strings.Contains(out.String(), wantOut) || !strings.Contains(said.String(), wantSaid) {
			t.Errorf("exit code %d, %s%s\nwant %d, %q and %q", code, out, said, wantCode, wantOut, wantSaid)
		}
	}
	for _, args := range [][]string{
		{"budget", "set", "9"},
		{"lanes", "pause", "bulk"},
		{"lanes", "resume", "bulk"},
		{"tunings", "export"},
		{"explain", "lane", "bulk"},
		{"lanes", "move", "bulk", "standard"},
		{"jobs", "promote", "x", "--lane", "bulk"},
		{"jobs", "retry", "x"},
	} {
		want(siren(args...), exit.NotFound, "", "no policy is in force yet: is `siren scaler` (or `siren up`) running?")
	}
	want(siren("budget"), exit.NotFound, "", "no scaler has reported yet")

	inForceLocal(t, o)
	want(siren("budget", "set", "9"), exit.OK, "budget: 4 → 9", "warning: no scaler has taken it up within 5s; is one running? It will as soon as one leads")
	want(siren("tunings"), exit.OK, "not yet", "")
	want(siren("budget", "set", "8", "--dry-run"), exit.Failed, "budget: 9 → 8", "no scaler has said within 6s what it would lead to")
	want(siren("explain", "lane", "bulk"), exit.NotFound, "", "no scaler has reported yet")
	want(siren("decisions", "--pool", "batch"), exit.OK, "", "no plans")
	want(siren("decisions", "--pool", "bat"), exit.NotFound, "", `no pool "bat"`)

	// The scaler has put it into force, but not everybody follows.
	_, err := o.roster.Beat(t.Context(), lanes.Heartbeat{Worker: "general-1", Pool: "general", Revision: 1})
	must(t, err)
	now, _, err := o.tunings.Now(t.Context())
	must(t, err)
	p, err := localPolicy(t.TempDir())
	must(t, err)
	_, err = o.board.PublishPolicy(t.Context(), lanes.Effective{Policy: *p, File: p, Tunings: now.All})
	must(t, err)
	out.Reset()
	o.err = io.MultiWriter(said)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	said.Reset()
	o.awaitFollowed(ctx, changed{set: now.All})
	want(exit.OK, exit.OK, "", "warning: the scaler has put it into force; 0 of 1 worker follow it so far")
}

// startStore starts a Redis for the test.
func startStore(t *testing.T) (*procs.Server, *redislink.Store) {
	t.Helper()
	server, err := procs.StartRedis(t.Context(), procs.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	store, err := redislink.Open(server.URL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return server, store
}
