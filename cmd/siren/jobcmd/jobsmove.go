package jobcmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/jobs"
)

func newJobsMove(a *app.App) *cobra.Command {
	var to string
	v := JobVerb{Verb: "move", Past: "moved", may: jobs.Movable}
	c := &cobra.Command{
		Use:     "move [ID …]",
		Aliases: []string{"promote"}, // as it was called before
		Short:   "Put queued jobs into another lane",
		Long: `Put queued jobs into another lane: those named, or those that a filter chooses, the oldest first. A
fresh copy goes there, and the original is recognised and skipped when it comes up. A job that has
started meanwhile is left alone. There is no default lane: --to names it. siren lanes move puts a
whole lane's waiting jobs elsewhere. siren jobs promote is this command's former name.

` + bulkHelp,
		Example: `  siren jobs move 06ezy… --to express --reason "the customer is on the phone"
  siren jobs move --lane bulk -l tenant=acme --to express`,
		ValidArgsFunction: a.CompleteJobs(jobs.Movable...),
		RunE: func(cmd *cobra.Command, ids []string) error {
			target, err := v.target(to, ids)
			if err != nil {
				return err
			}
			if target == "" {
				return exit.With(exit.Usage, errors.New("say which lane they are to be put into: --to"))
			}
			return v.run(cmd.Context(), a, ids, func(o *app.Operator) (*jobs.Work, error) {
				e, err := o.InForce(cmd.Context())
				if err != nil {
					return nil, err
				}
				v.to = target
				return jobs.Move(o.Desk(), e.Policy, target), operate.RequireLane(e, target, false)
			})
		},
	}
	v.flags(a, c)
	c.Flags().StringVar(&to, "to", "", "`LANE` to put them into (required)")
	c.Flags().Lookup("lane").Usage = "only jobs of this lane; beside ids the same as --to"
	app.CompleteFlag(c, "to", a.CompleteLanes)
	return c
}
