package redis_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/effort"
)

// The script learns as effort.Model does, whatever stands in the book, and the book expires.
func TestEfforts(t *testing.T) {
	s, raw := redistest.Fresh(t)
	e, ctx := redis.NewEfforts(s), t.Context()
	if b, err := e.Book(ctx); err != nil || len(b) != 0 {
		t.Errorf("nothing learnt: %v, %v", b, err)
	}
	var want effort.Model
	for i := range 50 {
		sample := effort.Sample{
			Class: "transcode h264 medium", Units: float64(i % 7), Computed: time.Duration(i+1) * time.Second,
			Ran: time.Duration(3*i+2) * time.Second,
		}
		want = want.Learn(sample)
		got, err := e.Learn(ctx, sample)
		redistest.Must(t, err)
		off := (got.Computing(3) - want.Computing(3)).Abs()
		if off > time.Millisecond || math.Abs(got.Cores-want.Cores) > 1e-6 {
			t.Fatalf("job %d: %v, want %v", i, got, want)
		}
	}
	redistest.Must(t, raw.HSet(ctx, keyspace.Effort, "spoiled", "1 x", "transcode fast", "").Err())
	for _, class := range []string{"spoiled", "transcode fast"} {
		m, err := e.Learn(ctx, effort.Sample{Class: class, Units: 1, Computed: time.Second, Ran: time.Second})
		if err != nil || m.Computing(1).Round(time.Millisecond) > 3*time.Second || m.Jobs < 1 {
			t.Errorf("%s: %v, %v", class, m, err)
		}
	}
	b, err := e.Book(ctx)
	if err != nil || len(b) != 3 || fmt.Sprintf("%.6g", b["transcode h264 medium"].Jobs) != fmt.Sprintf("%.6g",
		want.Jobs) {
		t.Errorf("%v, %v", b, err)
	}
	if ttl := raw.PTTL(ctx, keyspace.Effort).Val(); ttl < 24*time.Hour {
		t.Errorf("the book is kept for %s", ttl)
	}
}
