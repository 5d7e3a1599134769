package jobledger

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
)

// These indexes are sorted sets beside the records, written after each script that changes what they say. They may lag
// or miss a write when Redis goes away in between; readers therefore believe the record, and remove what they find
// wrong. Those of waiting jobs don't: the scripts themselves write them (waiting.lua).

// sweepSize is how many index entries one call of Sweep looks at.
const sweepSize = 50_000

// before is what a record said before a move; the zero value when there was none.
type before struct {
	state job.State
	lane  string
}

// change is a move as the indexes see it.
type change struct {
	id       string
	was      before
	state    job.State // new
	next     time.Time // Retrying
	enqueued time.Time // for a record that the move made
}

// reindex brings the indexes in line with changes. Most need nothing.
func (l *Ledger) reindex(ctx context.Context, changes ...change) {
	p := l.store.Client().Pipeline()
	for _, c := range changes {
		l.index(ctx, p, c)
	}
	if p.Len() == 0 {
		return
	}
	if _, err := p.Exec(ctx); err != nil {
		l.log.Warn("jobs are missing from a list, or duplicate",
			slog.String("first", changes[0].id), slog.Int("jobs", len(changes)), slog.Any("error", err))
	}
}

func (l *Ledger) index(ctx context.Context, p goredis.Pipeliner, c change) {
	if c.was.state == "" && !c.enqueued.IsZero() {
		p.ZAddNX(ctx, keyspace.Jobs, goredis.Z{Score: float64(keyspace.Millis(c.enqueued)), Member: c.id})
	}
	if c.was.state == job.Retrying && c.state != job.Retrying {
		p.ZRem(ctx, keyspace.Retrying(c.was.lane), c.id)
	}
	if c.was.state == job.Dead && c.state != job.Dead {
		p.ZRem(ctx, keyspace.Dead, c.id)
	}
	switch c.state {
	case job.Retrying:
		p.ZAdd(ctx, keyspace.Retrying(c.was.lane), goredis.Z{Score: float64(keyspace.Millis(c.next)), Member: c.id})
	case job.Dead:
		p.ZAdd(ctx, keyspace.Dead, goredis.Z{Score: float64(keyspace.Millis(l.store.Now())), Member: c.id})
	}
}

// Sweep removes index entries whose record has expired, at most some ten thousand per call, and returns how many. The
// leading scaler calls it once a minute. Only entries older than timing.keep are looked at: no younger record expires.
func (l *Ledger) Sweep(ctx context.Context) (int, error) {
	l.sweeping.Lock()
	defer l.sweeping.Unlock()
	removed := 0
	for _, key := range []string{keyspace.Dead, keyspace.Missing, keyspace.Jobs} {
		n, err := l.sweep(ctx, key)
		removed += n
		if err != nil {
			return removed, redislink.Failed("sweep "+key, err)
		}
	}
	return removed, nil
}

func (l *Ledger) sweep(ctx context.Context, key string) (removed int, err error) {
	oldest := strconv.FormatInt(l.store.Now().UnixMilli()-l.keep(), 10)
	kept := l.swept[key]
	for looked := 0; looked < sweepSize; looked += jobrecord.BatchSize {
		part := goredis.ZRangeBy{Min: "-inf", Max: oldest, Offset: kept, Count: jobrecord.BatchSize}
		ids, err := l.store.Client().ZRangeByScore(ctx, key, &part).Result()
		if err != nil {
			return removed, err
		}
		rows, err := l.Fields(ctx, ids, "state")
		if err != nil {
			return removed, err
		}
		var gone []any
		for i, id := range ids {
			if rows[i][0] == "" {
				gone = append(gone, id)
			}
		}
		l.Repair(ctx, key, gone)
		removed += len(gone)
		kept += int64(len(ids) - len(gone))
		if len(ids) < jobrecord.BatchSize {
			kept = 0
			break
		}
	}
	l.swept[key] = kept // go on behind those that live long, should they be very many
	return removed, nil
}
