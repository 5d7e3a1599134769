package redis_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestPlans(t *testing.T) {
	_, b, raw := freshRoster(t)
	start := time.Now().UTC()
	for i := range 1200 {
		redistest.Must(t, b.Record(t.Context(), fleet.Plan{
			At:   start.Add(time.Duration(i) * time.Second),
			Pool: []string{"general", "batch"}[i%2], To: i, Reason: fleet.Backlog,
		}))
	}
	redistest.Must(t, raw.XAdd(t.Context(), xadd(`{`)).Err())
	tests := []struct {
		name               string
		pool               string
		since              time.Time
		limit              int
		count, newest, end int
	}{
		{"all", "", time.Time{}, 5000, 1200, 1199, 0},
		{"of a pool", "batch", time.Time{}, 5000, 600, 1199, 1},
		{"since", "general", start.Add(1000 * time.Second), 5000, 100, 1198, 1000},
		{"limited", "", time.Time{}, 7, 7, 1199, 1193},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plans, err := b.Plans(t.Context(), tt.pool, tt.since, tt.limit)
			if err != nil || len(plans) != tt.count {
				t.Fatalf("%d plans, %v; want %d", len(plans), err, tt.count)
			}
			if plans[0].To != tt.newest || plans[len(plans)-1].To != tt.end {
				t.Errorf("from %d to %d, want from %d to %d", plans[0].To, plans[len(plans)-1].To, tt.newest, tt.end)
			}
		})
	}
}

func xadd(plan string) *goredis.XAddArgs {
	return &goredis.XAddArgs{Stream: "siren:plans", Values: []any{"plan", plan}}
}

func TestPlansAreCapped(t *testing.T) {
	_, b, raw := freshRoster(t)
	pipe := raw.Pipeline()
	for i := range 12_000 {
		pipe.XAdd(t.Context(), xadd(fmt.Sprintf(`{"to":%d}`, i)))
	}
	_, err := pipe.Exec(t.Context())
	redistest.Must(t, err)
	redistest.Must(t, b.Record(t.Context(), fleet.Plan{To: 12_000}))
	if n := raw.XLen(t.Context(), "siren:plans").Val(); n < 10_000 || n > 10_200 {
		t.Errorf("%d plans kept, want about 10000", n)
	}
}

// followed is what FollowPlans yields: a plan's To, or an error.
type followed struct {
	to  int
	err error
}

// following runs FollowPlans in the background, from before it returns, and hands over what it yields.
func following(ctx context.Context, t *testing.T, b *redis.Board, pool string) <-chan followed {
	t.Helper()
	seen := make(chan followed, 1000)
	var work sync.WaitGroup
	work.Go(func() {
		defer close(seen)
		for p, err := range b.FollowPlans(ctx, pool) {
			seen <- followed{p.To, err}
		}
	})
	t.Cleanup(work.Wait)
	for to := 1000; ; to++ { // it has begun once it sees one
		redistest.Must(t, b.Record(t.Context(), fleet.Plan{Pool: pool, To: to}))
		select {
		case <-seen:
			for len(seen) > 0 {
				<-seen
			}
			return seen
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// nextPlan returns what FollowPlans yields next, but for the plans that following recorded.
func nextPlan(t *testing.T, seen <-chan followed) followed {
	t.Helper()
	for {
		select {
		case f := <-seen:
			if f.err != nil || f.to < 1000 {
				return f
			}
		case <-time.After(time.Minute):
			t.Fatal("no plan")
		}
	}
}

func TestFollowPlans(t *testing.T) {
	_, b, raw := freshRoster(t)
	redistest.Must(t, b.Record(t.Context(), fleet.Plan{Pool: "general", To: 1})) // before
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := following(ctx, t, b, "general")
	redistest.Must(t, raw.XAdd(t.Context(), xadd(`{`)).Err())
	for to := 2; to < 5; to++ {
		redistest.Must(t, b.Record(t.Context(), fleet.Plan{Pool: "general", To: to}))
		redistest.Must(t, b.Record(t.Context(), fleet.Plan{Pool: "batch", To: 100 + to}))
	}
	for to := 2; to < 5; to++ {
		if f := nextPlan(t, seen); f.err != nil || f.to != to {
			t.Errorf("saw %+v, want a plan to %d", f, to)
		}
	}
	cancel()
	if f := nextPlan(t, seen); !errors.Is(f.err, context.Canceled) {
		t.Errorf("saw %+v, want context.Canceled", f)
	}
	if _, more := <-seen; more {
		t.Error("it goes on after its context has ended")
	}
	for range b.FollowPlans(ctx, "") {
		break // the loop may be left
	}
}

// Redis goes, comes back without its data, and new plans are seen.
func TestFollowPlansOutlivesAnAbsence(t *testing.T) {
	server, err := servers.StartRedis(t.Context(), servers.Options{})
	redistest.Must(t, err)
	t.Cleanup(func() { redistest.Must(t, server.Stop(context.Background())) })
	b := redis.NewBoard(redistest.Open(t, server.URL), redistest.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := following(ctx, t, b, "general")
	redistest.Must(t, server.Kill())
	if f := nextPlan(t, seen); !errors.Is(f.err, lanes.ErrAway) {
		t.Errorf("saw %+v, want ErrAway", f)
	}
	redistest.Must(t, server.Restart(t.Context()))
	redistest.Must(t, b.Record(t.Context(), fleet.Plan{Pool: "general", To: 7}))
	f := nextPlan(t, seen)
	for errors.Is(f.err, lanes.ErrAway) { // each attempt
		f = nextPlan(t, seen)
	}
	if f.err != nil || f.to != 7 {
		t.Errorf("saw %+v, want a plan to 7", f)
	}
}
