package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

func TestAhead(t *testing.T) {
	l, raw := freshLedger(t)
	first := fill(t, l, 1500) // of each lane 500, four jobs a second
	claim(t, l, delivery("job-000", "express"), "w", lanes.Granted)
	_, err := l.Supersede(t.Context(), redis.Supersede{
		ID: "job-001", Lane: "express", ReadyAt: first.Add(time.Minute), Replay: 1, From: []lanes.State{lanes.Queued},
	})
	must(t, err)
	must(t, raw.Del(t.Context(), "siren:job:job-003").Err())
	for id, want := range map[string]int{
		"job-004":  0,  // standard; 1 was moved away
		"job-013":  3,  // 4, 7 and 10
		"job-012":  2,  // express: 6 and 9; 0 runs, 3 is gone
		"job-001":  78, // moved to express: 6 to 237
		"job-1499": 499,
		"nobody":   0,
	} {
		if n, exact, err := l.Ahead(t.Context(), id); err != nil || n != want || !exact {
			t.Errorf("%s: %d ahead, exact %v, %v; want %d", id, n, exact, err, want)
		}
	}
}

// TestAheadOfManyAtOnce is a batch whose jobs were all enqueued in the same millisecond.
func TestAheadOfManyAtOnce(t *testing.T) {
	l, _ := freshLedger(t)
	var batch []lanes.Delivery
	now := time.Now()
	for i := range 1700 {
		d := delivery(fmt.Sprint(i), "bulk")
		d.EnqueuedAt, d.ReadyAt = now, now
		batch = append(batch, d)
	}
	_, err := l.CreateAll(t.Context(), batch)
	must(t, err)
	for _, nth := range []int{0, 3, 499, 500, 1699} {
		if n, exact, err := l.Ahead(t.Context(), fmt.Sprint(nth)); err != nil || n != nth || !exact {
			t.Errorf("%d: %d ahead, exact %v, %v", nth, n, exact, err)
		}
	}
}

func TestAheadLooksSoFar(t *testing.T) {
	l, raw := freshLedger(t)
	must(t, raw.Eval(t.Context(), `for i = 1, 200001 do redis.call('ZADD', KEYS[1], i, i) end return 1`, []string{"siren:jobs"}).Err())
	_, err := l.CreateAll(t.Context(), []lanes.Delivery{{Job: lanes.Job{ID: "last", Kind: "probe"}, Lane: "bulk", ReadyAt: time.Now()}})
	must(t, err)
	if n, exact, err := l.Ahead(t.Context(), "last"); err != nil || n != 0 || exact {
		t.Errorf("%d ahead, exact %v, %v; want 0, not exact", n, exact, err)
	}
}
