package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/cmd/siren/tunecmd"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// tuner returns an operator on a Redis where the local policy is in force and no scaler runs. What it says goes to out
// and said.
func tuner(t *testing.T, store *redislink.Store) (o *app.Operator, out, said *bytes.Buffer) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	out, said = &bytes.Buffer{}, &bytes.Buffer{}
	return &app.Operator{
		App: &app.App{Streams: app.Streams{Out: out, Err: said}}, Log: log, Board: redis.NewBoard(store, log),
		Ledger: jobledger.New(store, log),
		Roster: redis.NewRoster(store, log), Tunings: redis.NewTunings(store, log),
	}, out, said
}

// inForceLocal puts the local policy into force.
func inForceLocal(t *testing.T, o *app.Operator) *lanes.Policy {
	t.Helper()
	p, err := runcmd.LocalPolicy(t.TempDir())
	must(t, err)
	_, err = o.Board.PublishPolicy(t.Context(), lanes.Effective{Policy: *p})
	must(t, err)
	return p
}

// Without a scaler a change is kept, and that nobody follows it is said; nobody can say what it would lead to.
func TestTuneWithoutScaler(t *testing.T) {
	t.Parallel() // it mostly waits
	server, store := redistest.StartStore(t)
	o, out, said := tuner(t, store)
	siren := func(args ...string) int {
		out.Reset()
		said.Reset()
		return run("siren", append(args, "--redis-url", server.URL, "--amqp-url", "amqp://127.0.0.1:1"),
			app.Streams{In: strings.NewReader(""), Out: out, Err: said})
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
		{"jobs", "move", "x", "--lane", "bulk"},
		{"jobs", "retry", "x"},
	} {
		want(siren(args...), exit.NotFound, "", "no policy is in force yet: is `siren scaler` (or `siren up`) running?")
	}
	want(siren("budget"), exit.NotFound, "", "no scaler has reported yet")

	inForceLocal(t, o)
	want(siren("budget", "set", "9"), exit.OK, "budget: 4 → 9",
		"warning: no scaler has taken it up within 5s; is one running? It will as soon as one leads")
	want(siren("tunings"), exit.OK, "not yet", "")
	want(siren("budget", "set", "8", "--dry-run"), exit.Failed, "budget: 9 → 8",
		"no scaler has said within 6s what it would lead to")
	want(siren("explain", "lane", "bulk"), exit.NotFound, "", "no scaler has reported yet")
	want(siren("decisions", "--pool", "batch"), exit.OK, "", "no plans")
	want(siren("decisions", "--pool", "bat"), exit.NotFound, "", `no pool "bat"`)

	// The scaler has put it into force, but not everybody follows.
	_, err := o.Roster.Beat(t.Context(), fleet.Heartbeat{Worker: "general-1", Pool: "general", Revision: 1})
	must(t, err)
	now, _, err := o.Tunings.Now(t.Context())
	must(t, err)
	p, err := runcmd.LocalPolicy(t.TempDir())
	must(t, err)
	_, err = o.Board.PublishPolicy(t.Context(), lanes.Effective{Policy: *p, File: p, Tunings: now.All})
	must(t, err)
	out.Reset()
	o.Err = io.MultiWriter(said)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	said.Reset()
	tunecmd.AwaitFollowed(ctx, o, tune.Change{Set: now.All})
	want(exit.OK, exit.OK, "", "warning: the scaler has put it into force; 0 of 1 worker follow it so far")
}
