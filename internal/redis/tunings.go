package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
)

// ErrChanged says that the tunings have another revision by now than the one that a change was made for.
var ErrChanged = errors.New("somebody else has changed the tunings meanwhile")

// Tunings keeps what people tune while the policy is in force, and the audit of what they do. Which tunings count is
// the leading scaler's to say: those that have ended stay here until they are removed. It is safe for concurrent use.
type Tunings struct {
	store *redislink.Store
	log   *slog.Logger
}

// NewTunings makes the tunings.
func NewTunings(s *redislink.Store, log *slog.Logger) *Tunings { return &Tunings{s, log} }

// Now returns all tunings, and Redis' own time: when they end is by that clock.
func (t *Tunings) Now(ctx context.Context) (lanes.Tunings, time.Time, error) {
	var clock *goredis.TimeCmd
	var hash *goredis.MapStringStringCmd
	_, err := t.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		clock = p.Time(ctx)
		hash = p.HGetAll(ctx, keyspace.Tunings)
		return nil
	})
	if err != nil {
		return lanes.Tunings{}, time.Time{}, redislink.Failed("read the tunings", err)
	}
	all := lanes.Tunings{Revision: keyspace.Number(hash.Val()["revision"]), All: t.read(hash.Val())}
	return all, clock.Val().UTC(), nil
}

// Change removes the tunings with some IDs and sets others, with the entries for the audit, all at once or not at all,
// and returns the new revision. At of tunings and entries is set by Redis, Login of entries is that of the store. seen
// is the revision that the caller knew when it made up its mind: ErrChanged says that it isn't the latest any more. A
// tuning that replaces another is the last made.
func (t *Tunings) Change(
	ctx context.Context, seen int64, set []lanes.Tuning, remove []string, notes []audit.Entry,
) (revision int64, err error) {
	const doing = "change the tunings"
	var gone []any
	for _, id := range remove {
		gone = append(gone, hashField(id), hashField(formerName(id)))
	}
	for _, tuning := range set {
		gone = append(gone, hashField(formerName(tuning.ID())))
	}
	args := append([]any{seen, rand.Text(), keyspace.Tuned, maxAudit, len(gone), len(set)}, gone...)
	for _, tuning := range set {
		text, err := json.Marshal(tuning)
		if err != nil {
			return 0, fmt.Errorf("%s: %s: %w", doing, tuning.Field, err)
		}
		args = append(args, hashField(tuning.ID()), string(text))
	}
	login := ""
	if len(notes) > 0 {
		login = t.store.Login(ctx)
	}
	for _, note := range notes {
		note.Login = login
		args = append(args, keyspace.Encode(note))
	}
	revision, err = tuneScript.Run(ctx, t.store.Client(), []string{keyspace.Tunings, keyspace.Audit}, args...).Int64()
	switch {
	case err != nil:
		return 0, redislink.Failed(doing, err)
	case revision < 0:
		return 0, fmt.Errorf("%s: %w", doing, ErrChanged)
	}
	return revision, nil
}

// Restore puts tunings back that Redis has lost, as they were, under the next revision. It is false, and does nothing,
// when Redis has others or has had some: only one that never had any takes them. Nor is there anything to put back of
// revision 0.
func (t *Tunings) Restore(ctx context.Context, lost lanes.Tunings) (bool, error) {
	const doing = "restore the tunings"
	if lost.Revision == 0 {
		return false, nil
	}
	revision := lost.Revision + 1
	args := []any{revision, rand.Text(), keyspace.Tuned}
	for i, tuning := range lost.All {
		text, err := made{revision, int64(i + 1), tuning}.text()
		if err != nil {
			return false, fmt.Errorf("%s: %s: %w", doing, tuning.Field, err)
		}
		args = append(args, hashField(tuning.ID()), text)
	}
	back, err := restoreScript.Run(ctx, t.store.Client(), []string{keyspace.Tunings}, args...).Bool()
	return back, redislink.Failed(doing, err)
}

// Changed returns a channel that has a value soon after each change of the tunings; changes in quick succession are
// one. It also has one when it begins to listen, and when it does so again after Redis was away: a change may have been
// missed. It is closed when ctx ends, or with the store.
func (t *Tunings) Changed(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	listen := func(life context.Context) {
		defer close(changed)
		s := t.store.Client().Subscribe(ctx, keyspace.Tuned)
		defer func() { _ = s.Close() }()
		heard := s.ChannelWithSubscriptions() // says when it subscribes (again), too
		for {
			select {
			case <-heard:
			case <-ctx.Done():
				return
			case <-life.Done():
				return
			}
			select {
			case changed <- struct{}{}:
			default: // the one before wasn't taken yet
			}
		}
	}
	if !t.store.Spawn(listen) {
		close(changed)
	}
	return changed
}

// How the hash's fields of tunings begin. A scaler of a version without schedules passes over those of scheduled ones,
// which it would put into force at once.
const (
	tuningPrefix    = "tuning:"
	scheduledPrefix = "scheduled:"
)

// hashField returns the hash's field of the tuning with that ID.
func hashField(id string) string {
	if strings.Contains(id, "@") {
		return scheduledPrefix + id
	}
	return tuningPrefix + id
}

// An older version has kept a pool's freeze as its field held: that is read as frozen, and goes with it.
const held, frozen = ".held", ".frozen"

// formerName returns what a field was called before; the field itself when it was called the same.
func formerName(field string) string {
	if pool, ok := strings.CutSuffix(field, frozen); ok {
		return pool + held
	}
	return field
}

// made is a tuning as the hash has it: the revision that it came with, its number among those that came with it, when
// that was (ms), and the tuning in JSON.
type made struct {
	revision, number int64
	tuning           lanes.Tuning
}

// text formats a tuning as tune.lua does.
func (m made) text() (string, error) {
	tuning, err := json.Marshal(m.tuning)
	return fmt.Sprintf("%d %d %d %s", m.revision, m.number, keyspace.Millis(m.tuning.At), tuning), err
}

// madeOf reads what text or tune.lua wrote.
func madeOf(text string) (m made, err error) {
	parts := strings.SplitN(text, " ", 4)
	if len(parts) < 4 {
		return m, fmt.Errorf("%q isn't a revision, a number, a time and a tuning", text)
	}
	err = json.Unmarshal([]byte(parts[3]), &m.tuning)
	if pool, ok := strings.CutSuffix(m.tuning.Field, held); ok {
		m.tuning.Field = pool + frozen
	}
	m.revision, m.number, m.tuning.At = keyspace.Number(parts[0]), keyspace.Number(parts[1]), keyspace.Time(parts[2])
	return m, err
}

// read returns the hash's tunings in the order in which they were made. One that can't be read is reported and left
// out.
func (t *Tunings) read(h map[string]string) []lanes.Tuning {
	var all []made
	for name, text := range h {
		field, ok := strings.CutPrefix(name, tuningPrefix)
		if !ok {
			field, ok = strings.CutPrefix(name, scheduledPrefix)
		}
		if !ok {
			continue
		}
		m, err := madeOf(text)
		if err != nil {
			t.log.Warn("a tuning can't be read", slog.String("field", field), slog.Any("error", err))
			continue
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b made) int {
		return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.number, b.number))
	})
	tunings := make([]lanes.Tuning, len(all))
	for i, m := range all {
		tunings[i] = m.tuning
	}
	return tunings
}
