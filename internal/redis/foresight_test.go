package redis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

func whatIf(value string) lanes.WhatIf {
	return lanes.WhatIf{Tunings: []lanes.Tuning{{Field: "pools.general.max", Value: json.RawMessage(value)}}}
}

// take waits for questions.
func take(t *testing.T, b *redis.Board) map[string]lanes.WhatIf {
	t.Helper()
	var taken map[string]lanes.WhatIf
	redistest.Eventually(t, "somebody asks", 10*time.Second, func() bool {
		var err error
		taken, err = b.Questions(t.Context())
		redistest.Must(t, err)
		return len(taken) > 0
	})
	return taken
}

func TestAskAndAnswer(t *testing.T) {
	_, b, raw := freshRoster(t)
	if none, err := b.Questions(t.Context()); err != nil || len(none) != 0 {
		t.Fatalf("questions of nobody: %+v, %v", none, err)
	}
	broken := goredis.Z{Member: "broken {", Score: float64(time.Now().UnixMilli())}
	redistest.Must(t, raw.ZAdd(t.Context(), "siren:questions", broken).Err())
	const askers = 15
	var work sync.WaitGroup
	defer work.Wait()
	for i := range askers {
		work.Go(func() {
			f, err := b.Ask(t.Context(), whatIf(fmt.Sprint(i)))
			if want := (lanes.Foresight{Leader: "scaler-1", After: []lanes.Plan{{To: i}}, Error: "or not"}); err != nil || !reflect.DeepEqual(f, want) {
				t.Errorf("answer %+v, %v; want %+v", f, err, want)
			}
		})
	}
	answered := map[string]bool{}
	for len(answered) < askers {
		taken := take(t, b)
		if len(taken) > 10 {
			t.Errorf("%d questions at once", len(taken))
		}
		for id, q := range taken {
			var to int
			redistest.Must(t, json.Unmarshal(q.Tunings[0].Value, &to))
			redistest.Must(t, b.Answer(t.Context(), id, lanes.Foresight{Leader: "scaler-1", After: []lanes.Plan{{To: to}}, Error: "or not"}))
			answered[id] = true
		}
	}
	for _, key := range raw.Keys(t.Context(), "siren:answer:*").Val() {
		if ttl := raw.TTL(t.Context(), key).Val(); ttl <= 0 || ttl > 30*time.Second {
			t.Errorf("%s is kept for %s", key, ttl)
		}
	}
}

// TestAskOutlivesALeader: the first leader takes the question and is gone; the next one is asked, too.
func TestAskOutlivesALeader(t *testing.T) {
	_, b, _ := freshRoster(t)
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() {
		if f, err := b.Ask(t.Context(), whatIf("1")); err != nil || f.Leader != "the next one" {
			t.Errorf("answer %+v, %v", f, err)
		}
	})
	first := take(t, b)
	again := take(t, b)
	if len(again) != 1 || !reflect.DeepEqual(again, first) {
		t.Errorf("asked %+v at first, then %+v", first, again)
	}
	for id := range again {
		redistest.Must(t, b.Answer(t.Context(), id, lanes.Foresight{Leader: "the next one"}))
	}
}

func TestAskNobody(t *testing.T) {
	_, b, raw := freshRoster(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if f, err := b.Ask(ctx, whatIf("1")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no scaler answered") {
		t.Errorf("answer %+v, %v", f, err)
	}
	if ttl := raw.TTL(t.Context(), "siren:questions").Val(); ttl <= 0 || ttl > 30*time.Second {
		t.Errorf("the question is kept for %s", ttl)
	}
	if _, err := b.Ask(t.Context(), whatIf("{")); err == nil {
		t.Error("asked what isn't JSON")
	}
}
