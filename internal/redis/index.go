package redis

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

// These indexes are sorted sets beside the records, written after each script that changes what they say. They may lag or
// miss a write when Redis goes away in between; readers therefore believe the record, and remove what they find wrong. Those of waiting
// jobs don't: the scripts themselves write them (waiting.lua).
const (
	scanSize  = 500             // records in one round trip
	sweepSize = 50_000          // index entries that one call of Sweep looks at
	headSize  = 10              // retrying jobs that one call of Retrying looks at
	lateAfter = 2 * time.Second // a job that is overdue for so long may have an entry too many
)

// before is what a record said before a move; the zero value when there was none.
type before struct {
	state lanes.State
	lane  string
}

// change is a move as the indexes see it.
type change struct {
	id       string
	was      before
	state    lanes.State // new
	next     time.Time   // Retrying
	enqueued time.Time   // for a record that the move made
}

// reindex brings the indexes in line with changes. Most need nothing.
func (l *Ledger) reindex(ctx context.Context, changes ...change) {
	p := l.store.client.Pipeline()
	for _, c := range changes {
		l.index(ctx, p, c)
	}
	if p.Len() == 0 {
		return
	}
	if _, err := p.Exec(ctx); err != nil {
		l.log.Warn("jobs are missing from a list, or in one too many", slog.String("first", changes[0].id), slog.Int("jobs", len(changes)), slog.Any("error", err))
	}
}

func (l *Ledger) index(ctx context.Context, p goredis.Pipeliner, c change) {
	if c.was.state == "" && !c.enqueued.IsZero() {
		p.ZAddNX(ctx, jobsKey, goredis.Z{Score: float64(millis(c.enqueued)), Member: c.id})
	}
	if c.was.state == lanes.Retrying && c.state != lanes.Retrying {
		p.ZRem(ctx, retryingKey(c.was.lane), c.id)
	}
	if c.was.state == lanes.Dead && c.state != lanes.Dead {
		p.ZRem(ctx, deadKey, c.id)
	}
	switch c.state {
	case lanes.Retrying:
		p.ZAdd(ctx, retryingKey(c.was.lane), goredis.Z{Score: float64(millis(c.next)), Member: c.id})
	case lanes.Dead:
		p.ZAdd(ctx, deadKey, goredis.Z{Score: float64(millis(l.store.Now())), Member: c.id})
	}
}

func members(entries []goredis.Z) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Member.(string)
	}
	return ids
}

// repair removes index entries that are wrong.
func (l *Ledger) repair(ctx context.Context, key string, wrong []any) {
	if len(wrong) == 0 {
		return
	}
	if err := l.store.client.ZRem(ctx, key, wrong...).Err(); err != nil {
		l.log.Debug("an index isn't repaired yet", slog.String("index", key), slog.Any("error", err))
	}
}

// Retrying is, for each of the lanes that has any, how many of its jobs wait for their next attempt, and when the first of them is due: one
// round trip for all lanes. Each call removes a few entries of jobs that are overdue and no longer wait.
func (l *Ledger) Retrying(ctx context.Context, names []string) (map[string]lanes.Delayed, error) {
	counts, heads := make([]*goredis.IntCmd, len(names)), make([]*goredis.ZSliceCmd, len(names))
	_, err := l.store.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, lane := range names {
			counts[i] = p.ZCard(ctx, retryingKey(lane))
			heads[i] = p.ZRangeWithScores(ctx, retryingKey(lane), 0, headSize-1)
		}
		return nil
	})
	if err != nil {
		return nil, failed("count the retrying jobs", err)
	}
	var overdue []string // jobs, of all lanes
	for _, head := range heads {
		if first := head.Val(); len(first) > 0 && l.store.Now().Sub(due(first[0])) > lateAfter {
			overdue = append(overdue, members(first)...)
		}
	}
	wrong, err := l.notWaiting(ctx, overdue)
	if err != nil {
		return nil, failed("look at the overdue jobs", err)
	}
	all := map[string]lanes.Delayed{}
	for i, lane := range names {
		waiting, gone := split(heads[i].Val(), wrong)
		l.repair(ctx, retryingKey(lane), gone)
		d := lanes.Delayed{Count: int(counts[i].Val()) - len(gone)}
		if len(waiting) > 0 {
			d.Next = due(waiting[0])
		}
		if d.Count > 0 {
			all[lane] = d
		}
	}
	return all, nil
}

func due(e goredis.Z) time.Time { return fromMillis(int64(e.Score)) }

// notWaiting is those of the jobs that aren't retrying any more.
func (l *Ledger) notWaiting(ctx context.Context, ids []string) (map[string]bool, error) {
	states, err := l.field(ctx, ids, "state")
	if err != nil {
		return nil, err
	}
	wrong := map[string]bool{}
	for i, id := range ids {
		wrong[id] = lanes.State(states[i]) != lanes.Retrying
	}
	return wrong, nil
}

// split is the entries that are right, and the members of those that are wrong.
func split(entries []goredis.Z, wrong map[string]bool) (right []goredis.Z, gone []any) {
	for _, e := range entries {
		if wrong[e.Member.(string)] {
			gone = append(gone, e.Member)
		} else {
			right = append(right, e)
		}
	}
	return right, gone
}

// Sweep removes index entries whose record has expired, at most some ten thousand per call, and returns how many. The
// leading scaler calls it once a minute. Only entries older than timing.keep are looked at: no younger record expires.
func (l *Ledger) Sweep(ctx context.Context) (int, error) {
	l.sweeping.Lock()
	defer l.sweeping.Unlock()
	removed := 0
	for _, key := range []string{deadKey, missingKey, jobsKey} {
		n, err := l.sweep(ctx, key)
		removed += n
		if err != nil {
			return removed, failed("sweep "+key, err)
		}
	}
	return removed, nil
}

func (l *Ledger) sweep(ctx context.Context, key string) (removed int, err error) {
	oldest := strconv.FormatInt(l.store.Now().UnixMilli()-l.keep(), 10)
	kept := l.swept[key]
	for looked := 0; looked < sweepSize; looked += scanSize {
		ids, err := l.store.client.ZRangeByScore(ctx, key, &goredis.ZRangeBy{Min: "-inf", Max: oldest, Offset: kept, Count: scanSize}).Result()
		if err != nil {
			return removed, err
		}
		states, err := l.field(ctx, ids, "state")
		if err != nil {
			return removed, err
		}
		var gone []any
		for i, id := range ids {
			if states[i] == "" {
				gone = append(gone, id)
			}
		}
		l.repair(ctx, key, gone)
		removed += len(gone)
		kept += int64(len(ids) - len(gone))
		if len(ids) < scanSize {
			kept = 0
			break
		}
	}
	l.swept[key] = kept // go on behind those that live long, should they be very many
	return removed, nil
}
