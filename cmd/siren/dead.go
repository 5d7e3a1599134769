package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

func newDead(a *app) *cobra.Command {
	show := newDeadShow(a)
	takePrefixed("job/", []*cobra.Command{show})
	return parent("dead", "Show jobs that can't succeed, and why", newJobsList(a, lanes.Dead), show)
}

func deadTable(records []lanes.Record) *table {
	t := newTable(col("ID"), col("LANE"), col("KIND"), num("DIED"), num("ATTEMPTS"), col("REASON"), col("WORKER").wide(), col("INPUT").wide(),
		col("ERROR").clipped(100))
	t.empty = "no dead letters"
	now := time.Now()
	for _, r := range records {
		t.add(r.ID, r.Lane, r.Kind, age(r.EndedAt, now), fmt.Sprint(r.Attempts), r.Reason, or(r.Worker, "-"), or(r.Input, "-"), r.Error)
	}
	return t
}

// deadLetter is a dead job as `siren dead show` prints it.
type deadLetter struct {
	Record *lanes.Record   `json:"record,omitempty"` // absent once it has expired
	Letter *letter         `json:"letter,omitempty"` // absent when siren.dead doesn't have it (any more)
	Job    json.RawMessage `json:"job,omitempty"`    // the message's body, where it is JSON
}

// letter is a message in siren.dead but for its body.
type letter struct {
	Lane       string    `json:"lane"`
	Reason     string    `json:"reason"`
	Error      string    `json:"error"`
	Attempts   int       `json:"attempts"`
	EnqueuedAt time.Time `json:"enqueuedAt,omitzero"`
	ReadyAt    time.Time `json:"readyAt,omitzero"`
	DeadAt     time.Time `json:"deadAt,omitzero"`
	Body       string    `json:"body,omitempty"` // where it isn't JSON
}

func newDeadShow(a *app) *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:               "show ID",
		Short:             "Show a dead job with its message as it is in siren.dead",
		Example:           "  siren dead show 06ezy…\n  siren dead show 06ezy… -o json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: upTo(1, a.completeJobs(lanes.Dead)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			var d deadLetter
			err := a.withLedger(func(ledger *redis.Ledger) error {
				r, err := ledger.Get(cmd.Context(), id)
				if err == nil {
					d.Record = &r
				}
				if redisNotFound(err) {
					return nil
				}
				return unreachable(err)
			})
			if err != nil {
				return err
			}
			if err := a.findLetter(cmd, id, &d); err != nil {
				return err
			}
			switch {
			case d.Letter == nil && d.Record == nil:
				return exit(exitNotFound, fmt.Errorf("no dead job %q; `siren dead list` shows those there are", id))
			case d.Letter == nil && d.Record.State != lanes.Dead:
				return exit(exitNotFound, fmt.Errorf("job %q is %s, not dead; see `siren jobs get %s`", id, d.Record.State, id))
			}
			return o.print(a.out, d)
		},
	}
	o.flag(c, "yaml", "json")
	return c
}

// findLetter looks for the message in siren.dead, where it stays.
func (a *app) findLetter(cmd *cobra.Command, id string, d *deadLetter) error {
	log, err := a.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	conn, err := a.broker("siren dead show", log)
	if err != nil {
		return err
	}
	defer conn.Close()
	found, ok, err := rabbit.FindDead(cmd.Context(), conn, id)
	if err != nil || !ok {
		return unreachable(err)
	}
	d.Letter = &letter{
		Lane: found.Lane, Reason: found.Reason, Error: found.Error, Attempts: found.Attempts,
		EnqueuedAt: found.EnqueuedAt, ReadyAt: found.ReadyAt, DeadAt: found.DeadAt,
	}
	if json.Valid(found.Body) {
		d.Job = found.Body
	} else {
		d.Letter.Body = string(found.Body)
	}
	return nil
}
