package jobcmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/lanes/job"
)

func newJobsGet(a *app.App) *cobra.Command {
	var o show.Output
	c := &cobra.Command{
		Use:               "get ID …",
		Short:             "Show everything known of jobs",
		Example:           "  siren jobs get 06ezy…\n  siren jobs get 06ezy… -o json",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.CompleteJobs(),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.WithLedger(func(ledger *jobledger.Ledger) error {
				var records []job.Record
				var missing error
				for _, id := range ids {
					r, err := ledger.Find(cmd.Context(), id)
					if app.RedisNotFound(err) {
						missing = errors.Join(missing, operate.NoJob(id))
						continue
					}
					if err != nil {
						return err
					}
					a.WarnOfBorne(id, r)
					records = append(records, r)
				}
				var err error
				switch {
				case len(ids) == 1 && len(records) == 1:
					err = o.Print(a.Out, records[0])
				case len(records) > 0:
					err = o.Print(a.Out, records)
				}
				if err != nil {
					return err
				}
				return missing
			})
		},
	}
	app.FormFlag(c, &o, "yaml", "json")
	return c
}
