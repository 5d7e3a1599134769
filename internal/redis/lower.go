package redis

import (
	"context"

	"github.com/polyglot-media/siren/lanes"
)

// Lower notes that waiting jobs were put back into their lanes with a lower priority. A job without a record gets it with its first claim.
func (l *Ledger) Lower(ctx context.Context, jobs []lanes.Delivery) error {
	keys, args := make([]string, len(jobs)), make([][]any, len(jobs))
	for i, d := range jobs {
		keys[i], args[i] = jobKey(d.Job.ID), []any{movesChannel(d.Job.ID), d.Replay, d.Job.Priority}
	}
	return l.do(ctx, "lower the priority of jobs", func(ctx context.Context) error {
		_, err := l.store.runAll(ctx, lowerScript, keys, args)
		return err
	})
}
