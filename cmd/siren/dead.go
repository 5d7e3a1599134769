package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

func newDead(a *app) *cobra.Command {
	verbs := []*cobra.Command{newDeadSummary(a), newDeadShow(a), newDeadReplay(a), newDeadPurge(a), newDeadExport(a)}
	takePrefixed("job/", verbs[1:4])
	return parent("dead", "Show jobs that can't succeed, and why; replay them, or throw them away", newDeadList(a), verbs...)
}

func newDeadList(a *app) *cobra.Command {
	var f deadFilter
	var fromQueue bool
	o := listing{kind: "job"}
	c := &cobra.Command{
		Use:   "list",
		Short: "List jobs that can't succeed, the latest first",
		Long: `List jobs that can't succeed, the latest dead first, by their records. A record is kept for a while after the job's death (timing.keep in the
policy), its letter in siren.dead until somebody replays or purges it. --from-queue reads the letters themselves: they are out of the queue meanwhile, some
seconds for ten thousand of them.`,
		Example: "  siren dead list --lane express --since 1h\n  siren dead list --died-of timed-out --tenant acme -o json\n  siren dead list --from-queue --older-than 24h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if fromQueue && f.after != "" {
				return exit(exitUsage, errors.New("--after goes on in the records' list; --from-queue has no pages, only --limit"))
			}
			return a.operate(func(op *operator) error {
				ctx := cmd.Context()
				if fromQueue {
					return o.show(ctx, a.streams, func() (any, *table, error) { return op.deadInQueue(ctx, &f) })
				}
				beyond := op.lettersBeyond()
				defer beyond.close()
				return o.show(ctx, a.streams, func() (any, *table, error) {
					records, next, err := f.list(ctx, op.ledger)
					t := deadTable(records)
					if err == nil && f.after == "" {
						beyond.say(ctx, t)
					}
					t.goesOn(next)
					return records, t, err
				})
			})
		},
	}
	f.flags(a, c)
	f.paging(c)
	c.Flags().BoolVar(&fromQueue, "from-queue", false, "list the letters in siren.dead, also those of jobs without a record")
	o.flags(c)
	return c
}

func deadTable(records []lanes.Record) *table {
	t := newTable(col("ID"), col("LANE"), col("KIND"), num("DIED"), num("ATTEMPTS"), col("REASON"), col("TENANT").wide(), col("WORKER").wide(), col("INPUT").wide(),
		col("ERROR").clipped(100))
	t.empty = "no dead letters"
	now := time.Now()
	for _, r := range records {
		t.add(r.ID, or(r.Lane, "-"), or(r.Kind, "-"), age(r.EndedAt, now), fmt.Sprint(r.Attempts), or(r.Reason, "-"), or(r.Labels[tenantLabel], "-"),
			or(r.Worker, "-"), or(r.Input, "-"), r.Error)
	}
	return t
}

// letterCount looks whether siren.dead has more letters than the ledger knows of.
type letterCount struct {
	o    *operator
	conn *rabbit.Conn // nil until it is needed
	gave bool         // up: the broker can't be reached
}

// lettersBeyond begins it. It has to be closed.
func (o *operator) lettersBeyond() *letterCount { return &letterCount{o: o} }

func (c *letterCount) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// countWithin is how long a list waits for the broker, which it doesn't need.
const countWithin = time.Second

// say warns of letters that no list by the records shows.
func (c *letterCount) say(ctx context.Context, t *table) {
	if c.gave {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, countWithin)
	defer cancel()
	letters, err := c.count(bounded)
	if err != nil {
		c.gave = true
		if ctx.Err() == nil && !errors.Is(err, rabbit.ErrUndeclared) {
			t.warn("whether siren.dead has more letters than these isn't known: %v", err)
		}
		return
	}
	known, err := c.o.ledger.CountDead(ctx)
	if err == nil && letters > known {
		t.warn("siren.dead has %s, and %s a record: --from-queue lists what lies there", plural(letters, "letter"), tally(known, "dead job has", "dead jobs have"))
	}
}

func (c *letterCount) count(ctx context.Context) (int, error) {
	if c.conn == nil {
		conn, err := c.o.broker("siren dead list", slog.New(slog.DiscardHandler))
		if err != nil {
			return 0, err
		}
		c.conn = conn
	}
	return rabbit.CountDead(ctx, c.conn)
}

// tally is a number of things with what they do: 1 job has, 2 jobs have.
func tally(n int, one, many string) string { return fmt.Sprint(n) + " " + verb(n, one, many) }
