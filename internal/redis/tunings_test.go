package redis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
)

func freshTunings(t *testing.T) (*redis.Tunings, *goredis.Client) {
	t.Helper()
	s, raw := redistest.Fresh(t)
	return redis.NewTunings(s, redistest.Discard), raw
}

func tuning(field, value string) lanes.Tuning {
	return lanes.Tuning{Field: field, Value: json.RawMessage(value), By: "ann@desk", Reason: "because"}
}

// change makes a change of the latest revision.
func change(t *testing.T, ts *redis.Tunings, set []lanes.Tuning, remove ...string) lanes.Tunings {
	t.Helper()
	was := now(t, ts)
	revision, err := ts.Change(t.Context(), was.Revision, set, remove,
		[]audit.Entry{{By: "ann@desk", Verb: "tune"}})
	redistest.Must(t, err)
	if revision != was.Revision+1 {
		t.Errorf("revision %d after %d", revision, was.Revision)
	}
	return now(t, ts)
}

func now(t *testing.T, ts *redis.Tunings) lanes.Tunings {
	t.Helper()
	all, at, err := ts.Now(t.Context())
	redistest.Must(t, err)
	if off := time.Since(at); off > time.Minute || off < -time.Minute {
		t.Errorf("Redis' clock is %s off", off)
	}
	return all
}

// wantTunings expects these tunings, in this order, made not long ago.
func wantTunings(t *testing.T, got lanes.Tunings, revision int64, want ...lanes.Tuning) {
	t.Helper()
	if got.Revision != revision || len(got.All) != len(want) {
		t.Fatalf("tunings %+v, want %d of revision %d", got, len(want), revision)
	}
	for i, w := range want {
		if made := time.Since(got.All[i].At); made < -time.Second || made > time.Minute {
			t.Errorf("made %s ago", made)
		}
		if w.At = got.All[i].At; !reflect.DeepEqual(got.All[i], w) {
			t.Errorf("tuning %d\n%+v, want\n%+v", i, got.All[i], w)
		}
	}
}

func TestTunings(t *testing.T) {
	ts, raw := freshTunings(t)
	wantTunings(t, now(t, ts), 0)

	reserve, frozen := tuning("lanes.express.reserve", "4"), tuning("pools.general.frozen", "3")
	frozen.Until = time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
	promote, budget := tuning("lanes.bulk.promote", `{"after":"20m","to":"standard"}`), tuning("budget", "null")
	reserve.At = time.Now().Add(-time.Hour) // not the caller's to say
	wantTunings(t, change(t, ts, []lanes.Tuning{reserve, frozen, promote, budget}), 1, reserve, frozen, promote, budget)

	reserve.Value = json.RawMessage("5")
	wantTunings(t, change(t, ts, []lanes.Tuning{reserve}), 2, frozen, promote, budget, reserve)
	wantTunings(t, change(t, ts, nil, "pools.general.frozen", "budget", "no.such.tuning"), 3, promote, reserve)
	wantTunings(t, change(t, ts, []lanes.Tuning{promote}, promote.Field), 4, reserve, promote)

	redistest.Must(t, raw.HSet(t.Context(), "siren:{tunings}", "tuning:a", "broken", "tuning:b", "1 1 1 {").Err())
	wantTunings(t, now(t, ts), 4, reserve, promote)
	redistest.Must(t, raw.HDel(t.Context(), "siren:{tunings}", "tuning:a", "tuning:b").Err())

	wantTunings(t, change(t, ts, nil, reserve.Field, promote.Field), 5)
	if ttl := raw.TTL(t.Context(), "siren:{tunings}").Val(); ttl != -1 {
		t.Errorf("the revision expires in %s", ttl)
	}
	entries, err := ts.Audit(t.Context(), time.Time{}, 100)
	if err != nil || len(entries) != 5 {
		t.Errorf("%d entries in the audit, %v; want one for each change", len(entries), err)
	}
}

