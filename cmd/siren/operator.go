package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/dead"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// operator is somebody who looks at the running system, or changes it.
type operator struct {
	*app
	log     *slog.Logger
	board   *redis.Board
	ledger  *redis.Ledger
	roster  *redis.Roster
	tunings *redis.Tunings
}

// operate calls f with all that is known of the running system.
func (a *app) operate(f func(*operator) error) error {
	log, err := a.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	return a.withStore(func(store *redis.Store) error {
		quiet := slog.New(slog.DiscardHandler) // what goes wrong is said by the command
		return f(&operator{
			app: a, log: log, board: redis.NewBoard(store, quiet), ledger: redis.NewLedger(store, quiet),
			roster: redis.NewRoster(store, quiet), tunings: redis.NewTunings(store, quiet),
		})
	})
}

// inForce is the policy in force.
func (o *operator) inForce(ctx context.Context) (lanes.Effective, error) {
	return operate.InForce(ctx, o.board)
}

// connectWithin is how long a command waits for the broker: it is for a person, who waits.
const connectWithin = 5 * time.Second

// connect is a connection to the broker that is there.
func (o *operator) connect(ctx context.Context, name string) (*rabbit.Conn, error) {
	c, err := o.broker("siren "+name, o.log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	if err := c.Wait(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// letters is siren.dead, with what the ledger knows of its letters' jobs.
func (o *operator) letters() *dead.Box {
	return &dead.Box{Ledger: o.ledger, Connect: o.connect, Now: o.now, Warn: o.warn, Log: o.log}
}

// mayNote is the error that this login may not add to the audit log: then nothing that is noted there may be done.
func (o *operator) mayNote(ctx context.Context) error {
	return o.tunings.MayNote(ctx)
}

// note writes what was done into the audit log. That it can't be written is said, and undoes nothing.
func (o *operator) note(ctx context.Context, e lanes.AuditEntry) {
	e.By, e.Reason = who(o.user), show.Harmless(e.Reason)
	if err := o.tunings.Note(context.WithoutCancel(ctx), e); err != nil {
		o.warn("the audit log has no entry of this: %v", err)
	}
}

// ago is the time that --since says; 0 is the beginning of all.
func ago(since time.Duration, now time.Time) (time.Time, error) {
	switch {
	case since < 0:
		return time.Time{}, exit.With(exit.Usage, fmt.Errorf("--since %s: say how long ago, as in 2h", since))
	case since == 0:
		return time.Time{}, nil
	default:
		return now.Add(-since), nil
	}
}

// atMost is the number that --limit says; 0 is all.
func atMost(limit int) (int, error) {
	switch {
	case limit < 0:
		return 0, exit.With(exit.Usage, fmt.Errorf("--limit %d: say how many at most, or 0 for all", limit))
	case limit == 0:
		return math.MaxInt, nil
	default:
		return limit, nil
	}
}
