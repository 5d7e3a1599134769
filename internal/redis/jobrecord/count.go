package jobrecord

import (
	"context"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

const (
	skipsLate = 5 * time.Second // how much later than it says a message may be in its lane's queue
	countSize = 1000            // missing jobs of which CountMissing looks at the lanes
)

// Waiting returns what the ledger knows of the jobs that wait in each of the lanes, in one round trip. since says for
// each lane from when on what is in its queue became ready, as far as the caller knows. What was noted as older can't
// be skipped any more, and is forgotten.
func (r *Reader) Waiting(ctx context.Context, since map[string]time.Time) (map[string]fleet.Waiting, error) {
	type reads struct {
		queued, skips *goredis.IntCmd
		oldest        *goredis.ZSliceCmd
	}
	asked := make(map[string]reads, len(since))
	now := r.store.Now()
	_, err := r.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		for lane, from := range since {
			if !from.IsZero() {
				p.ZRemRangeByScore(ctx, keyspace.Skips(lane), "-inf", "("+score(from.Add(-skipsLate)))
			}
			asked[lane] = reads{
				queued: p.ZCard(ctx, keyspace.Queued(lane)),
				oldest: p.ZRangeByScoreWithScores(ctx, keyspace.Queued(lane),
					&goredis.ZRangeBy{Min: score(from), Max: "+inf", Count: 1}),
				skips: p.ZCount(ctx, keyspace.Skips(lane), "-inf", score(now)),
			}
		}
		return nil
	})
	if err != nil {
		return nil, redislink.Failed("look at the lanes' waiting jobs", err)
	}
	all := make(map[string]fleet.Waiting, len(asked))
	for lane, r := range asked {
		w := fleet.Waiting{Queued: int(r.queued.Val()), Skipped: int(r.skips.Val())}
		if first := r.oldest.Val(); len(first) > 0 {
			w.Oldest = due(first[0])
		}
		all[lane] = w
	}
	return all, nil
}

// score formats a time as the indexes have it.
func score(t time.Time) string { return strconv.FormatInt(keyspace.Millis(t), 10) }

// CountMissing returns how many missing jobs have a record, and how many of the latest thousand were in each lane.
func (r *Reader) CountMissing(ctx context.Context) (n int, byLane map[string]int, err error) {
	const doing = "count the missing jobs"
	total, err := r.store.Client().ZCard(ctx, keyspace.Missing).Result()
	if err != nil {
		return 0, nil, redislink.Failed(doing, err)
	}
	ids, err := r.store.Client().ZRevRange(ctx, keyspace.Missing, 0, countSize-1).Result()
	if err != nil {
		return 0, nil, redislink.Failed(doing, err)
	}
	rows, err := r.Fields(ctx, ids, "state", "lane")
	if err != nil {
		return 0, nil, redislink.Failed(doing, err)
	}
	n, byLane = int(total), map[string]int{}
	for _, row := range rows {
		if job.State(row[0]) == job.Missing {
			byLane[row[1]]++
		} else {
			n-- // it has expired, and the next sweep forgets it
		}
	}
	return n, byLane, nil
}

// CountDead returns how many dead jobs have a record. Some of them may have expired within the last minute.
func (r *Reader) CountDead(ctx context.Context) (int, error) {
	n, err := r.store.Client().ZCard(ctx, keyspace.Dead).Result()
	return int(n), redislink.Failed("count the dead jobs", err)
}
