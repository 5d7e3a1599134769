package jobrecord

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
)

const (
	// pollEvery is the safety net under the notices of moves: a notice that is missed costs so much time at most.
	pollEvery = 2 * time.Second
	// vanishedAfter is how long nothing has to be heard of a running job's worker, and nobody to rescue the job, for a
	// watch to give it up: longer than the leading scaler takes to do so. So long may a record be gone that was there,
	// too: workers tell a Redis again what it has lost, and a waiting job has a record again when it starts.
	vanishedAfter = 2 * time.Minute
)

// Watch yields the record of each job as it is now and after every change that is seen, until all have come to an end
// (job.State.Final), the loop is left, or ctx ends; then its error is the last thing yielded. Changes in quick
// succession may be seen as one; the end is never missed.
//
// A job without a record, or whose record has been gone for two minutes, yields ErrNotFound and is watched no longer:
// the error's record has its ID and nothing else.
// One that says running while nothing is heard of its worker for two minutes yields its record with job.ErrVanished,
// and is watched no longer either.
// lanes.ErrAway, with an empty record, doesn't end the watch: it goes on once Redis is back. Thousands of jobs at once
// are cheap.
func (r *Reader) Watch(ctx context.Context, ids ...string) iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		w := watch{reader: r, seen: map[string]string{}, silent: map[string]silence{}, gone: map[string]time.Time{}}
		for _, id := range ids {
			w.seen[id] = unseen
		}
		if len(w.seen) > 0 {
			w.run(ctx, yield)
		}
	}
}

// unseen is the mark of no record.
const unseen = "?"

// mark tells a record from how it was before. A Redis that has lost writes counts some moves twice.
func mark(moves, state string) string { return moves + " " + state }

// watch is one Watch under way.
type watch struct {
	reader *Reader
	seen   map[string]string    // jobs that haven't ended → the mark of the record last yielded
	silent map[string]silence   // those of them that run
	gone   map[string]time.Time // those whose record was there, and isn't since
}

// silence is since when a running job's lease has been the same. Its end is no measure: clocks differ.
type silence struct {
	lease string
	since time.Time
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

// changed returns those of the pending jobs whose record has changed since it was yielded, or whose worker vanished.
func (w *watch) changed(ctx context.Context) ([]string, error) {
	ids := w.pending()
	rows, err := w.reader.Fields(ctx, ids, "moves", "state", "lease")
	if err != nil {
		return nil, err
	}
	var changed []string
	for i, id := range ids {
		moves, state, lease := rows[i][0], rows[i][1], rows[i][2]
		if w.listen(id, state, lease) || mark(moves, state) != w.seen[id] {
			changed = append(changed, id)
		}
	}
	return changed, nil
}

// listen notes what is heard of a job's worker, and reports whether it vanished.
func (w *watch) listen(id, state, lease string) (vanished bool) {
	if job.State(state) != job.Running {
		delete(w.silent, id)
		return false
	}
	if s, known := w.silent[id]; known && s.lease == lease {
		return time.Since(s.since) > w.reader.patience()
	}
	w.silent[id] = silence{lease, time.Now()}
	return false
}

// show reads those of the given jobs that are pending and yields what is new. It is false when the loop was left.
func (w *watch) show(ctx context.Context, ids []string, yield func(job.Record, error) bool) bool {
	ids = slices.DeleteFunc(ids, func(id string) bool { return w.seen[id] == "" })
	hashes, err := w.reader.hashes(ctx, ids)
	if err != nil {
		return ctx.Err() != nil || yield(job.Record{}, redislink.Failed("watch jobs", err))
	}
	for i, id := range ids {
		if r, err := w.news(id, hashes[i]); (r.ID != "" || err != nil) && !yield(r, err) {
			return false
		}
	}
	return true
}

// news returns what is to be yielded of a job: nothing when all is as it was.
func (w *watch) news(id string, h map[string]string) (job.Record, error) {
	if len(h) == 0 {
		if _, known := w.gone[id]; !known {
			w.gone[id] = time.Now()
		}
		if w.seen[id] != unseen && time.Since(w.gone[id]) < w.reader.patience() {
			return job.Record{}, nil
		}
		delete(w.seen, id)
		return job.Record{ID: id}, redislink.Failed("job "+id, redislink.ErrNotFound)
	}
	delete(w.gone, id)
	r := recordOf(id, h)
	if w.listen(id, h["state"], h["lease"]) {
		delete(w.seen, id)
		return r, fmt.Errorf("job %s: %w (%s); siren jobs retry %s puts it into its lane again", id, job.ErrVanished,
			r.Worker, id)
	}
	if mark(h["moves"], h["state"]) == w.seen[id] {
		return job.Record{}, nil
	}
	w.seen[id] = mark(h["moves"], h["state"])
	if r.State.Final() {
		delete(w.seen, id)
	}
	return r, nil
}
