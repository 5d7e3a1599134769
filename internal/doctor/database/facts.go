package database

import (
	"context"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// measureDelay measures how long Redis takes to answer, as the median of five times; the first, with which the
// connection is made, doesn't count.
func measureDelay(ctx context.Context, s *redislink.Store) (time.Duration, error) {
	var took [5]time.Duration
	for i := range took {
		began := time.Now()
		if err := s.Client().Ping(ctx).Err(); err != nil {
			return 0, redislink.Failed("connect to Redis", err)
		}
		took[i] = time.Since(began)
	}
	return max(min(took[1], took[2]), min(max(took[1], took[2]), took[3])), nil // of the middle three
}

// clockOffset measures by how much this machine's clock is ahead of that of Redis, give or take the doubt.
func clockOffset(ctx context.Context, s *redislink.Store) (ahead, doubt time.Duration, err error) {
	const tries = 5
	best := time.Hour
	for range tries { // the quickest answer is the most exact
		began := time.Now()
		there, err := s.Client().Time(ctx).Result()
		took := time.Since(began)
		if err != nil {
			return 0, 0, redislink.Failed("ask for the time", err)
		}
		if took < best {
			best, ahead = took, began.Add(took/2).Sub(there)
		}
	}
	return ahead, best / 2, nil
}

// askInfo asks what Redis says of itself: INFO by field, and "save" of CONFIG GET where that may be asked, which
// managed ones often forbid.
func askInfo(ctx context.Context, s *redislink.Store) (map[string]string, error) {
	text, err := s.Client().Info(ctx).Result()
	if err != nil {
		return nil, redislink.Failed("ask INFO", err)
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(key, "#") {
			info[key] = value
		}
	}
	if c, err := s.Client().ConfigGet(ctx, "save").Result(); err == nil {
		info["save"] = c["save"]
	}
	return info, nil
}
