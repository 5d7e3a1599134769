package redis

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

const (
	compareSize = 1000   // of a lane's oldest records that one call of Compare looks at
	enlistSize  = 10_000 // records that one call of Enlist looks at
)

// Gone notes that messages which came up in a lane are no longer in its queue, though no worker has claimed their jobs: none of them will be skipped.
func (l *Ledger) Gone(ctx context.Context, lane string, messages []lanes.Delivery) error {
	if len(messages) == 0 {
		return nil
	}
	names := make([]any, len(messages))
	for i, d := range messages {
		names[i] = d.Job.ID + "/" + strconv.Itoa(d.Replay)
	}
	return l.do(ctx, "note that messages are gone from lane "+lane, func(ctx context.Context) error {
		return l.store.Client().ZRem(ctx, skipsKey(lane), names...).Err()
	})
}

// Compare looks at a lane's oldest queued jobs, a thousand at most. Those that have been queued since before or longer are missing from now on, unless
// they are held: a worker has their message. The caller knows that the lane's queue was empty well after that moment. The zero time finds none
// missing. Entries of jobs that aren't queued there are removed.
func (l *Ledger) Compare(ctx context.Context, lane string, before time.Time, held map[string]bool) (missing int, err error) {
	doing := "compare the records of lane " + lane + " with its queue"
	ids, err := l.store.Client().ZRange(ctx, queuedKey(lane), 0, compareSize-1).Result()
	if err != nil {
		return 0, failed(doing, err)
	}
	rows, err := l.fields(ctx, ids, "state", "lane", "since")
	if err != nil {
		return 0, failed(doing, err)
	}
	var wrong []any
	var keys []string
	var args [][]any
	for i, id := range ids {
		switch row := rows[i]; {
		case lanes.State(row[0]) != lanes.Queued || row[1] != lane:
			wrong = append(wrong, id)
		case !held[id] && row[2] != "" && number(row[2]) <= millis(before):
			keys = append(keys, jobKey(id))
			args = append(args, []any{movesChannel(id), lane, millis(before), l.keep()})
		}
	}
	l.repair(ctx, queuedKey(lane), wrong)
	for priority := 1; priority <= lanes.MaxPriority && len(wrong) > 0; priority++ {
		l.repair(ctx, queuedKeyOf(lane, priority), wrong)
	}
	if len(keys) == 0 {
		return 0, nil
	}
	cmds, err := l.store.runAll(ctx, loseScript, keys, args)
	for _, c := range cmds {
		if lost, _ := c.Bool(); lost {
			missing++
		}
	}
	return missing, failed(doing, err)
}

// Enlist has queued jobs listed that a process of a version without the index has made, looking at ten thousand records at most, and goes on from
// there the next time. It returns how many there were.
func (l *Ledger) Enlist(ctx context.Context) (listed int, err error) {
	l.sweeping.Lock()
	defer l.sweeping.Unlock()
	const doing = "list the queued jobs"
	for looked := 0; looked < enlistSize; looked += scanSize {
		ids, err := l.store.Client().ZRange(ctx, jobsKey, l.enlisted, l.enlisted+scanSize-1).Result()
		if err != nil {
			return listed, failed(doing, err)
		}
		rows, err := l.fields(ctx, ids, "state", "since")
		if err != nil {
			return listed, failed(doing, err)
		}
		var keys []string
		for i, row := range rows {
			if lanes.State(row[0]) == lanes.Queued && row[1] == "" {
				keys = append(keys, jobKey(ids[i]))
			}
		}
		if len(keys) > 0 {
			if _, err := l.store.runAll(ctx, enlistScript, keys, make([][]any, len(keys))); err != nil {
				return listed, failed(doing, err)
			}
			l.log.Info("queued jobs of an older version are listed now", slog.Int("jobs", len(keys)))
			listed += len(keys)
		}
		l.enlisted += int64(len(ids))
		if len(ids) < scanSize {
			l.enlisted = 0
			break
		}
	}
	return listed, nil
}
