package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// noon is the beginning of a minute.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// ticks has the leader note a snapshot each second from one time until another, in which as many jobs are ready as
// seconds have passed since noon.
func ticks(t *testing.T, h *redis.History, from, until time.Time) {
	t.Helper()
	for at := from; at.Before(until); at = at.Add(time.Second) {
		redistest.Must(t, h.Note(t.Context(), secondsIn(at)))
	}
}

func secondsIn(at time.Time) fleet.Snapshot {
	n := int(at.Sub(noon) / time.Second)
	return fleet.Snapshot{
		At:    at,
		Lanes: []fleet.LaneStatus{{Name: "bulk", Ready: n, OldestWait: lanes.Duration(at.Sub(noon))}},
	}
}

// history returns the points as "seconds since noon: ready jobs, oldest wait".
func history(t *testing.T, h *redis.History, since, now time.Time) (said []string, step time.Duration) {
	t.Helper()
	points, step, err := h.Since(t.Context(), redis.Of{}, since, now)
	redistest.Must(t, err)
	for _, p := range points {
		l := p.Lanes["bulk"]
		said = append(said, fmt.Sprintf("%g: %d, %s", p.At.Sub(noon).Seconds(), l.Ready, l.OldestWait))
	}
	return said, step
}

func wantHistory(t *testing.T, h *redis.History, since, now time.Time, step time.Duration, want ...string) {
	t.Helper()
	got, by := history(t, h, since, now)
	if fmt.Sprint(got) != fmt.Sprint(want) || by != step {
		t.Errorf("%q each %s, want %q each %s", got, by, want, step)
	}
}

func TestHistory(t *testing.T) {
	s, _ := redistest.Fresh(t)
	h, end := redis.NewHistory(s), noon.Add(2*time.Minute+5*time.Second)
	ticks(t, h, noon.Add(47*time.Second), end)
	wantHistory(t, h, end.Add(-40*time.Second), end, 10*time.Second,
		"90: 90, 1m30s", "100: 100, 1m40s", "110: 110, 1m50s", "120: 120, 2m")
	wantHistory(t, h, end.Add(-30*time.Minute-time.Second), end, time.Minute,
		"0: 49, 50s", // of 47 and 50
		"60: 85, 1m50s")
	wantHistory(t, h, end.Add(-time.Hour), noon.Add(40*time.Second), time.Minute, "0: 49, 50s")
}

// Both rings keep what they are to keep, and are gone when nobody writes.
func TestHistoryIsCapped(t *testing.T) {
	s, raw := redistest.Fresh(t)
	h := redis.NewHistory(s)
	end := noon.Add(6*time.Hour + 10*time.Minute)
	for at := noon; at.Before(end); at = at.Add(10 * time.Second) {
		redistest.Must(t, h.Note(t.Context(), secondsIn(at)))
	}
	for step, want := range map[string]struct {
		points int64
		keep   time.Duration
	}{"10s": {180, 30 * time.Minute}, "1m": {360, 6 * time.Hour}} {
		key := "siren:history:" + step
		if n := raw.LLen(t.Context(), key).Val(); n != want.points {
			t.Errorf("%s has %d points, want %d", key, n, want.points)
		}
		if ttl := raw.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > want.keep {
			t.Errorf("%s lives for %s, want %s", key, ttl, want.keep)
		}
	}
	if points, _ := history(t, h, end.Add(-6*time.Hour), end); len(points) != 359 { // this minute isn't over
		t.Errorf("%d points of six hours, the first %s", len(points), points[0])
	}
}

// A leader that follows another goes on where that one was, in the middle of a minute and at its end, and so does the
// first when it leads once more.
func TestHistoryOfTwoLeaders(t *testing.T) {
	s, _ := redistest.Fresh(t)
	first, second := redis.NewHistory(s), redis.NewHistory(s)
	ticks(t, first, noon, noon.Add(25*time.Second))
	ticks(t, second, noon.Add(27*time.Second), noon.Add(57*time.Second))
	ticks(t, first, noon.Add(61*time.Second), noon.Add(95*time.Second))
	ticks(t, second, noon.Add(3*time.Minute), noon.Add(3*time.Minute+time.Second))
	end := noon.Add(3*time.Minute + time.Second)
	wantHistory(t, second, noon, end, 10*time.Second, "0: 0, 0s", "10: 10, 10s", "20: 20, 20s", "30: 30, 30s",
		"40: 40, 40s", "50: 50, 50s", "60: 61, 1m1s", "70: 70, 1m10s", "80: 80, 1m20s", "90: 90, 1m30s", "180: 180, 3m")
	wantHistory(t, second, noon.Add(-time.Hour), end, time.Minute, "0: 25, 50s", "60: 76, 1m30s")
}

// A history that can't be written is written with a later snapshot, and a point isn't there twice.
func TestHistoryWhenRedisIsAway(t *testing.T) {
	server, s := redistest.StartStore(t)
	h := redis.NewHistory(s)
	ticks(t, h, noon, noon.Add(11*time.Second))
	redistest.Must(t, server.Kill())
	if err := h.Note(t.Context(), secondsIn(noon.Add(20*time.Second))); err == nil {
		t.Error("what couldn't be written was")
	}
	redistest.Must(t, server.Restart(t.Context()))
	at := noon.Add(21 * time.Second)
	redistest.Eventually(t, "it writes again", func() bool { return h.Note(t.Context(), secondsIn(at)) == nil })
	ticks(t, h, at, at.Add(3*time.Second))
	if got, _ := history(t, h, noon, at); len(got) == 0 || got[len(got)-1] != "20: 21, 21s" {
		t.Errorf("%q", got)
	}
}

// What another version wrote is left out.
func TestHistoryThatCannotBeRead(t *testing.T) {
	s, raw := redistest.Fresh(t)
	h := redis.NewHistory(s)
	ticks(t, h, noon, noon.Add(time.Second))
	redistest.Must(t, raw.LPush(t.Context(), "siren:history:10s", "what is this").Err())
	wantHistory(t, h, noon, noon.Add(time.Minute), 10*time.Second, "0: 0, 0s")
	ticks(t, redis.NewHistory(s), noon.Add(10*time.Second), noon.Add(11*time.Second))
	wantHistory(t, h, noon, noon.Add(time.Minute), 10*time.Second, "0: 0, 0s", "10: 10, 10s")
}
