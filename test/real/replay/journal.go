package replay

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// journal keeps what a scaler logs of its workers and plans, as it happens, and hands all of it on.
type journal struct {
	slog.Handler
	attrs []slog.Attr
	kept  *kept
}

// kept is the entries, and who may write them.
type kept struct {
	mu      sync.Mutex
	workers map[string]life
	removed map[string][]time.Time // by pool: one for each worker that a plan removed
}

// life is a worker's, from its creation until it is gone; zero: it isn't.
type life struct {
	pool      string
	from, end time.Time
}

func newJournal(h slog.Handler) journal {
	return journal{h, nil, &kept{workers: map[string]life{}, removed: map[string][]time.Time{}}}
}

// WithAttrs implements slog.Handler.
func (j journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journal{j.Handler.WithAttrs(attrs), slices.Concat(j.attrs, attrs), j.kept}
}

// Enabled implements slog.Handler: whatever is shown, plans and workers are kept.
func (j journal) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle implements slog.Handler.
func (j journal) Handle(ctx context.Context, r slog.Record) error {
	j.keep(r)
	if !j.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return j.Handler.Handle(ctx, r)
}

func (j journal) keep(r slog.Record) {
	values := map[string]slog.Value{}
	for _, a := range j.attrs {
		values[a.Key] = a.Value
	}
	r.Attrs(func(a slog.Attr) bool { values[a.Key] = a.Value; return true })
	pool, worker := values["pool"].String(), values["worker"].String()
	k := j.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	switch r.Message {
	case "worker started":
		k.workers[worker] = life{pool: pool, from: r.Time}
	case "worker stopped", "worker ended by itself":
		l := k.workers[worker]
		l.end = r.Time
		k.workers[worker] = l
	case "plan":
		for range values["remove"].Int64() {
			k.removed[pool] = append(k.removed[pool], r.Time)
		}
	}
}

// lives returns the workers' lives until now.
func (k *kept) lives() (all []life) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.workers {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b life) int { return a.from.Compare(b.from) })
	return all
}

// leave returns how long a removed worker took until it was gone, in the mean: in each pool they go in the order in
// which they were told to.
func (k *kept) leave() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	ends := map[string][]time.Time{}
	for _, l := range k.workers {
		if !l.end.IsZero() {
			ends[l.pool] = append(ends[l.pool], l.end)
		}
	}
	var sum time.Duration
	n := 0
	for pool, told := range k.removed {
		slices.SortFunc(ends[pool], time.Time.Compare)
		for i, at := range told {
			if i < len(ends[pool]) {
				sum += ends[pool][i].Sub(at)
				n++
			}
		}
	}
	return sum / time.Duration(max(1, n))
}
