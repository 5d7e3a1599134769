package lanecmd

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/lanes/audit"
)

func NewAudit(a *app.App) *cobra.Command {
	o := show.Listing{}
	var since time.Duration
	var limit int
	var verb, on string
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show who changed what, and why",
		Long: `Show who changed what, when, and why, the latest first. About 10,000 entries are kept, as long as
Redis keeps its data. A command makes one entry, however many jobs it was about: how many, how they
were chosen, and the ids of the first twenty (-o wide), by which --on finds it too. BY is who it was
by their own account (--user); LOGIN is the Redis user whose password they had (-o wide); siren
redis-acl --user makes one a person.`,
		Example: "  siren audit --since 24h\n  siren audit --did tune\n  siren audit --on lanes.express",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			most, err := app.AtMost(limit)
			if err != nil {
				return err
			}
			if id, job := strings.CutPrefix(on, "job/"); job { // as -o name prints it
				on = "job " + id
			} else if lane, ok := strings.CutPrefix(on, "lane/"); ok {
				on = "lane " + lane
			}
			return a.Operate(func(op *app.Operator) error {
				return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
					from, err := app.Ago(since, op.Now())
					if err != nil {
						return nil, nil, err
					}
					entries, err := op.Tunings.Audit(cmd.Context(), from, math.MaxInt)
					entries = slices.DeleteFunc(entries, func(e audit.Entry) bool {
						return verb != "" && e.Verb != verb || !e.About(on)
					})
					entries = entries[:min(len(entries), most)]
					return entries, auditTable(entries), err
				})
			})
		},
	}
	c.Flags().DurationVar(&since, "since", 0, "only what was done at most this long ago (0: all that is kept)")
	c.Flags().IntVar(&limit, "limit", 100, "at most this many entries, the latest first; 0: all")
	app.OneOf(c, &verb, "did", "", "only what was done by this `VERB`", auditVerbs...)
	c.Flags().StringVar(&on, "on", "", "only what was done to this field, lane or job, or what begins so: "+
		"lanes.express, lane/bulk, job/06ezy…")
	app.ListFlags(c, &o)
	return c
}

// auditVerbs is all that an entry may be about.
var auditVerbs = []string{
	"tune", "remove", "expire", "restore", "begin", "end", "move", "migrate", "purge", "cancel", "retry", "replay",
	"promote", // as the move of single jobs was called before
}

func auditTable(entries []audit.Entry) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("WHEN"), col("BY"), col("LOGIN").Wide(), col("DID"), col("ON"), col("BEFORE"), col("AFTER"),
		num("JOBS"), col("UNTIL"), col("REASON"), col("SCHEDULE").Wide(), col("SAMPLE").Wide())
	t.Spare("SAMPLE", "SCHEDULE", "LOGIN", "UNTIL", "JOBS", "BEFORE", "AFTER", "BY")
	t.Empty = "nothing was changed by hand, as far as this log goes back"
	for _, e := range entries {
		jobs, until := "", ""
		if e.Jobs > 0 {
			jobs = fmt.Sprint(e.Jobs)
		}
		if !e.Until.IsZero() {
			until = stamp(e.Until)
		}
		t.Add(stamp(e.At), e.By, cmp.Or(e.Login, "-"), e.Verb, e.On, e.Before, e.After, jobs, until, e.Reason,
			e.Schedule, strings.Join(e.Sample, " "))
	}
	return t
}

// stamp returns a time as tables show it, in the terminal's time zone.
func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }
