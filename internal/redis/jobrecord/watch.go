package jobrecord

import (
	"context"
	"iter"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
)

// pollEvery is the safety net under the notices of moves: a notice that is missed costs so much time at most.
const pollEvery = 2 * time.Second

// Watch yields the record of each job as it is now and after every change that is seen, until all have come to an end
// (job.State.Final), the loop is left, or ctx ends; then its error is the last thing yielded. Changes in quick
// succession may be seen as one; the end is never missed.
//
// A job without a record yields ErrNotFound and is watched no longer: the error's record has its ID and nothing else.
// lanes.ErrAway, with an empty record, doesn't end the watch: it goes on once Redis is back. Thousands of jobs at once
// are cheap.
func (r *Reader) Watch(ctx context.Context, ids ...string) iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		w := watch{reader: r, seen: map[string]string{}}
		for _, id := range ids {
			w.seen[id] = unseen
		}
		if len(w.seen) > 0 {
			w.run(ctx, yield)
		}
	}
}

// unseen is no count of moves.
const unseen = "?"

// watch is one Watch under way.
type watch struct {
	reader *Reader
	seen   map[string]string // jobs that haven't ended → the count of moves of the record last yielded
}

func (w *watch) run(ctx context.Context, yield func(job.Record, error) bool) {
	subscription, notices := w.subscribe(ctx)
	defer func() { _ = subscription.Close() }()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	changed := w.pending()
	for {
		if !w.show(ctx, changed, yield) || len(w.seen) == 0 {
			return
		}
		var err error
		select {
		case n := <-notices:
			changed = noticed(n, notices)
		case <-poll.C:
			changed, err = w.changed(ctx)
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			yield(job.Record{}, ctx.Err())
			return
		}
		if err != nil && !yield(job.Record{}, redislink.Failed("watch jobs", err)) {
			return
		}
	}
}

// subscribe asks for the notices of all pending jobs in one go, and waits until they are on their way. Without Redis
// they come once it is back.
func (w *watch) subscribe(ctx context.Context) (*goredis.PubSub, <-chan *goredis.Message) {
	var channels []string
	for id := range w.seen {
		channels = append(channels, keyspace.Moves(id))
	}
	s := w.reader.store.Client().Subscribe(ctx, channels...)
	_, _ = s.ReceiveTimeout(ctx, pollEvery)
	return s, s.Channel(goredis.WithChannelSize(1000), goredis.WithChannelSendTimeout(pollEvery))
}

// noticed returns the job of the notice, and those of all others that are there already.
func noticed(n *goredis.Message, more <-chan *goredis.Message) []string {
	var ids []string
	for {
		if n != nil {
			ids = append(ids, keyspace.MovesOf(n.Channel))
		}
		select {
		case n = <-more:
			if n == nil {
				return ids
			}
		default:
			slices.Sort(ids)
			return slices.Compact(ids)
		}
	}
}

func (w *watch) pending() []string {
	ids := make([]string, 0, len(w.seen))
	for id := range w.seen {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// changed returns those of the pending jobs whose record has changed since it was yielded.
func (w *watch) changed(ctx context.Context) ([]string, error) {
	ids := w.pending()
	moves, err := w.reader.field(ctx, ids, "moves")
	if err != nil {
		return nil, err
	}
	var changed []string
	for i, id := range ids {
		if moves[i] != w.seen[id] {
			changed = append(changed, id)
		}
	}
	return changed, nil
}

// show reads those of the given jobs that are pending and yields what is new. It is false when the loop was left.
func (w *watch) show(ctx context.Context, ids []string, yield func(job.Record, error) bool) bool {
	ids = slices.DeleteFunc(ids, func(id string) bool { return w.seen[id] == "" })
	hashes, err := w.reader.hashes(ctx, ids)
	if err != nil {
		return ctx.Err() != nil || yield(job.Record{}, redislink.Failed("watch jobs", err))
	}
	for i, id := range ids {
		h := hashes[i]
		if len(h) == 0 {
			delete(w.seen, id)
			if !yield(job.Record{ID: id}, redislink.Failed("job "+id, redislink.ErrNotFound)) {
				return false
			}
			continue
		}
		if h["moves"] == w.seen[id] {
			continue
		}
		w.seen[id] = h["moves"]
		r := recordOf(id, h)
		if r.State.Final() {
			delete(w.seen, id)
		}
		if !yield(r, nil) {
			return false
		}
	}
	return true
}
