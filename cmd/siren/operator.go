package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
)

// operator is somebody who looks at the running system, or changes it.
type operator struct {
	*app
	log     *slog.Logger
	board   *redis.Board
	ledger  *jobledger.Ledger
	roster  *redis.Roster
	tunings *redis.Tunings
}

// operate calls f with all that is known of the running system.
func (a *app) operate(f func(*operator) error) error {
	log, err := a.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	return a.withStore(func(store *redislink.Store) error {
		quiet := slog.New(slog.DiscardHandler) // what goes wrong is said by the command
		return f(&operator{
			app: a, log: log, board: redis.NewBoard(store, quiet), ledger: jobledger.New(store, quiet),
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
func (o *operator) connect(ctx context.Context, name string) (*rabbitlink.Conn, error) {
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

// desk is what the operator's hand reaches.
func (o *operator) desk() *operate.Desk {
	return &operate.Desk{
		Ledger: o.ledger, Board: o.board, Audit: auditor{o.tunings, o.user}, Connect: o.connect, Now: o.now, Warn: o.warn,
	}
}

// auditor is the audit log for somebody by that name, "" for whoever the system says.
type auditor struct {
	*redis.Tunings
	user string
}

// Note adds an entry of what they did, and why.
func (a auditor) Note(ctx context.Context, e lanes.AuditEntry) error {
	e.By, e.Reason = who(a.user), show.Harmless(e.Reason)
	return a.Tunings.Note(ctx, e)
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
