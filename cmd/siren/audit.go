package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/lanes"
)

func newAudit(a *app) *cobra.Command {
	o := listing{}
	var since time.Duration
	var limit int
	c := &cobra.Command{
		Use:     "audit",
		Short:   "Show who changed what, and why",
		Example: "  siren audit --since 24h\n  siren audit -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			most, err := atMost(limit)
			if err != nil {
				return err
			}
			return a.operate(func(op *operator) error {
				return o.show(cmd.Context(), a.streams, func() (any, *table, error) {
					from, err := ago(since)
					if err != nil {
						return nil, nil, err
					}
					entries, err := op.tunings.Audit(cmd.Context(), from, most)
					return entries, auditTable(entries), unreachable(err)
				})
			})
		},
	}
	c.Flags().DurationVar(&since, "since", 0, "only what was done so long ago at most (0: all that is kept)")
	c.Flags().IntVar(&limit, "limit", 100, "at most so many entries, the latest first; 0: all")
	o.flags(c)
	return c
}

func auditTable(entries []lanes.AuditEntry) *table {
	t := newTable(col("WHEN"), col("BY"), col("DID"), col("ON"), col("BEFORE"), col("AFTER"), num("JOBS"), col("UNTIL"), col("REASON"))
	t.empty = "nothing was changed by hand"
	for _, e := range entries {
		jobs, until := "", ""
		if e.Jobs > 0 {
			jobs = fmt.Sprint(e.Jobs)
		}
		if !e.Until.IsZero() {
			until = stamp(e.Until)
		}
		t.add(stamp(e.At), e.By, e.Verb, e.On, e.Before, e.After, jobs, until, e.Reason)
	}
	return t
}

// stamp is a time as tables show it, in the terminal's time zone.
func stamp(t time.Time) string { return t.Local().Format("01-02 15:04:05") }
