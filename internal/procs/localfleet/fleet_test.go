package localfleet

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/procs/procstest"
)

// newTestFleet returns a fleet with the pools general and batch whose workers all play one helper. It is stopped at the
// end.
func newTestFleet(t *testing.T, helper string, change func(*Options)) *Fleet {
	t.Helper()
	o := Options{
		Pools: []string{"general", "batch"}, Dir: t.TempDir(), Log: procstest.Log(t), Drain: 20 * time.Second,
		Command: func(_, _ string) *exec.Cmd { return procstest.Command(helper) },
	}
	if change != nil {
		change(&o)
	}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.settled, f.backoff = 300*time.Millisecond, 20*time.Millisecond
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := f.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestFleetConforms(t *testing.T) {
	t.Parallel()
	for name, check := range conformance {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, newTestFleet(t, "sleep", nil))
		})
	}
}

// alone returns the one member of the pool.
func alone(t *testing.T, f scaled) fleet.Member {
	t.Helper()
	s := look(t, f, "general")
	if len(s.Members) != 1 {
		t.Fatalf("members: %+v", s.Members)
	}
	return s.Members[0]
}

func TestWorkerThatEndsIsReplaced(t *testing.T) {
	t.Parallel()
	f := newTestFleet(t, "sleep", nil)
	scale(t, f, "general", 1)
	first := alone(t, f)
	procstest.Eventually(t, "it runs and can be killed", func() bool { return f.Kill(first.Name) == nil })
	procstest.Eventually(t, "another took its place", func() bool { return alone(t, f).Name != first.Name })
	if m := alone(t, f); m.Stuck != "" {
		t.Errorf("stuck after one accident: %s", m.Stuck)
	}
	if s := look(t, f, "general"); s.Replicas != 1 {
		t.Errorf("replicas: %d", s.Replicas)
	}
	if err := f.Kill(first.Name); err == nil {
		t.Error("killed twice")
	}
}

func TestReplicaThatKeepsCrashingIsStuck(t *testing.T) {
	t.Parallel()
	f := newTestFleet(t, "fail", nil)
	scale(t, f, "general", 1)
	procstest.Eventually(t, "stuck", func() bool { return alone(t, f).Stuck != "" })
	m := alone(t, f)
	for _, want := range []string{"exit status 3 after ", "no such policy"} {
		if !strings.Contains(m.Stuck, want) {
			t.Errorf("stuck: %q lacks %q", m.Stuck, want)
		}
	}
	procstest.Eventually(t, "it is tried again under another name", func() bool { return alone(t, f).Name != m.Name })
	// A stuck replica can be removed like any other.
	procstest.Eventually(t, "removed", func() bool {
		s := look(t, f, "general")
		return f.Scale(t.Context(), "general", s, 0, []string{s.Members[0].Name}) == nil
	})
	procstest.Eventually(t, "gone", func() bool { return len(look(t, f, "general").Members) == 0 })
}

func TestStuckEndsWhenAWorkerSettles(t *testing.T) {
	t.Parallel()
	fixed := make(chan struct{})
	f := newTestFleet(t, "", func(o *Options) {
		o.Command = func(_, _ string) *exec.Cmd {
			select {
			case <-fixed:
				return procstest.Command("sleep")
			default:
				return exec.Command("/nowhere/siren")
			}
		}
	})
	scale(t, f, "general", 1)
	procstest.Eventually(t, "stuck", func() bool { return strings.Contains(alone(t, f).Stuck, "/nowhere/siren") })
	close(fixed)
	procstest.Eventually(t, "fine", func() bool { return alone(t, f).Stuck == "" })
}

func TestRemovedWorkerIsLeavingUntilItIsGone(t *testing.T) {
	t.Parallel()
	f := newTestFleet(t, "stubborn", func(o *Options) { o.Drain = 300 * time.Millisecond })
	scale(t, f, "general", 1)
	name := awaitLog(t, f, "deaf")
	scale(t, f, "general", 0, name)
	if m := alone(t, f); !m.Leaving || m.Name != name {
		t.Errorf("member %+v", m)
	}
	// It doesn't count any more, though it still runs: a new one comes beside it.
	scale(t, f, "general", 1)
	if s := look(t, f, "general"); len(s.Members) != 2 || s.Replicas != 1 {
		t.Errorf("state %+v", s)
	}
	procstest.Eventually(t, "killed after its time", func() bool {
		return !slices.Contains(workers(look(t, f, "general")), name)
	})
}