// A pool that an older version has frozen, which called that held, stays frozen until somebody says otherwise.
func TestFormerNameOfATuning(t *testing.T) {
	ts, raw := freshTunings(t)
	frozen := tuning("pools.general.frozen", "true")
	for _, remove := range []bool{true, false} {
		redistest.Must(t, raw.HSet(t.Context(), "siren:{tunings}", "tuning:pools.general.held", fmt.Sprintf(
			`1 1 %d {"field":"pools.general.held","value":true,"by":"ann@desk","reason":"because"}`,
			time.Now().UnixMilli())).Err())
		was := now(t, ts)
		wantTunings(t, was, was.Revision, frozen)
		if remove {
			wantTunings(t, change(t, ts, nil, frozen.Field), was.Revision+1)
		} else {
			wantTunings(t, change(t, ts, []lanes.Tuning{frozen}), was.Revision+1, frozen)
		}
	}
}

func TestChangeOfAnOldRevision(t *testing.T) {
	ts, _ := freshTunings(t)
	change(t, ts, []lanes.Tuning{tuning("budget", "8")})
	for _, seen := range []int64{0, 2} {
		_, err := ts.Change(t.Context(), seen, []lanes.Tuning{tuning("budget", "9")}, []string{"budget"},
			[]audit.Entry{{Verb: "tune"}})
		if !errors.Is(err, redis.ErrChanged) {
			t.Errorf("change of revision %d: %v, want ErrChanged", seen, err)
		}
	}
	broken := tuning("budget", "{")
	if _, err := ts.Change(t.Context(), 1, []lanes.Tuning{broken}, nil, nil); err == nil {
		t.Error("tuned to what isn't JSON")
	}
	wantTunings(t, now(t, ts), 1, tuning("budget", "8"))
	if entries, err := ts.Audit(t.Context(), time.Time{}, 100); err != nil || len(entries) != 1 {
		t.Errorf("audit %+v, %v; want the one change", entries, err)
	}
}

func TestConcurrentChanges(t *testing.T) {
	ts, _ := freshTunings(t)
	var made atomic.Int64
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 20 {
				was, _, err := ts.Now(t.Context())
				if err == nil {
					_, err = ts.Change(t.Context(), was.Revision, []lanes.Tuning{tuning("budget", "8")}, nil,
						[]audit.Entry{{Verb: "tune"}})
				}
				switch {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, redis.ErrChanged):
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	entries, err := ts.Audit(t.Context(), time.Time{}, 1000)
	if got := now(t, ts).Revision; err != nil || got != made.Load() || len(entries) != int(got) {
		t.Errorf("revision %d and %d entries in the audit after %d changes, %v", got, len(entries), made.Load(), err)
	}
}

func TestRestoreOfLostTunings(t *testing.T) {
	ts, raw := freshTunings(t)
	b, a := tuning("lanes.express.reserve", "4"), tuning("budget", "8")
	change(t, ts, nil)
	known := change(t, ts, []lanes.Tuning{b, a})
	restore := func(step string, lost lanes.Tunings, want bool) {
		t.Helper()
		if done, err := ts.Restore(t.Context(), lost); err != nil || done != want {
			t.Errorf("%s: restored %v, %v; want %v", step, done, err, want)
		}
	}
	restore("nothing is lost", known, false)
	redistest.Must(t, raw.FlushDB(t.Context()).Err())
	restore("there was nothing", lanes.Tunings{}, false)
	restore("lost", known, true)
	restore("by a second one", known, false)
	back := now(t, ts)
	if back.Revision != 3 || !reflect.DeepEqual(back.All, known.All) {
		t.Errorf("back are\n%+v, lost were\n%+v", back, known)
	}
	if _, err := ts.Change(t.Context(), known.Revision, nil, []string{"budget"}, nil); !errors.Is(err,
		redis.ErrChanged) {
		t.Errorf("change of what was seen before the loss: %v, want ErrChanged", err)
	}
	change(t, ts, nil, "budget", "lanes.express.reserve")
	restore("all were removed", known, false)
	redistest.Must(t, raw.FlushDB(t.Context()).Err())
	change(t, ts, []lanes.Tuning{a})
	restore("somebody was faster", known, false)
	redistest.Must(t, raw.FlushDB(t.Context()).Err())
	restore("none, but there had been some", lanes.Tunings{Revision: 8}, true)
	wantTunings(t, now(t, ts), 9)
}

// signals counts what comes on a channel until it is closed.
func signals(t *testing.T, changed <-chan struct{}) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	var work sync.WaitGroup
	work.Go(func() {
		for range changed {
			n.Add(1)
		}
	})
	t.Cleanup(work.Wait)
	return &n
}

