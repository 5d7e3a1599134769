package mark

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api takes writes as an API server does: after a while, or not at all.
type api struct {
	mu    sync.Mutex
	began time.Time
	takes time.Duration
	fails error
	hangs bool
	said  []string // "1.5s off", at which time the write had ended
}

func (a *api) write(ctx context.Context, busy bool) error {
	a.mu.Lock()
	takes, fails, hangs := a.takes, a.fails, a.hangs
	a.mu.Unlock()
	if hangs {
		<-ctx.Done()
		fails = ctx.Err()
	}
	time.Sleep(takes)
	a.mu.Lock()
	defer a.mu.Unlock()
	what := map[bool]string{true: "on", false: "off"}[busy]
	if fails != nil {
		what = "failed"
	}
	a.said = append(a.said, fmt.Sprint(time.Since(a.began).Round(time.Millisecond), " ", what))
	return fails
}

func (a *api) be(fails error, hangs bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails, a.hangs = fails, hangs
}

func (a *api) writes() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.said)
}

// rig runs a test with a Mark, in time of its own.
func rig(t *testing.T, test func(t *testing.T, m *Mark, a *api, log *strings.Builder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, log := &api{began: time.Now(), takes: 10 * time.Millisecond}, &strings.Builder{}
		m := New(a.write, nil, slog.New(slog.NewTextHandler(log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { m.Run(ctx) })
		test(t, m, a, log)
		cancel()
		running.Wait()
	})
}

func expect(t *testing.T, a *api, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := a.writes(); !slices.Equal(got, want) {
		t.Errorf("written:\n got %q\nwant %q", got, want)
	}
}

// The mark is on before a job begins, and off within two seconds of its end. What a predecessor left is taken off.
func TestOnBeforeAndOffAfter(t *testing.T) {
	rig(t, func(t *testing.T, m *Mark, a *api, _ *strings.Builder) {
		time.Sleep(time.Second)
		expect(t, a, "10ms off")
		release := m.Hold(t.Context())
		expect(t, a, "10ms off", "1.01s on")
		time.Sleep(time.Minute)
		release()
		release() // once is enough
		time.Sleep(2 * time.Second)
		expect(t, a, "10ms off", "1.01s on", "1m2.52s off")
		time.Sleep(time.Hour)
		expect(t, a, "10ms off", "1.01s on", "1m2.52s off")
	})
}

// A worker marks its pod once for as many jobs as follow one another, however short they are, in however many slots.
func TestJobsThatFollowOneAnother(t *testing.T) {
	for _, slots := range []int{1, 3} {
		rig(t, func(t *testing.T, m *Mark, a *api, _ *strings.Builder) {
			var running sync.WaitGroup
			for range slots {
				running.Go(func() {
					for range 1000 {
						release := m.Hold(t.Context())
						time.Sleep(50 * time.Millisecond)
						release()
						time.Sleep(5 * time.Millisecond) // settle, take the next
					}
				})
			}
			running.Wait()
			time.Sleep(2 * time.Second)
			if got := len(a.writes()); got > 3 {
				t.Errorf("%d slots: %d writes for %d jobs of 50 ms, want on and off, and what Run begins with: %q",
					slots, got, 1000*slots, a.writes())
			}
		})
	}
}

// Jobs whose pauses are as bad as can be cost two writes in each linger, and no more.
func TestMostWrites(t *testing.T) {
	rig(t, func(t *testing.T, m *Mark, a *api, _ *strings.Builder) {
		most := 0.0
		for _, pause := range []time.Duration{
			100 * time.Millisecond, time.Second, linger, linger + 20*time.Millisecond, 2 * time.Second,
		} {
			before, began := len(a.writes()), time.Now()
			for range 100 {
				release := m.Hold(t.Context())
				time.Sleep(50 * time.Millisecond)
				release()
				time.Sleep(pause)
			}
			rate := float64(len(a.writes())-before) / time.Since(began).Seconds()
			t.Logf("jobs of 50 ms with pauses of %s: %.2f writes a second", pause, rate)
			most = max(most, rate)
		}
		if most > 2/linger.Seconds() {
			t.Errorf("%.2f writes a second", most)
		}
	})
}

// A job that comes while the mark is being taken off waits for it to be on again.
func TestTakenOffMeanwhile(t *testing.T) {
	rig(t, func(t *testing.T, m *Mark, a *api, _ *strings.Builder) {
		m.Hold(t.Context())()
		time.Sleep(linger + 5*time.Millisecond) // the write is under way
		release := m.Hold(t.Context())
		if got := a.writes(); !strings.HasSuffix(got[len(got)-1], " on") {
			t.Errorf("the job begins after %q", got)
		}
		release()
	})
}

// Without an API server jobs begin: the first one late, the next at once. Afterwards the pod says what is so.
func TestAway(t *testing.T) {
	rig(t, func(t *testing.T, m *Mark, a *api, log *strings.Builder) {
		time.Sleep(time.Second)
		a.be(nil, true)
		begins := func(within time.Duration) (release func()) {
			t.Helper()
			began := time.Now()
			release = m.Hold(t.Context())
			if took := time.Since(began); took > within {
				t.Errorf("a job waited for %s, want at most %s", took, within)
			}
			return release
		}
		first := begins(patience)
		time.Sleep(5 * time.Second)
		second := begins(0)
		first()
		time.Sleep(time.Minute)
		a.be(errors.New("connection refused"), false)
		time.Sleep(time.Minute)
		begins(0)()
		if n := len(a.writes()); n > 25 {
			t.Errorf("%d tries in two minutes", n)
		}
		a.be(nil, false)
		time.Sleep(2 * lastAgain)
		if got := a.writes(); !strings.HasSuffix(got[len(got)-1], " on") {
			t.Errorf("once it is back: %q", got)
		}
		second()
		time.Sleep(2 * time.Second)
		if got := a.writes(); !strings.HasSuffix(got[len(got)-1], " off") {
			t.Errorf("after the last job: %q", got)
		}
		synctest.Wait()
		said := log.String()
		if strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "marked again") {
			t.Errorf("log:\n%s", said)
		}
	})
}

func TestHoldEndsWithItsContext(t *testing.T) {
	rig(t, func(t *testing.T, m *Mark, a *api, _ *strings.Builder) {
		a.be(nil, true)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		m.Hold(ctx)()
		if took := time.Since(began); took != 0 {
			t.Errorf("it waited for %s", took)
		}
	})
}

func TestNothingToMark(t *testing.T) {
	var m *Mark
	m.Hold(t.Context())()
}