// A fleet that yields has no worker that stays, and can be asked for some again.
func TestYield(t *testing.T) {
	t.Parallel()
	f := newTestFleet(t, "stubborn", func(o *Options) { o.Drain = 300 * time.Millisecond })
	if n := f.Yield(); n != 0 {
		t.Errorf("%d of no workers yielded", n)
	}
	scale(t, f, "general", 2)
	before := look(t, f, "general")
	if n := f.Yield(); n != 2 {
		t.Errorf("%d workers yielded, want 2", n)
	}
	if err := f.Scale(t.Context(), "general", before, 3, nil); !errors.Is(err, lanes.ErrConflict) {
		t.Errorf("what was decided before: %v", err)
	}
	if s := look(t, f, "general"); s.Replicas != 0 || slices.ContainsFunc(s.Members, func(m fleet.Member) bool {
		return !m.Leaving
	}) {
		t.Errorf("state %+v", s)
	}
	scale(t, f, "general", 1)
	procstest.Eventually(t, "those that yielded are gone", func() bool {
		return len(look(t, f, "general").Members) == 1
	})
}

// awaitLog waits until the log of the pool's only worker holds the text, and returns the worker's name.
func awaitLog(t *testing.T, f *Fleet, text string) string {
	t.Helper()
	name := alone(t, f).Name
	procstest.Eventually(t, "it logs "+text, func() bool {
		return strings.Contains(procs.Tail(f.home.Path("logs", name+".log"), 5), text)
	})
	return name
}

func TestStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		helper, says string
		drain        time.Duration
		hurry        bool
		atMost       time.Duration
	}{
		"at once": {helper: "sleep", drain: time.Minute, atMost: 30 * time.Second},
		"second SIGTERM after the drain": {
			helper: "second", says: "patient", drain: 200 * time.Millisecond,
			atMost: 2500 * time.Millisecond,
		},
		"second SIGTERM when ctx ends": {
			helper: "second", says: "patient", drain: time.Minute, hurry: true,
			atMost: 2500 * time.Millisecond,
		},
		"SIGKILL for one that is deaf to it": {
			helper: "stubborn", says: "deaf", drain: time.Minute, hurry: true,
			atMost: 30 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newTestFleet(t, c.helper, func(o *Options) { o.Drain = c.drain })
			scale(t, f, "general", 1)
			worker := alone(t, f).Name
			if c.says != "" {
				awaitLog(t, f, c.says)
			}
			var running *procs.Process
			procstest.Eventually(t, "it runs", func() bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				running = f.pools["general"].members[0].running
				return running != nil
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.hurry {
				cancel()
			}
			began := time.Now()
			if err := f.Stop(ctx); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > c.atMost {
				t.Errorf("%s took %s to stop", worker, took)
			}
			if running.PID.Alive() {
				t.Error("it still runs")
			}
			if err := f.Scale(ctx, "general", fleet.PoolState{}, 1, nil); !errors.Is(err, ErrStopped) {
				t.Errorf("scale after stop: %v", err)
			}
			if _, err := f.Pools(ctx); !errors.Is(err, ErrStopped) {
				t.Errorf("pools after stop: %v", err)
			}
		})
	}
}

func TestWorkerLogIsBounded(t *testing.T) {
	t.Parallel()
	var output lockedBuffer
	f := newTestFleet(t, "chatty", func(o *Options) { o.Output = &output })
	scale(t, f, "general", 1)
	name := alone(t, f).Name
	last := name + " | "
	procstest.Eventually(t, "it has written everything", func() bool {
		return strings.HasSuffix(output.String(), " 4\n")
	})
	if !strings.HasPrefix(output.String(), last+"x") {
		t.Error("the output doesn't begin with the worker's name")
	}
	for _, file := range []string{name + ".log", name + ".log.1"} {
		info, err := os.Stat(f.home.Path("logs", file))
		if err != nil || info.Size() == 0 || info.Size() > maxLogBytes {
			t.Errorf("%s: %v, %+v", file, err, info)
		}
	}
}

func TestOldLogsAreDropped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := openLogDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range keptLogs + 3 {
		l, err := d.create("w" + string(rune('a'+i/26)) + string(rune('a'+i%26)))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(left) != keptLogs || slices.Contains(left, filepath.Join(dir, "waa.log")) {
		t.Errorf("%d logs, %v", len(left), err)
	}
	if d, err = openLogDir(dir, nil); err != nil || len(d.ended) != keptLogs {
		t.Errorf("a later run finds %d, %v", len(d.ended), err)
	}
}

// lockedBuffer is a buffer that is read while it is written to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
