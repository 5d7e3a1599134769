package jobrecord

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
)

// Next returns the kinds, params, priorities and outputs of the jobs that are queued in a lane, in the order in which
// they start: so many at most of those that were ready first.
func (r *Reader) Next(ctx context.Context, lane string, most int) ([]job.Job, error) {
	doing := "look at the next jobs of lane " + lane
	ids, err := r.store.Client().ZRange(ctx, keyspace.Queued(lane), 0, int64(most)-1).Result()
	if err != nil {
		return nil, redislink.Failed(doing, err)
	}
	rows, err := r.Fields(ctx, ids, "kind", "params", "priority", "output")
	if err != nil {
		return nil, redislink.Failed(doing, err)
	}
	jobs := make([]job.Job, len(ids))
	for i, row := range rows {
		jobs[i] = job.Job{
			ID: ids[i], Kind: row[0], Params: json.RawMessage(row[1]), Priority: int(keyspace.Number(row[2])),
			Output: row[3],
		}.Bounded()
	}
	slices.SortStableFunc(jobs, func(a, b job.Job) int { return b.Priority - a.Priority })
	return jobs, nil
}
