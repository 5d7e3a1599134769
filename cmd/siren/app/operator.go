package app

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
	"github.com/polyglot-media/siren/lanes/audit"
)

// Operator is somebody who looks at the running system, or changes it.
type Operator struct {
	*App
	Log     *slog.Logger
	Board   *redis.Board
	Ledger  *jobledger.Ledger
	Roster  *redis.Roster
	Tunings *redis.Tunings
	Efforts *redis.Efforts
}

// Operate calls f with all that is known of the running system.
func (a *App) Operate(f func(*Operator) error) error {
	log, err := a.Logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	return a.withStore(func(store *redislink.Store) error {
		quiet := slog.New(slog.DiscardHandler) // what goes wrong is said by the command
		return f(&Operator{
			App: a, Log: log, Board: redis.NewBoard(store, quiet), Ledger: jobledger.New(store, quiet),
			Roster: redis.NewRoster(store, quiet), Tunings: redis.NewTunings(store, quiet),
			Efforts: redis.NewEfforts(store),
		})
	})
}

// InForce returns the policy in force.
func (o *Operator) InForce(ctx context.Context) (lanes.Effective, error) {
	return operate.InForce(ctx, o.Board)
}

// connect opens a connection to the broker, and waits for it.
func (o *Operator) connect(ctx context.Context, name string) (*rabbitlink.Conn, error) {
	e, err := o.Endpoints()
	if err != nil {
		return nil, err
	}
	return e.Connect(ctx, o.Now, "siren "+name, o.Log)
}

// Desk returns the desk at which the operator works.
func (o *Operator) Desk() *operate.Desk {
	return &operate.Desk{
		Ledger: o.Ledger, Board: o.Board, Audit: auditor{o.Tunings, o.User}, Connect: o.connect, Now: o.Now,
		Warn: o.Warn,
	}
}

// auditor is the audit log for somebody by that name, "" for whoever the system says.
type auditor struct {
	*redis.Tunings
	user string
}

// Note adds an entry of what they did, and why.
func (a auditor) Note(ctx context.Context, e audit.Entry) error {
	e.By, e.Reason = Who(a.user), show.Harmless(e.Reason)
	return a.Tunings.Note(ctx, e)
}

// Ago returns the time that --since means; 0 is the beginning of all.
func Ago(since time.Duration, now time.Time) (time.Time, error) {
	switch {
	case since < 0:
		return time.Time{}, exit.With(exit.Usage, fmt.Errorf("--since %s: say how long ago, as in 2h", since))
	case since == 0:
		return time.Time{}, nil
	default:
		return now.Add(-since), nil
	}
}

// AtMost returns the number that --limit means; 0 is all.
func AtMost(limit int) (int, error) {
	switch {
	case limit < 0:
		return 0, exit.With(exit.Usage, fmt.Errorf("--limit %d: say how many at most, or 0 for all", limit))
	case limit == 0:
		return math.MaxInt, nil
	default:
		return limit, nil
	}
}
