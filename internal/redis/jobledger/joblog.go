package jobledger

import (
	"context"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// KeepLog replaces what is kept of what a job's programs said: the end of the text, at most work.MaxLog of UTF-8, for
// timing.keep. It is lanes.ErrAway at once while Redis is known to be away.
func (l *Ledger) KeepLog(ctx context.Context, id, text string) error {
	return l.do(ctx, "keep the log of job "+id, func(ctx context.Context) error {
		end := plain.End(text, work.MaxLog)
		return l.store.Client().Set(ctx, keyspace.Log(id), end, l.timing.Load().Keep.D()).Err()
	})
}