func TestChangedSignals(t *testing.T) {
	s, raw := redistest.Fresh(t)
	ts := redis.NewTunings(s, redistest.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := signals(t, ts.Changed(ctx))
	more := func(what string, does func()) {
		t.Helper()
		was := n.Load()
		does()
		redistest.Eventually(t, "a signal after "+what, func() bool { return n.Load() > was })
	}
	more("the beginning", func() {})
	more("a change", func() { change(t, ts, []lanes.Tuning{tuning("budget", "8")}) })
	more("a break", func() { redistest.Must(t, raw.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err()) })
	more("a change after the break", func() { change(t, ts, nil, "budget") })
	more("a loss", func() {
		redistest.Must(t, raw.FlushDB(t.Context()).Err())
		if done, err := ts.Restore(t.Context(), lanes.Tunings{Revision: 2}); err != nil || !done {
			t.Errorf("restored %v, %v", done, err)
		}
	})
}

// Who doesn't look for a while finds one value.
func TestChangedCoalesces(t *testing.T) {
	ts, _ := freshTunings(t)
	ctx, cancel := context.WithCancel(t.Context())
	changed := ts.Changed(ctx)
	<-changed
	for range 50 {
		change(t, ts, []lanes.Tuning{tuning("budget", "8")})
	}
	redistest.Eventually(t, "a signal", func() bool { return len(changed) == 1 })
	cancel()
	n := 0
	for range changed {
		n++
	}
	if n > 1 {
		t.Errorf("%d signals wait", n)
	}
}

func TestChangedEndsWithTheStore(t *testing.T) {
	s, err := redislink.Open(redistest.Shared.URL, redistest.Discard)
	redistest.Must(t, err)
	ts := redis.NewTunings(s, redistest.Discard)
	before := ts.Changed(t.Context())
	redistest.Must(t, s.Close())
	for range before {
		continue
	}
	if _, open := <-ts.Changed(t.Context()); open {
		t.Error("a signal of a closed store")
	}
}

// The answer to a call gets lost, so go-redis makes the call once more.
func TestLostAnswersToTunings(t *testing.T) {
	_, raw := redistest.Fresh(t)
	p := redistest.StartProxy(t)
	ts := redis.NewTunings(redistest.Open(t, p.URL), redistest.Discard)
	for round := range 2 { // in the first one Redis learns the scripts
		redistest.Must(t, raw.FlushDB(t.Context()).Err())
		lose := func() {
			if round > 0 {
				p.CutNextAnswer()
			}
		}
		lose()
		if revision, err := ts.Change(t.Context(), 0, []lanes.Tuning{tuning("budget", "8")}, nil,
			[]audit.Entry{{Verb: "tune"}}); err != nil || revision != 1 {
			t.Errorf("revision %d, %v", revision, err)
		}
		lose()
		redistest.Must(t, ts.Note(t.Context(), audit.Entry{Verb: "purge"}))
		entries, err := ts.Audit(t.Context(), time.Time{}, 100)
		if err != nil || len(entries) != 2 {
			t.Errorf("audit %+v, %v; want two entries", entries, err)
		}
		known := now(t, ts)
		redistest.Must(t, raw.Del(t.Context(), "siren:{tunings}").Err())
		lose()
		if back, err := ts.Restore(t.Context(), known); err != nil || !back {
			t.Errorf("restored %v, %v", back, err)
		}
	}
	if cut := p.Cuts.Load(); cut != 3 {
		t.Errorf("%d answers cut, want 3", cut)
	}
}
