package scaler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
	"github.com/polyglot-media/siren/scaler/law"
)

// manyConflicts in a row are no longer an everyday event.
const manyConflicts = 30

// apply carries the plans out: parking first, then the replicas.
func (l *Loop) apply(ctx context.Context, d law.Decision, o facts.Observation) error {
	var errs []error
	for _, p := range d.Plans {
		if len(p.Park)+len(p.Unpark)+len(p.Retire) > 0 {
			if err := l.o.Roster.Order(ctx, p); err != nil {
				errs = append(errs, fmt.Errorf("pool %s: park and retire: %w", p.Pool, err))
				continue
			}
		}
		if p.From != p.To {
			err := l.o.Fleet.Scale(ctx, p.Pool, toScale(o, p.Pool), p.To, p.Remove)
			if errors.Is(err, lanes.ErrConflict) { // an everyday event: the next tick decides on what is there then
				l.conflicted(p, err)
				continue
			}
			delete(l.conflicts, p.Pool)
			if err != nil {
				errs = append(errs, fmt.Errorf("pool %s: %d → %d: %w", p.Pool, p.From, p.To, err))
				continue
			}
		}
		l.tell(ctx, p)
	}
	return errors.Join(errs...)
}

// silentFor is how long nothing has to be heard of a worker for it to be taken to do nothing.
const silentFor = time.Minute

// toScale returns a pool as it was seen, with which of its members are silent.
func toScale(o facts.Observation, pool string) fleet.PoolState {
	s := o.Pools[pool]
	heard := make(map[string]bool, len(o.Workers))
	for _, w := range o.Workers {
		heard[w.Worker] = heard[w.Worker] || o.At.Sub(w.At) <= silentFor
	}
	s.Members = slices.Clone(s.Members)
	for i := range s.Members {
		m := &s.Members[i]
		m.Silent = !heard[m.Name] && o.At.Sub(m.CreatedAt) > silentFor
	}
	return s
}

// conflicted logs a refused change; one that is refused for long needs somebody to look.
func (l *Loop) conflicted(p fleet.Plan, err error) {
	level := slog.LevelDebug
	if l.conflicts[p.Pool]++; l.conflicts[p.Pool]%manyConflicts == 0 {
		level = slog.LevelWarn
	}
	l.o.Log.Log(context.Background(), level, "the pool changed since the plan; the next tick decides again",
		"pool", p.Pool, "from", p.From, "to", p.To, "times", l.conflicts[p.Pool], "error", err)
}

// tell logs and records a plan that changes something, or that is there for another reason than the last one.
func (l *Loop) tell(ctx context.Context, p fleet.Plan) {
	last, told := l.said[p.Pool]
	if told && p.From == p.To && last.Reason == p.Reason && len(p.Retire) == 0 {
		return
	}
	l.said[p.Pool] = p
	l.o.Log.Info("plan", "pool", p.Pool, "from", p.From, "to", p.To, "reason", p.Reason, "why", p.Why,
		"park", len(p.Park), "retire", len(p.Retire), "remove", len(p.Remove))
	l.o.Metrics.plan(p)
	if err := l.o.Board.Record(ctx, p); err != nil {
		l.o.Log.Warn("record the plan", "pool", p.Pool, "error", err)
	}
}

// publish puts the policy in force and the snapshot on the board. The board is told the latest revision that anybody
// follows: when it has lost its data, it would count from 1 again, and the workers take no older revision than theirs.
func (l *Loop) publish(ctx context.Context, e lanes.Effective, d law.Decision, o facts.Observation) error {
	for _, w := range o.Workers {
		l.revision = max(l.revision, w.Revision)
	}
	e.Revision, e.Turns, e.NoGuests, e.Former = l.revision, d.Turns, d.NoGuests, o.Unused
	revision, err := l.o.Board.PublishPolicy(ctx, e)
	if err != nil {
		return fmt.Errorf("publish the policy: %w", err)
	}
	l.revision = revision
	d.Snapshot.Leader, d.Snapshot.Revision, d.Snapshot.Refused = l.o.Name, revision, *l.refused.Load()
	if err := l.o.Board.PutSnapshot(ctx, d.Snapshot); err != nil {
		return fmt.Errorf("publish the snapshot: %w", err)
	}
	return nil
}

// note tells the history of the tick. Nothing else waits for that.
func (l *Loop) note(ctx context.Context, s fleet.Snapshot) {
	if l.o.History == nil {
		return
	}
	if err := l.o.History(ctx, s); err != nil {
		l.o.Log.Debug("write the history", "error", err)
	}
}
