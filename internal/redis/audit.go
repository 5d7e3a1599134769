package redis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/audit"
)

const (
	maxAudit   = 10_000 // entries that are kept, about
	auditBatch = 500
)

// Note adds an entry to the audit, which keeps about the latest ten thousand. Its At is set by Redis, its Login is that
// of the store. What changes tunings is noted by Change.
func (t *Tunings) Note(ctx context.Context, e audit.Entry) error {
	e.Login = t.store.Login(ctx)
	err := t.store.Client().XAdd(ctx, &goredis.XAddArgs{
		Stream: keyspace.Audit, MaxLen: maxAudit, Approx: true,
		Values: []any{"entry", keyspace.Encode(e), "nonce", rand.Text()},
	}).Err()
	return redislink.Failed("add to the audit log", err)
}

// MayNote checks that this login may add to the audit, and returns lanes.ErrRefused when not: what people do must not
// go unrecorded. Nothing is added.
func (t *Tunings) MayNote(ctx context.Context) error {
	answers, err := t.store.Rehearse(ctx, [][]any{{"XADD", keyspace.Audit, "*", "entry", ""}})
	switch {
	case err != nil:
		return redislink.Failed("check whether this login may add to the audit log", err)
	case redislink.IsRefused(answers[0]):
		const why = "this login may not add to the audit log, so it may do nothing that is recorded there"
		return fmt.Errorf("%w: %s", redislink.ErrRefused, why)
	default:
		return nil // should it fail for another reason, the entry says so
	}
}

// Audit returns at most limit entries of the audit made at or after since, the newest first.
func (t *Tunings) Audit(ctx context.Context, since time.Time, limit int) ([]audit.Entry, error) {
	entries := []audit.Entry{}
	noted := map[any]bool{} // nonces: an entry is duplicate when Redis' answer got lost
	start := strconv.FormatInt(keyspace.Millis(since), 10)
	for end := "+"; len(entries) < limit; {
		messages, err := t.store.Client().XRevRangeN(ctx, keyspace.Audit, end, start, auditBatch).Result()
		if err != nil {
			return nil, redislink.Failed("read the audit log", err)
		}
		for _, m := range messages {
			end = "(" + m.ID
			nonce, once := m.Values["nonce"]
			if once && noted[nonce] || len(entries) == limit {
				continue
			}
			noted[nonce] = true
			if e, ok := t.entry(m); ok {
				entries = append(entries, e)
			}
		}
		if len(messages) < auditBatch {
			break
		}
	}
	return entries, nil
}

// entry reads an entry of the audit, whose ID begins with when it was made. One that can't be read is reported and left
// out.
func (t *Tunings) entry(m goredis.XMessage) (audit.Entry, bool) {
	text, _ := m.Values["entry"].(string)
	var e audit.Entry
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.log.Warn("an entry of the audit log can't be read", slog.String("entry", m.ID), slog.Any("error", err))
		return audit.Entry{}, false
	}
	ms, _, _ := strings.Cut(m.ID, "-")
	e.At = keyspace.Time(ms)
	return e, true
}
