package scaler

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// compared is a Compare as a test sees it.
type compared struct {
	lane   string
	at     time.Time
	before time.Time
	held   []string
}

// comparing returns a loop beside a ledger that says what w has of each lane, and finds n jobs missing.
func comparing(l *loopTest, w map[string]fleet.Waiting, n int) (calls *[]compared) {
	calls = new([]compared)
	l.o.Waiting = func(_ context.Context, since map[string]time.Time) (map[string]fleet.Waiting, error) {
		if got := slices.Sorted(maps.Keys(since)); !slices.Equal(got, []string{"bulk", "standard"}) {
			panic(got)
		}
		return w, nil
	}
	l.o.Compare = func(_ context.Context, lane string, before time.Time, held map[string]bool) (int, error) {
		*calls = append(*calls, compared{lane, time.Now(), before, slices.Sorted(maps.Keys(held))})
		return n, nil
	}
	return calls
}

// Records without messages are looked for in one lane at a time, and are missing once the queue was empty for certain.
func TestLoopComparesRecordsWithTheBroker(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		calls := comparing(l, map[string]fleet.Waiting{"bulk": {Queued: 246}, "standard": {Queued: 1}}, 0)
		l.workers[0].Running = []fleet.Run{{Job: "held", Lane: "standard"}}
		began := time.Now()
		l.seconds(70)
		for i, c := range (*calls)[:2] {
			if want := []string{"bulk", "standard"}[i]; c.lane != want || !c.before.IsZero() ||
				!slices.Equal(c.held, []string{"held"}) {
				t.Errorf("comparison %d: %+v, want lane %s, and nothing certain yet", i, c, want)
			}
		}
		if n := len(*calls); n < 12 || n > 14 { // both lanes, each ten seconds
			t.Errorf("compared %d times", n)
		}
		last := (*calls)[len(*calls)-1]
		if want := began.Add(-5 * time.Minute); last.before.Sub(want).Abs() > 2*time.Second {
			t.Errorf("jobs are missing that were queued before %s, want %s", last.before, want)
		}
	})
}

func TestLoopComparesNothing(t *testing.T) {
	for name, prepare := range map[string]func(*loopTest) map[string]fleet.Waiting{
		"as many are recorded as wait": func(l *loopTest) map[string]fleet.Waiting {
			l.depths["bulk"] = fleet.Depth{Ready: 5}
			return map[string]fleet.Waiting{"bulk": {Queued: 5}}
		},
		"jobs of plain AMQP wait": func(l *loopTest) map[string]fleet.Waiting {
			l.depths["bulk"] = fleet.Depth{Ready: 5}
			return map[string]fleet.Waiting{"bulk": {Queued: 2}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loopTest) {
				calls := comparing(l, prepare(l), 0)
				l.seconds(30)
				if len(*calls) > 0 {
					t.Errorf("%+v", *calls)
				}
			})
		})
	}
}

// Where much is found the next look comes at once.
func TestLoopGoesOnWhileJobsAreMissing(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		calls := comparing(l, map[string]fleet.Waiting{"bulk": {Queued: 246}}, 1000)
		l.seconds(10)
		if n := len(*calls); n != 10 {
			t.Errorf("compared %d times", n)
		}
	})
}

// A worker that is there and can't be heard may have a job's message.
func TestHidden(t *testing.T) {
	now := time.Now()
	p := &lanes.Policy{Timing: lanes.Timing{Heartbeat: lanes.Duration(time.Second)}}
	member := func(name string, leaving bool) map[string]fleet.PoolState {
		return map[string]fleet.PoolState{"general": {Members: []fleet.Member{{Name: name, Leaving: leaving}}}}
	}
	for _, c := range []struct {
		name    string
		workers []fleet.Heartbeat
		pools   map[string]fleet.PoolState
		want    bool
	}{
		{"heard", []fleet.Heartbeat{{Worker: "a", At: now}}, member("a", false), false},
		{"silent", []fleet.Heartbeat{{Worker: "a", At: now.Add(-time.Minute)}}, member("a", false), true},
		{
			"silent, since it was killed",
			[]fleet.Heartbeat{{Worker: "a", At: now.Add(-time.Minute)}},
			member("b", false),
			false,
		},
		{
			"silent, since it is being removed",
			[]fleet.Heartbeat{{Worker: "a", At: now.Add(-time.Minute)}},
			member("a", true),
			false,
		},
	} {
		if got := hidden(p, facts.Observation{At: now, Workers: c.workers, Pools: c.pools}); got != c.want {
			t.Errorf("%s: hidden %v", c.name, got)
		}
	}
}

// A leader that begins asks what the one before it saw, once.
func TestLoopGoesOnFromTheLastLeader(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loopTest) {
		asked := 0
		l.depths["bulk"] = fleet.Depth{Ready: 5}
		l.o.Last = func(context.Context) (fleet.Snapshot, error) {
			asked++
			return fleet.Snapshot{
				At:    time.Now().Add(-time.Second),
				Lanes: []fleet.LaneStatus{{Name: "bulk", Ready: 5, OldestWait: lanes.Duration(28 * time.Minute)}},
			}, nil
		}
		l.seconds(3)
		s := l.snapshots[len(l.snapshots)-1]
		if got := s.Lanes[1].OldestWait.D(); asked != 1 || got < 28*time.Minute {
			t.Errorf("asked %d times; the oldest has waited for %s", asked, got)
		}
	})
}
