package jobledger

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes/work"
)

// tail cuts a job's log to what is kept of it.
func tail(text string) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	cut := max(0, len(text)-work.MaxLog)
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut++
	}
	return text[cut:]
}

// KeepLog replaces what is kept of what a job's programs said: the end of the text, at most work.MaxLog of UTF-8, for
// timing.keep. It is lanes.ErrAway at once while Redis is known to be away.
func (l *Ledger) KeepLog(ctx context.Context, id, text string) error {
	return l.do(ctx, "keep the log of job "+id, func(ctx context.Context) error {
		return l.store.Client().Set(ctx, keyspace.Log(id), tail(text), l.timing.Load().Keep.D()).Err()
	})
}
