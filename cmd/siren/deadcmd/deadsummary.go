package deadcmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

// deadGroup is the dead jobs of one lane and kind that died of the same.
type deadGroup struct {
	Reason    string    `json:"reason"`
	Lane      string    `json:"lane"`
	Kind      string    `json:"kind"`
	Count     int       `json:"count"`
	Oldest    time.Time `json:"oldest,omitzero"` // death
	Newest    time.Time `json:"newest,omitzero"`
	LastError string    `json:"lastError"`
	LastID    string    `json:"lastID"`
}

func newDeadSummary(a *app.App) *cobra.Command {
	var f choose.Dead
	var fromQueue bool
	o := show.Listing{}
	c := &cobra.Command{
		Use:   "summary",
		Short: "Count dead jobs by reason, lane and kind",
		Long: `Count dead jobs by reason, lane and kind, the most first, with the last error of each group: what to
look at first when jobs die. It goes by the records; --from-queue by the letters in siren.dead, as
siren dead list does.`,
		Example: "  siren dead summary --since 1h\n  siren dead summary --tenant acme",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.Check(); err != nil {
				return err
			}
			return a.Operate(func(op *app.Operator) error {
				ctx := cmd.Context()
				beyond := &letterCount{o: op}
				defer beyond.close()
				return o.Show(ctx, a.Out, a.Err, func() (any, *show.Table, error) {
					records, err := everyDead(ctx, op, &f, fromQueue)
					groups := summed(records)
					if err == nil && len(groups) == 0 {
						err = op.NothingOf(ctx, f.Lane)
					}
					t := summaryTable(groups, op.Now())
					if err == nil && !fromQueue {
						beyond.say(ctx, t)
					}
					return groups, t, err
				})
			})
		},
	}
	f.Flags(a, c)
	c.Flags().BoolVar(&fromQueue, "from-queue", false,
		"count the letters in siren.dead, also those of jobs without a record")
	app.ListFlags(c, &o)
	return c
}

// everyDead returns the records of all dead jobs that the filter chooses.
func everyDead(ctx context.Context, o *app.Operator, f *choose.Dead, fromQueue bool) ([]job.Record, error) {
	if fromQueue {
		letters, err := dead.Read(ctx, o.Desk(), f.Chooser(o.Now()))
		records := make([]job.Record, len(letters))
		for i, l := range letters {
			records[i] = l.Facts
		}
		return records, err
	}
	records, _, err := f.List(ctx, o.Ledger, o.Now())
	return records, err
}

// summed counts dead jobs by reason, lane and kind, the largest group first.
func summed(records []job.Record) []deadGroup {
	groups := map[[3]string]*deadGroup{}
	for _, r := range records {
		key := [3]string{r.Reason, r.Lane, r.Kind}
		g := groups[key]
		if g == nil {
			g = &deadGroup{Reason: r.Reason, Lane: r.Lane, Kind: r.Kind, Oldest: r.EndedAt, Newest: r.EndedAt}
			groups[key] = g
		}
		g.Count++
		if r.EndedAt.Before(g.Oldest) {
			g.Oldest = r.EndedAt
		}
		if g.Count == 1 || r.EndedAt.After(g.Newest) {
			g.Newest, g.LastError, g.LastID = r.EndedAt, r.Error, r.ID
		}
	}
	all := make([]deadGroup, 0, len(groups))
	for _, g := range groups {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(x, y deadGroup) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), y.Newest.Compare(x.Newest), cmp.Compare(x.Reason, y.Reason),
			cmp.Compare(x.Lane, y.Lane), cmp.Compare(x.Kind, y.Kind))
	})
	return all
}

func summaryTable(groups []deadGroup, now time.Time) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("REASON"), col("LANE"), col("KIND"), num("COUNT"), num("OLDEST"), num("NEWEST"),
		col("LAST ID").Wide(), col("LAST ERROR").Clipped(100))
	t.Spare("LAST ID", "OLDEST", "NEWEST", "KIND")
	t.Empty = "no dead letters"
	for _, g := range groups {
		t.Add(cmp.Or(g.Reason, "-"), cmp.Or(g.Lane, "-"), cmp.Or(g.Kind, "-"), fmt.Sprint(g.Count),
			say.Age(g.Oldest, now), say.Age(g.Newest, now), g.LastID, g.LastError)
	}
	return t
}
