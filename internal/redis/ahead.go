package redis

import (
	"context"
	"strconv"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

// maxAhead is how many index entries one call of Ahead looks at.
const maxAhead = 200_000

// Ahead counts the queued jobs of a queued job's lane that stand before it: those that became ready earlier, or in the same call and before it.
// It looks at the 200,000 jobs at most that were enqueued last before it was ready; exact is false when there may be more.
func (l *Ledger) Ahead(ctx context.Context, id string) (n int, exact bool, err error) {
	doing := "look at the jobs before job " + id
	own, err := l.fields(ctx, []string{id}, "lane", "ready", "nth")
	if err != nil {
		return 0, false, failed(doing, err)
	}
	lane, ready, nth := own[0][0], number(own[0][1]), number(own[0][2])
	// No job is ready before it is enqueued. Pages go on by time, not by rank: jobs that come meanwhile shift the ranks.
	from, last, ties := strconv.FormatInt(ready, 10), 0.0, int64(0)
	for looked := 0; looked < maxAhead; looked += scanSize {
		entries, err := l.store.client.ZRevRangeByScoreWithScores(ctx, jobsKey, &goredis.ZRangeBy{
			Min: "-inf", Max: from, Offset: ties, Count: scanSize,
		}).Result()
		if err != nil {
			return 0, false, failed(doing, err)
		}
		rows, err := l.fields(ctx, members(entries), "state", "lane", "ready", "nth")
		if err != nil {
			return 0, false, failed(doing, err)
		}
		for i, row := range rows {
			before := number(row[2]) < ready || number(row[2]) == ready && number(row[3]) < nth
			if lanes.State(row[0]) == lanes.Queued && row[1] == lane && before {
				n++
			}
			if entries[i].Score != last {
				last, ties = entries[i].Score, 0
			}
			ties++
		}
		if len(entries) < scanSize {
			return n, true, nil
		}
		from = strconv.FormatInt(int64(last), 10)
	}
	return n, false, nil
}
