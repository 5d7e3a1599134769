package jobledger

import (
	"context"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
)

// lapsedSize is how many running jobs one call of Lapsed returns.
const lapsedSize = 250

// Lapsed returns running jobs whose lease ended before a moment, those that were claimed first before others, and 250
// at most. Entries of jobs that don't run are removed from the index.
func (l *Ledger) Lapsed(ctx context.Context, before time.Time) ([]job.Record, error) {
	const doing = "look for running jobs whose workers vanished"
	var lapsed []string
	upTo := strconv.FormatInt(keyspace.Millis(before), 10)
	for from := int64(0); len(lapsed) < lapsedSize; {
		part := goredis.ZRangeBy{Min: "-inf", Max: upTo, Offset: from, Count: jobrecord.BatchSize}
		ids, err := l.store.Client().ZRangeByScore(ctx, keyspace.Running, &part).Result()
		if err != nil {
			return nil, redislink.Failed(doing, err)
		}
		rows, err := l.Fields(ctx, ids, "state", "lease")
		if err != nil {
			return nil, redislink.Failed(doing, err)
		}
		var wrong []any
		for i, id := range ids {
			switch row := rows[i]; {
			case job.State(row[0]) != job.Running:
				wrong = append(wrong, id)
			case keyspace.Number(row[1]) < keyspace.Millis(before): // also without one: it was answered poison
				lapsed = append(lapsed, id)
			}
		}
		l.Repair(ctx, keyspace.Running, wrong)
		from += int64(len(ids) - len(wrong))
		if len(ids) < jobrecord.BatchSize {
			break
		}
	}
	all, err := l.GetAll(ctx, lapsed[:min(len(lapsed), lapsedSize)])
	records := make([]job.Record, 0, len(all))
	for _, r := range all {
		records = append(records, r)
	}
	return records, err
}

// Rescue notes that jobs which Lapsed returned have one more message in their lanes: they are queued from now on, and
// whichever message of a job comes up first counts as the next start after a crash. The answers are in the order of the
// jobs: false for one that somebody has seen to since.
func (l *Ledger) Rescue(ctx context.Context, lapsed []job.Record) ([]bool, error) {
	keys, args := make([]string, len(lapsed)), make([][]any, len(lapsed))
	for i, r := range lapsed {
		lease := ""
		if !r.LeaseUntil.IsZero() {
			lease = strconv.FormatInt(keyspace.Millis(r.LeaseUntil), 10)
		}
		keys[i], args[i] = keyspace.Job(r.ID), []any{keyspace.Moves(r.ID), lease, r.Copy}
	}
	rescued := make([]bool, len(lapsed))
	err := l.do(ctx, "rescue jobs", func(ctx context.Context) error {
		cmds, err := l.store.RunAll(ctx, rescueScript, keys, args)
		for i, c := range cmds {
			rescued[i], _ = c.Bool()
		}
		return err
	})
	return rescued, err
}
