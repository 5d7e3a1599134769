package jobledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

const (
	moveTimeout = 2 * time.Second        // the longest that one move takes, tries and dials included
	probeEvery  = 250 * time.Millisecond // while away
	permitEvery = 2 * time.Second        // while it refuses: only a move can tell whether it still does
	warnEvery   = 30 * time.Second
	maxKept     = 10_000
)

// Stats is how a ledger fares with Redis: see RegisterMetrics.
type Stats struct {
	Away     bool  // right now
	Refused  bool  // it is Away since it refuses this login
	Buffered int   // ends of jobs that wait for Redis to be back
	Restored int64 // ends that Redis had lost and was told again
	Dropped  int64 // ends of jobs never to be known: no room in the buffer, refused, or Redis was away until the end
}

// Stats returns how the ledger fares with Redis.
func (l *Ledger) Stats() Stats {
	a := l.away
	a.mu.Lock()
	defer a.mu.Unlock()
	return Stats{
		Away: a.err != nil, Refused: redislink.IsRefused(a.err), Buffered: len(a.kept),
		Dropped: a.dropped.Load(), Restored: l.memory.restored.Load(),
	}
}

// Flush waits until Redis is back and the buffer written, or ctx ends, and returns how many ends are still buffered. A
// Redis that may have lost the latest ends is told them before it returns.
func (l *Ledger) Flush(ctx context.Context) int {
	if back := l.away.returned(); back != nil {
		select {
		case <-back:
		case <-ctx.Done():
		}
	}
	l.tellAgain(ctx)
	return l.Stats().Buffered
}

// absence notices that Redis is away, keeps what has to be written, and writes it in order once it is back. Only then
// does Redis count as back, so nothing overtakes what is kept.
type absence struct {
	store  *redislink.Store
	log    *slog.Logger
	onBack func() // is told when Redis is back

	dropped atomic.Int64

	mu     sync.Mutex
	err    error // why it is away; nil when it isn't
	since  time.Time
	warned time.Time
	kept   []keptMove
	back   chan struct{} // closed when it is back
}

// keptMove is a move that waits for Redis to be back.
type keptMove struct {
	doing string
	move  func(context.Context) error
}

func newAbsence(s *redislink.Store, log *slog.Logger) *absence { return &absence{store: s, log: log} }

// cause returns why Redis is away; nil when it isn't, as far as is known.
func (a *absence) cause() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// returned returns a channel that is closed once Redis is back; nil when it isn't away.
func (a *absence) returned() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		return nil
	}
	return a.back
}

// begin notes that Redis is away and looks for its return in the background.
func (a *absence) begin(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return
	}
	a.err, a.since, a.back = err, time.Now(), make(chan struct{})
	if redislink.IsRefused(err) {
		a.warn("Redis refuses this login: jobs run without claims until it has the rights of its role (siren "+
			"redis-acl)",
			slog.Any("error", err))
	} else {
		a.warn("Redis is away: jobs run without claims until it is back", slog.Any("error", err))
	}
	a.store.Spawn(a.awaitReturn)
}

// warn logs at most one warning per warnEvery. The caller holds mu.
func (a *absence) warn(message string, attrs ...any) {
	if time.Since(a.warned) >= warnEvery {
		a.warned = time.Now()
		a.log.Warn(message, attrs...)
	}
}

// keep puts a move into the buffer; an error says that it is full. When Redis has come back in the meantime the move is
// written next.
func (a *absence) keep(doing string, move func(context.Context) error, cause error) error {
	a.begin(cause)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= maxKept {
		a.dropped.Add(1)
		return fmt.Errorf("%s: %w, and %d ends of jobs are buffered already", doing, lanes.ErrAway, maxKept)
	}
	a.kept = append(a.kept, keptMove{doing, move})
	return nil
}

// isUnserved reports whether err says that Redis does nothing for us right now.
func isUnserved(err error) bool { return redislink.IsAway(err) || redislink.IsRefused(err) }

// awaitReturn ends when Redis is back and everything kept is written, or with the store.
func (a *absence) awaitReturn(life context.Context) {
	every, still := probeEvery, "Redis is still away"
	refused := redislink.IsRefused(a.cause())
	if refused {
		every, still = permitEvery, "Redis still refuses this login"
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for wait := refused; ; wait = false {
		if !wait && a.there(life) && a.writeKept(life) {
			return
		}
		select {
		case <-ticker.C:
			a.mu.Lock()
			a.warn(still, slog.Time("since", a.since), slog.Int("buffered", len(a.kept)), slog.Any("error", a.err))
			a.mu.Unlock()
		case <-life.Done():
			a.abandon()
			return
		}
	}
}

func (a *absence) there(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	return a.store.Client().Ping(ctx).Err() == nil
}

// writeKept writes what is kept, oldest first. It is false when Redis went away again.
func (a *absence) writeKept(life context.Context) bool {
	written := 0
	for {
		next, ok := a.oldest(written)
		if !ok {
			return true
		}
		ctx, cancel := context.WithTimeout(life, moveTimeout)
		err := next.move(ctx)
		cancel()
		another := errors.Is(err, work.ErrLost) || errors.Is(err, work.ErrCancelled) // the record has another end
		if life.Err() != nil || !another && isUnserved(err) {
			return false
		}
		if err != nil {
			if !another {
				a.dropped.Add(1)
			}
			a.log.Warn("the end of a job came too late for the ledger", slog.String("move", next.doing),
				slog.Any("error", err))
		}
		written++
		a.mu.Lock()
		a.kept = a.kept[1:]
		a.mu.Unlock()
	}
}

// oldest returns the next move to write. When there is none Redis counts as back.
func (a *absence) oldest(written int) (keptMove, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) > 0 {
		return a.kept[0], true
	}
	warned := !a.warned.Before(a.since)                         // of this absence
	if warned && (written > 0 || !redislink.IsRefused(a.err)) { // of a refusal nobody knows yet whether it has ended
		a.log.Info("Redis is back", slog.Duration("away", time.Since(a.since)), slog.Int("written", written))
	}
	a.err, a.since, a.kept = nil, time.Time{}, nil
	a.onBack()
	close(a.back)
	return keptMove{}, false
}

// abandon says what is lost with the store.
func (a *absence) abandon() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.kept); n > 0 {
		a.dropped.Add(int64(n))
		a.log.Error("the ledger will never know how some jobs ended: Redis stayed away until the end",
			slog.Int("jobs", n), slog.Any("error", a.err))
	}
}
