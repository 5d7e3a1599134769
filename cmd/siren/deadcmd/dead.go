package deadcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

func NewDead(a *app.App) *cobra.Command {
	verbs := []*cobra.Command{newDeadSummary(a), newDeadShow(a), newDeadReplay(a), newDeadPurge(a), newDeadExport(a)}
	app.TakePrefixed("job/", verbs[1:4])
	return app.Parent("dead", "Show jobs that can't succeed, and why; replay them, or throw them away", newDeadList(a),
		verbs...)
}

func newDeadList(a *app.App) *cobra.Command {
	var f choose.Dead
	var fromQueue bool
	o := show.Listing{Kind: "job"}
	c := &cobra.Command{
		Use:   "list",
		Short: "List jobs that can't succeed, the latest first",
		Long: `List jobs that can't succeed, the latest dead first, by their records. A record is kept for a while
after the job's death (timing.keep in the policy), its letter in siren.dead until somebody replays
or purges it. --from-queue reads the letters themselves: they are out of the queue meanwhile, some
seconds for ten thousand of them.`,
		Example: "  siren dead list --lane express --since 1h\n  siren dead list --died-of timed-out --tenant acme " +
			"-o json\n  siren dead list --from-queue --older-than 24h",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.Check(); err != nil {
				return err
			}
			if fromQueue && f.After != "" {
				return exit.With(exit.Usage, errors.New("--after goes on in the records' list; --from-queue has no "+
					"pages, only --limit"))
			}
			return a.Operate(func(op *app.Operator) error {
				ctx := cmd.Context()
				if fromQueue {
					return o.Show(ctx, a.Out, a.Err, func() (any, *show.Table, error) {
						return deadInQueue(ctx, op, &f)
					})
				}
				beyond := &letterCount{o: op}
				defer beyond.close()
				return o.Show(ctx, a.Out, a.Err, func() (any, *show.Table, error) {
					records, next, err := f.List(ctx, op.Ledger, op.Now())
					if err == nil && len(records) == 0 {
						err = op.NothingOf(ctx, f.Lane)
					}
					t := deadTable(records, nil, op.Now())
					if err == nil && f.After == "" {
						beyond.say(ctx, t)
					}
					choose.GoesOn(t, next)
					return records, t, err
				})
			})
		},
	}
	f.Flags(a, c)
	f.Paging(c)
	c.Flags().BoolVar(&fromQueue, "from-queue", false,
		"list the letters in siren.dead, also those of jobs without a record")
	app.ListFlags(c, &o)
	return c
}

// deadTable makes the table of dead jobs. states holds what their records say now; nil: that isn't shown.
func deadTable(records []job.Record, states []job.State, now time.Time) *show.Table {
	col, num := show.Col, show.Num
	columns := []show.Column{
		show.ID(), col("LANE"), col("KIND"), num("DIED"), num("ATTEMPTS"), col("REASON"), col("TENANT").Wide(),
		col("WORKER").Wide(), col("INPUT").Wide(),
		col("ERROR").Clipped(100),
	}
	if states != nil {
		columns = slices.Insert(columns, 1, show.Col("JOB NOW"))
	}
	t := show.NewTable(columns...)
	t.Spare("INPUT", "WORKER", "TENANT", "ATTEMPTS", "KIND", "DIED", "ERROR", "ID", "LANE")
	t.Empty = "no dead letters"
	for i, r := range records {
		cells := []string{
			r.ID, cmp.Or(r.Lane, "-"), cmp.Or(r.Kind, "-"), say.Age(r.EndedAt, now), fmt.Sprint(r.Attempts),
			cmp.Or(r.Reason, "-"),
			cmp.Or(r.Labels[dead.TenantLabel], "-"), cmp.Or(r.Worker, "-"), cmp.Or(r.Input, "-"), r.Error,
		}
		if states != nil {
			cells = slices.Insert(cells, 1, cmp.Or(string(states[i]), "no record"))
		}
		t.Add(cells...)
	}
	return t
}

// letterCount looks whether siren.dead has more letters than the ledger knows of. It has to be closed.
type letterCount struct {
	o    *app.Operator
	conn *rabbitlink.Conn // nil until it is needed
	gave bool             // up: the broker can't be reached
}

func (c *letterCount) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// countWithin is how long a list waits for the broker, which it doesn't need.
const countWithin = time.Second

// noRecord is said where no record tells of a dead job, and there may be letters all the same.
const noRecord = "no dead job has a record"

// say warns of letters that no list by the records shows.
func (c *letterCount) say(ctx context.Context, t *show.Table) {
	if c.gave {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, countWithin)
	defer cancel()
	var err error
	letters := 0
	if c.conn == nil {
		c.conn, err = c.o.Broker("siren dead list", slog.New(slog.DiscardHandler))
	}
	if err == nil {
		letters, err = rabbit.CountDead(bounded, c.conn)
	}
	if err != nil {
		c.gave = true
		if ctx.Err() == nil && !errors.Is(err, rabbitlink.ErrUndeclared) {
			t.Empty = noRecord
			t.Warn("whether siren.dead has more letters than these isn't known: %v", err)
		}
		return
	}
	known, err := c.o.Ledger.CountDead(ctx)
	if err == nil && letters > known {
		t.Empty = noRecord
		t.Warn("siren.dead has %s, and %s a record: --from-queue lists what lies there", say.Plural(letters, "letter"),
			app.Tally(known, "dead job has", "dead jobs have"))
	}
}

// queuedLetter is a dead letter in a list of siren.dead.
type queuedLetter struct {
	job.Record
	Now job.State `json:"now,omitempty"` // the state of the job by its record; absent when it has none
}

// deadInQueue lists the letters in siren.dead that a filter chooses, the latest first.
func deadInQueue(ctx context.Context, o *app.Operator, f *choose.Dead) (any, *show.Table, error) {
	most, err := app.AtMost(f.Limit)
	if err != nil {
		return nil, nil, err
	}
	letters, err := dead.Read(ctx, o.Desk(), f.Chooser(o.Now()))
	if err == nil && len(letters) == 0 {
		err = o.NothingOf(ctx, f.Lane)
	}
	slices.SortStableFunc(letters, func(x, y dead.Letter) int { return y.Facts.EndedAt.Compare(x.Facts.EndedAt) })
	more := len(letters) - most
	letters = letters[:min(len(letters), most)]
	records := make([]job.Record, len(letters))
	states := make([]job.State, len(letters))
	list := make([]queuedLetter, len(letters))
	for i, l := range letters {
		records[i], list[i] = l.Facts, queuedLetter{Record: l.Facts}
		if l.Record != nil {
			states[i], list[i].Now = l.Record.State, l.Record.State
		}
	}
	t := deadTable(records, states, o.Now())
	if more > 0 {
		t.Warn("there are %d more; --limit says how many are listed", more)
	}
	return list, t, err
}
