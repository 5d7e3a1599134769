package redis_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestPolicyRevision(t *testing.T) {
	_, b, raw := freshRoster(t)
	if _, err := b.Policy(t.Context()); !errors.Is(err, redislink.ErrNotFound) {
		t.Errorf("no policy: %v, want ErrNotFound", err)
	}
	e := lanes.Effective{Policy: *redistest.Policy()}
	publish := func(step string, want int64) {
		t.Helper()
		got, err := b.PublishPolicy(t.Context(), e)
		if err != nil || got != want {
			t.Errorf("%s: revision %d, %v; want %d", step, got, err, want)
		}
		e.Revision = got
	}
	publish("first", 1)
	publish("the same", 1)
	e.Turns = map[string]string{"bulk": "standard"}
	publish("another", 2)
	got, err := b.Policy(t.Context())
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("policy\n%+v, %v; want\n%+v", got, err, e)
	}
	e.Revision = 0 // another publisher, which doesn't know
	publish("the same by another", 2)
	e.Revision = 41
	redistest.Must(t, raw.FlushDB(t.Context()).Err())
	publish("after a loss", 42)
}

func TestKnownQueues(t *testing.T) {
	_, b, _ := freshRoster(t)
	bulk, old := lanes.Queue{Lane: "bulk", Type: lanes.Quorum}, lanes.Queue{Lane: "bulk", Type: lanes.Classic}
	for _, step := range []struct{ now, want []lanes.Queue }{
		{nil, []lanes.Queue{}},
		{[]lanes.Queue{bulk}, []lanes.Queue{bulk}},
		{[]lanes.Queue{old}, []lanes.Queue{old, bulk}},
	} {
		if got, err := b.KnownQueues(t.Context(), step.now...); err != nil || !slices.Equal(got, step.want) {
			t.Errorf("after %v: %v, %v; want %v", step.now, got, err, step.want)
		}
	}
}

func TestSnapshot(t *testing.T) {
	_, b, _ := freshRoster(t)
	if _, err := b.Snapshot(t.Context()); !errors.Is(err, redislink.ErrNotFound) {
		t.Errorf("no snapshot: %v, want ErrNotFound", err)
	}
	want := fleet.Snapshot{
		At: time.Now().UTC(), Leader: "scaler-1", Budget: 4,
		Lanes: []fleet.LaneStatus{{Name: "express", OldestWait: lanes.Duration(time.Second)}},
		Pools: []fleet.PoolStatus{{Name: "general", Lanes: []string{"express"}}},
	}
	redistest.Must(t, b.PutSnapshot(t.Context(), want))
	if got, err := b.Snapshot(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("snapshot %+v, %v", got, err)
	}
}

func TestSight(t *testing.T) {
	_, b, raw := freshRoster(t)
	if _, err := b.Sight(t.Context()); !errors.Is(err, redislink.ErrNotFound) {
		t.Errorf("no sight: %v, want ErrNotFound", err)
	}
	want := []byte("\x1f\x8b any bytes")
	redistest.Must(t, b.PutSight(t.Context(), want))
	if got, err := b.Sight(t.Context()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("sight %q, %v", got, err)
	}
	if ttl := raw.PTTL(t.Context(), "siren:sight").Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("it is kept for %s, want a minute: nobody is to decide on the sight of a scaler that is gone", ttl)
	}
}

func TestLead(t *testing.T) {
	_, b, raw := freshRoster(t)
	const term = time.Minute
	lead := func(step, candidate string, want bool) {
		t.Helper()
		if got, err := b.Lead(t.Context(), candidate, term); err != nil || got != want {
			t.Errorf("%s: %s leads %v, %v; want %v", step, candidate, got, err, want)
		}
	}
	// left sets what is left of the term.
	left := func(d time.Duration) { redistest.Must(t, raw.PExpire(t.Context(), "siren:leader", d).Err()) }
	lead("first come", "a", true)
	lead("too late", "b", false)
	left(term / 2)
	lead("prolonged", "a", true)
	if rest := raw.PTTL(t.Context(), "siren:leader").Val(); rest <= term/2 {
		t.Errorf("%s are left of a prolonged term of %s", rest, term)
	}
	left(time.Millisecond)
	time.Sleep(10 * time.Millisecond)
	lead("run out", "b", true)
	redistest.Must(t, b.Resign(t.Context(), "a")) // it isn't a's to give
	lead("b's lead", "a", false)
	redistest.Must(t, b.Resign(t.Context(), "b"))
	lead("vacant", "a", true)
}

func TestAwayIsSaid(t *testing.T) {
	s := redistest.Open(t, "redis://:secret@127.0.0.1:1")
	b := redis.NewBoard(s, redistest.Discard)
	r := redis.NewRoster(s, redistest.Discard)
	l := jobledger.New(s, redistest.Discard)
	tunings := redis.NewTunings(s, redistest.Discard)
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"ping":     func() error { return s.Ping(ctx) },
		"beat":     func() error { _, err := r.Beat(ctx, fleet.Heartbeat{Worker: "a"}); return err },
		"workers":  func() error { _, _, err := r.Workers(ctx); return err },
		"park":     func() error { return r.Park(ctx, []string{"a"}, time.Second) },
		"policy":   func() error { _, err := b.Policy(ctx); return err },
		"publish":  func() error { _, err := b.PublishPolicy(ctx, lanes.Effective{}); return err },
		"snapshot": func() error { _, err := b.Snapshot(ctx); return err },
		"plans":    func() error { _, err := b.Plans(ctx, "", time.Time{}, 1); return err },
		"show":     func() error { return b.PutSight(ctx, nil) },
		"foresee":  func() error { _, err := b.Sight(ctx); return err },
		"tunings":  func() error { _, _, err := tunings.Now(ctx); return err },
		"tune":     func() error { _, err := tunings.Change(ctx, 0, nil, nil, nil); return err },
		"restore":  func() error { _, err := tunings.Restore(ctx, lanes.Tunings{Revision: 1}); return err },
		"note":     func() error { return tunings.Note(ctx, audit.Entry{}) },
		"audit":    func() error { _, err := tunings.Audit(ctx, time.Time{}, 1); return err },
		"cancel":   func() error { _, err := l.Cancel(ctx, "id"); return err },
		"carry":    func() error { _, err := l.Supersede(ctx, jobledger.Supersede{ID: "id"}); return err },
		"keep log": func() error { return l.KeepLog(ctx, "id", "text") },
		"log":      func() error { _, err := l.Log(ctx, "id"); return err },
		"ahead":    func() error { _, err := l.Ahead(ctx, "a", time.Now()); return err },
		"waiting":  func() error { _, err := l.Waiting(ctx, map[string]time.Time{"bulk": {}}); return err },
		"compare":  func() error { _, err := l.Compare(ctx, "bulk", time.Time{}, nil); return err },
		"missing":  func() error { _, _, err := l.CountMissing(ctx); return err },
		"enlist":   func() error { _, err := l.Enlist(ctx); return err },
		"gone":     func() error { return l.Gone(ctx, "bulk", []work.Delivery{{}}) },
		"lead":     func() error { _, err := b.Lead(ctx, "a", time.Second); return err },
	} {
		start := time.Now()
		if err := call(); !errors.Is(err, lanes.ErrAway) || time.Since(start) > 10*time.Second {
			t.Errorf("%s: %v after %s, want ErrAway at once", name, err, time.Since(start))
		}
	}
}
