package redislink_test

import (
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
)

// A machine whose clock is wrong by an hour goes by Redis' clock, and one whose clock is right by its own.
func TestFollowClock(t *testing.T) {
	for name, off := range map[string]time.Duration{"right": 0, "ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			s, err := redislink.Open(redistest.Shared.URL, redistest.Discard, redislink.WithClock(func() time.Time {
				return time.Now().Add(off)
			}))
			redistest.Must(t, err)
			defer func() { redistest.Must(t, s.Close()) }()
			if got := time.Until(s.Now()); (got - off).Abs() > time.Minute {
				t.Errorf("unasked, the clock is off by %s, want %s", got, off)
			}
			s.FollowClock(t.Context())
			if got := time.Until(s.Now()); got.Abs() > time.Minute {
				t.Errorf("the clock is off by %s", got)
			}
		})
	}
}

func TestClockDifference(t *testing.T) {
	asked := time.UnixMilli(1_800_000_000_000)
	for _, c := range []struct{ theirs, took, want time.Duration }{
		{5 * time.Millisecond, 10 * time.Millisecond, 0},
		{9 * time.Millisecond, 10 * time.Millisecond, 0}, // the way there may have taken all of the time
		{-1 * time.Millisecond, 10 * time.Millisecond, 0},
		{time.Second + 5*time.Millisecond, 10 * time.Millisecond, time.Second},
		{-time.Hour, 0, -time.Hour},
	} {
		if got := redislink.Ahead(asked.Add(c.theirs), asked, c.took); got != c.want {
			t.Errorf("theirs %s later, told after %s: ahead by %s, want %s", c.theirs, c.took, got, c.want)
		}
	}
}
