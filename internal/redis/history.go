package redis

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// ring is a part of the history: a list, the latest point first, cut to its length.
type ring struct {
	name string
	step time.Duration
	keep time.Duration
}

func (r ring) length() int64 { return int64(r.keep / r.step) }

var (
	fine   = ring{"10s", 10 * time.Second, 30 * time.Minute}
	coarse = ring{"1m", time.Minute, 6 * time.Hour}
)

// HistoryKeep is how far back the history goes.
const HistoryKeep = 6 * time.Hour

// noteWithin is how long a tick waits for the history.
const noteWithin = time.Second

// History is how lanes and pools fared: points ten seconds apart for half an hour, and a minute apart for six hours. It
// is safe for concurrent use.
type History struct {
	store *redislink.Store

	mu     sync.Mutex
	last   time.Time     // step of the latest point that this one has written; zero: others may have written since
	minute []fleet.Point // points of the minute of the latest, the oldest first
}

// NewHistory makes one.
func NewHistory(s *redislink.Store) *History { return &History{store: s} }

// Note writes the first snapshot of every ten seconds, and once a minute what Merge makes of the minute that is over;
// any other does nothing. What a leader before this one wrote of a minute counts. After an error the next snapshot is
// tried.
func (h *History) Note(ctx context.Context, s fleet.Snapshot) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := s.At.Truncate(fine.step)
	if at.Equal(h.last) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, noteWithin)
	defer cancel()
	if !at.Equal(h.last.Add(fine.step)) {
		if err := h.goOn(ctx, at); err != nil {
			return redislink.Failed("read the history", err)
		}
		if at.Equal(h.last) {
			return nil
		}
	}
	p := s.Point()
	p.At = at
	err := h.write(ctx, p)
	if err != nil {
		h.last = time.Time{} // nobody knows what was written
	}
	return redislink.Failed("write the history", err)
}

// goOn reads what has been written of the latest minute until at, by whomever.
func (h *History) goOn(ctx context.Context, at time.Time) error {
	latest := ring{fine.name, fine.step, coarse.step}
	points, err := h.read(ctx, latest, Of{}, time.Time{}, at)
	if err != nil {
		return err
	}
	h.last, h.minute = time.Time{}, nil
	if n := len(points); n > 0 {
		h.last = points[n-1].At
		h.minute = slices.DeleteFunc(points, func(p fleet.Point) bool { return !sameMinute(p.At, h.last) })
	}
	return nil
}

func sameMinute(x, y time.Time) bool { return x.Truncate(coarse.step).Equal(y.Truncate(coarse.step)) }

// write adds a point, and the minute before when it is the first of the next.
func (h *History) write(ctx context.Context, p fleet.Point) error {
	pipe, minute := h.store.Client().Pipeline(), h.minute
	push := func(r ring, p fleet.Point) error {
		text, err := packPoint(p)
		if err == nil {
			key := keyspace.History(r.name)
			pipe.LPush(ctx, key, text)
			pipe.LTrim(ctx, key, 0, r.length()-1)
			pipe.PExpire(ctx, key, r.keep)
		}
		return err
	}
	if len(minute) > 0 && !sameMinute(minute[0].At, p.At) {
		m := fleet.Merge(minute)
		m.At = m.At.Truncate(coarse.step)
		if err := push(coarse, m); err != nil {
			return err
		}
		minute = nil
	}
	if err := push(fine, p); err != nil {
		return err
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	h.last, h.minute = p.At, append(minute, p)
	return nil
}

// Since returns the points from since until now, the oldest first, and how far they are apart: ten seconds when half an
// hour has them all, else a minute.
func (h *History) Since(
	ctx context.Context, of Of, since, now time.Time,
) (points []fleet.Point, step time.Duration, err error) {
	r := fine
	if now.Sub(since) > fine.keep {
		r = coarse
	}
	points, err = h.read(ctx, r, of, since, now)
	return points, r.step, redislink.Failed("read the history", err)
}

// read returns the points of a ring from since until the end, the oldest first. A point is there once, though it may
// have been written twice: by two leaders for a moment.
func (h *History) read(ctx context.Context, r ring, of Of, since, until time.Time) ([]fleet.Point, error) {
	texts, err := h.store.Client().LRange(ctx, keyspace.History(r.name), 0, r.length()-1).Result()
	points := []fleet.Point{}
	for _, text := range texts {
		p, err := unpackPoint(text, of)
		if err != nil {
			continue // one that a later version wrote is as one that isn't there
		}
		if !p.At.Before(since) && !p.At.After(until) {
			points = append(points, p)
		}
	}
	slices.SortStableFunc(points, func(x, y fleet.Point) int { return x.At.Compare(y.At) })
	return slices.CompactFunc(points, func(x, y fleet.Point) bool { return x.At.Equal(y.At) }), err
}
