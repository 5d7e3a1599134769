package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

func TestOnce(t *testing.T) {
	s, raw := redistest.Fresh(t)
	ctx, once := t.Context(), redis.NewOnce(s)
	begin := func(step, print, answer string, want error) redis.Attempt {
		t.Helper()
		a, got, err := once.Begin(ctx, "key", print)
		if string(got) != answer || !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %q, %v; want %q, %v", step, got, err, answer, want)
		}
		return a
	}
	a := begin("fresh", "a", "", nil)
	begin("the same, in use", "a", "", redis.ErrKeyInUse)
	begin("another, in use", "b", "", redis.ErrOtherRequest)
	if _, got, err := once.Begin(ctx, "another key", "b"); got != nil || err != nil {
		t.Errorf("another key: %q, %v", got, err)
	}

	redistest.Must(t, once.End(ctx, a, nil))
	slow := begin("given up", "b", "", nil)

	redistest.Must(t, raw.PExpire(ctx, "siren:once:key", time.Millisecond).Err())
	redistest.Eventually(t, "the lease is over", func() bool { return raw.Exists(ctx, "siren:once:key").Val() == 0 })
	a = begin("the lease is over", "a", "", nil)
	for _, late := range [][]byte{nil, []byte(`{"id":2}`)} { // of one that took longer than its lease
		redistest.Must(t, once.End(ctx, slow, late))
		begin("another one ended late", "a", "", redis.ErrKeyInUse)
	}
	if ttl := raw.PTTL(ctx, "siren:once:key").Val(); ttl <= 0 || ttl > 15*time.Second {
		t.Errorf("a request has the key for %s", ttl)
	}

	redistest.Must(t, once.End(ctx, a, []byte(`{"id":1}`)))
	begin("answered", "a", `{"id":1}`, nil)
	begin("answered, and the same again", "a", `{"id":1}`, nil)
	begin("another, answered", "b", "", redis.ErrOtherRequest)
	if ttl := raw.PTTL(ctx, "siren:once:key").Val(); ttl <= 23*time.Hour || ttl > 24*time.Hour {
		t.Errorf("the answer is kept for %s", ttl)
	}
	if err := once.End(ctx, a, []byte("no JSON")); err == nil {
		t.Error("an answer that is no JSON is kept")
	}
}

func TestOnceWhenRedisIsAway(t *testing.T) {
	server, s := redistest.StartStore(t)
	once := redis.NewOnce(s)
	redistest.Must(t, server.Kill())
	if _, _, err := once.Begin(t.Context(), "key", "a"); !errors.Is(err, lanes.ErrAway) {
		t.Errorf("begin: %v, not away", err)
	}
	for _, answer := range [][]byte{nil, []byte("{}")} {
		if err := once.End(t.Context(), redis.Attempt{}, answer); !errors.Is(err, lanes.ErrAway) {
			t.Errorf("end with %q: %v, not away", answer, err)
		}
	}
}
