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
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

const (
	compareSize = 1000   // of a lane's oldest records that one call of Compare looks at
	enlistSize  = 10_000 // records that one call of Enlist looks at
)

// Gone notes that messages which came up in a lane are no longer in its queue, though no worker has claimed their jobs:
// none of them will be skipped.
func (l *Ledger) Gone(ctx context.Context, lane string, messages []work.Delivery) error {
	if len(messages) == 0 {
		return nil
	}
	names := make([]any, len(messages))
	for i, d := range messages {
		names[i] = d.Job.ID + "/" + strconv.Itoa(d.Copy)
	}
	return l.do(ctx, "note that messages are gone from lane "+lane, func(ctx context.Context) error {
		return l.store.Client().ZRem(ctx, keyspace.Skips(lane), names...).Err()
	})
}

// Compare looks at a lane's oldest queued jobs, a thousand at most. Those that have been queued since before or longer
// are missing from now on, unless they are held: a worker has their message. The caller knows that the lane's queue was
// empty well after that moment. The zero time finds none missing. Entries of jobs that aren't queued there are removed.
func (l *Ledger) Compare(
	ctx context.Context, lane string, before time.Time, held map[string]bool,
) (missing int, err error) {
	doing := "compare the records of lane " + lane + " with its queue"
	ids, err := l.store.Client().ZRange(ctx, keyspace.Queued(lane), 0, compareSize-1).Result()
	if err != nil {
		return 0, redislink.Failed(doing, err)
	}
	rows, err := l.Fields(ctx, ids, "state", "lane", "since")
	if err != nil {
		return 0, redislink.Failed(doing, err)
	}
	var wrong []any
	var keys []string
	var args [][]any
	for i, id := range ids {
		switch row := rows[i]; {
		case job.State(row[0]) != job.Queued || row[1] != lane:
			wrong = append(wrong, id)
		case !held[id] && row[2] != "" && keyspace.Number(row[2]) <= keyspace.Millis(before):
			keys = append(keys, keyspace.Job(id))
			args = append(args, []any{keyspace.Moves(id), lane, keyspace.Millis(before), l.keep()})
		}
	}
	l.Repair(ctx, keyspace.Queued(lane), wrong)
	for priority := 1; priority <= lanes.MaxPriority && len(wrong) > 0; priority++ {
		l.Repair(ctx, keyspace.QueuedOf(lane, priority), wrong)
	}
	if len(keys) == 0 {
		return 0, nil
	}
	cmds, err := l.store.RunAll(ctx, loseScript, keys, args)
	for _, c := range cmds {
		if lost, _ := c.Bool(); lost {
			missing++
		}
	}
	return missing, redislink.Failed(doing, err)
}

// Enlist adds to the indexes queued and running jobs that a process of a version without them has made. It looks at ten
// thousand records at most, and goes on from there the next time. It returns how many queued ones there were.
func (l *Ledger) Enlist(ctx context.Context) (listed int, err error) {
	l.sweeping.Lock()
	defer l.sweeping.Unlock()
	const doing = "list the queued jobs"
	for looked := 0; looked < enlistSize; looked += jobrecord.BatchSize {
		ids, err := l.store.Client().ZRange(ctx, keyspace.Jobs, l.enlisted, l.enlisted+jobrecord.BatchSize-1).Result()
		if err != nil {
			return listed, redislink.Failed(doing, err)
		}
		rows, err := l.Fields(ctx, ids, "state", "since")
		if err != nil {
			return listed, redislink.Failed(doing, err)
		}
		var keys []string
		var running []goredis.Z
		for i, row := range rows {
			switch {
			case job.State(row[0]) == job.Queued && row[1] == "":
				keys = append(keys, keyspace.Job(ids[i]))
			case job.State(row[0]) == job.Running:
				now := float64(keyspace.Millis(l.store.Now()))
				running = append(running, goredis.Z{Score: now, Member: ids[i]})
			}
		}
		if len(running) > 0 {
			if err := l.store.Client().ZAddNX(ctx, keyspace.Running, running...).Err(); err != nil {
				return listed, redislink.Failed(doing, err)
			}
		}
		if len(keys) > 0 {
			if _, err := l.store.RunAll(ctx, enlistScript, keys, make([][]any, len(keys))); err != nil {
				return listed, redislink.Failed(doing, err)
			}
			l.log.Info("queued jobs of an older version are listed now", slog.Int("jobs", len(keys)))
			listed += len(keys)
		}
		l.enlisted += int64(len(ids))
		if len(ids) < jobrecord.BatchSize {
			l.enlisted = 0
			break
		}
	}
	return listed, nil
}
