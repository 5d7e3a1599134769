package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/democmd"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/role"
)

// TestScript runs testdata/script/*.txtar against a real RabbitMQ, Redis, scaler, workers and ffmpeg that all scripts
// share. -update writes what the commands print into the scripts' files that cmp compares.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scripts(t, "testdata/script", t.TempDir()))
}

// scripts returns how the scripts of a folder run, on a fleet of their own whose jobs may read and write below media.
func scripts(t *testing.T, dir, media string) testscript.Params {
	t.Helper()
	s := startFleet(t, media)
	return testscript.Params{
		Dir:           dir,
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			dir, err := os.MkdirTemp(media, "media-")
			if err != nil {
				return err
			}
			e.Setenv("MEDIA", dir)
			e.Setenv("SIREN_AMQP_URL", s.AMQPURL)
			e.Setenv("SIREN_REDIS_URL", s.RedisURL)
			e.Setenv("AMQP_HOST", hostOf(s.AMQPURL))
			e.Setenv("REDIS_HOST", hostOf(s.RedisURL))
			for _, role := range role.All() {
				e.Setenv("REDIS_OF_"+strings.ToUpper(role), s.RedisFor(role))
			}
			e.Setenv("XDG_STATE_HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir)
			e.Setenv("NO_COLOR", "1")
			e.Values[envKey{}] = e
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "await": await, "follow": followed, "publish": publish, "bury": bury, "lose": lose,
			"suspend": suspend, "resume": resume,
		},
	}
}

// code runs the scripts' command code: `code 2 siren …` wants that exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		got = exited.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%q exited with %d, not %d", args[1:], got, want)
	}
}

// startFleet runs Redis and the local fleet until the test ends; jobs may read and write below media. Each process has
// the Redis login of its role, and none is ever refused.
func startFleet(t *testing.T, media string) serve.Servers {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := serve.StartServers(ctx, serve.Servers{AMQPURL: vhost(t)}, "", io.Discard, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	t.Cleanup(func() {
		if err := redistest.Refused(s.Private[0].URL, access.User(role.Producer)); err != nil {
			t.Error(err)
		}
	})
	policy, err := runcmd.LocalPolicy(media)
	if err != nil {
		t.Fatal(err)
	}
	for i := range policy.Pools {
		policy.Pools[i].Slot.Scratch = 64 << 20 // doctor finds enough of it on any disk
	}
	policy.Presets = map[string]lanes.Preset{
		"tiny@1": {Kind: "thumbnail", Params: []byte(`{"width":64}`), Retired: true},
		"tiny@2": {Kind: "thumbnail", Params: []byte(`{"width":80,"quality":70}`), About: "of the tests"},
	}
	self, err := exec.LookPath("siren")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- serve.Local{
			Self: self, Version: app.Version(), Policy: policy,
			At:      reach.Plain(s.AMQPURL, s.RedisFor(role.Scaler)),
			Workers: reach.Plain(s.AMQPURL, s.RedisFor(role.Worker)), Dir: t.TempDir(), Drain: 5 * time.Second,
			Log: log,
		}.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the fleet: %v", err)
		}
	})
	store, err := redislink.Open(s.RedisURL, log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	board := redis.NewBoard(store, log)
	err = democmd.Poll(ctx, time.Minute, "a worker to take jobs", func() bool {
		snap, err := board.Snapshot(ctx)
		return err == nil && len(snap.Pools) > 0 && snap.Pools[0].Ready > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hostOf returns host and port of a URL.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u.Host
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// A folder's name may hold what a URL or YAML can't take as it is.
func TestLocalPolicyOfAnyFolder(t *testing.T) {
	for _, dir := range []string{"/", "/tmp", `/tmp/a"b`, "/tmp/x 5%41 #y?", "/tmp/r3 ü"} {
		p, err := runcmd.LocalPolicy(dir)
		if err != nil {
			t.Errorf("%q: %v", dir, err)
			continue
		}
		u, err := url.Parse(p.Storage[0].Prefix)
		if err != nil || u.Path != strings.TrimSuffix(dir, "/")+"/" {
			t.Errorf("%q: prefix %q", dir, p.Storage[0].Prefix)
		}
	}
}
