package jobrecord

import (
	"context"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

const (
	headSize  = 10              // retrying jobs that one call of Retrying looks at
	lateAfter = 2 * time.Second // a job that is overdue for so long may have an entry too many
)

func members(entries []goredis.Z) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Member.(string)
	}
	return ids
}

// Repair removes index entries that are wrong.
func (r *Reader) Repair(ctx context.Context, key string, wrong []any) {
	if len(wrong) == 0 {
		return
	}
	if err := r.store.Client().ZRem(ctx, key, wrong...).Err(); err != nil {
		r.log.Debug("an index isn't repaired yet", slog.String("index", key), slog.Any("error", err))
	}
}

// Retrying is, for each of the lanes that has any, how many of its jobs wait for their next attempt, and when the first
// of them is due: one round trip for all lanes. Each call removes a few entries of jobs that are overdue and no longer
// wait.
func (r *Reader) Retrying(ctx context.Context, names []string) (map[string]fleet.Delayed, error) {
	counts, heads := make([]*goredis.IntCmd, len(names)), make([]*goredis.ZSliceCmd, len(names))
	_, err := r.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, lane := range names {
			counts[i] = p.ZCard(ctx, keyspace.Retrying(lane))
			heads[i] = p.ZRangeWithScores(ctx, keyspace.Retrying(lane), 0, headSize-1)
		}
		return nil
	})
	if err != nil {
		return nil, redislink.Failed("count the retrying jobs", err)
	}
	var overdue []string // jobs, of all lanes
	for _, head := range heads {
		if first := head.Val(); len(first) > 0 && r.store.Now().Sub(due(first[0])) > lateAfter {
			overdue = append(overdue, members(first)...)
		}
	}
	wrong, err := r.notWaiting(ctx, overdue)
	if err != nil {
		return nil, redislink.Failed("look at the overdue jobs", err)
	}
	all := map[string]fleet.Delayed{}
	for i, lane := range names {
		waiting, gone := split(heads[i].Val(), wrong)
		r.Repair(ctx, keyspace.Retrying(lane), gone)
		d := fleet.Delayed{Count: int(counts[i].Val()) - len(gone)}
		if len(waiting) > 0 {
			d.Next = due(waiting[0])
		}
		if d.Count > 0 {
			all[lane] = d
		}
	}
	return all, nil
}

func due(e goredis.Z) time.Time { return keyspace.FromMillis(int64(e.Score)) }

// notWaiting returns those of the jobs that aren't retrying any more.
func (r *Reader) notWaiting(ctx context.Context, ids []string) (map[string]bool, error) {
	states, err := r.field(ctx, ids, "state")
	if err != nil {
		return nil, err
	}
	wrong := map[string]bool{}
	for i, id := range ids {
		wrong[id] = job.State(states[i]) != job.Retrying
	}
	return wrong, nil
}

// split separates the entries that are right from the members of those that are wrong.
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
