package jobcmd

import (
	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/lanes/job"
)

func newJobsRetry(a *app.App) *cobra.Command {
	var to string
	v := JobVerb{Verb: "retry", Past: "retried", may: append([]job.State{job.Running}, jobs.Retryable...)}
	c := &cobra.Command{
		Use:   "retry [ID …]",
		Short: "Run dead, retrying, cancelled or missing jobs again at once",
		Long: `Put jobs that are dead, cancelled, missing or waiting for their next attempt back into their lane at
once: those named, or those that a filter chooses, the oldest first. A dead job's message is taken
from the dead letters when its copy is safe. A job that is recorded as running, but whose worker
vanished a minute ago, can be retried too: if it has ended already, nothing runs twice.

Without --state a filter chooses dead, missing and retrying jobs; cancelled ones come back with
--state cancelled alone. siren dead replay does it at a pace, and can change params.

` + bulkHelp,
		Example: `  siren jobs retry 06ezy…
  siren jobs retry --lane bulk --state retrying --reason "the storage is back"
  siren jobs retry --state cancelled --since 10m --to bulk --yes`,
		ValidArgsFunction: a.CompleteJobs(jobs.Retryable...),
		RunE: func(cmd *cobra.Command, ids []string) error {
			target, err := v.target(to, ids)
			if err != nil {
				return err
			}
			return v.run(cmd.Context(), a, ids, func(o *app.Operator) (*jobs.Work, error) {
				e, err := o.InForce(cmd.Context())
				if err == nil && target != "" {
					err = operate.RequireLane(e, target, false)
				}
				v.to = target
				return jobs.Retry(o.Desk(), e.Policy, target), err
			})
		},
	}
	v.flags(a, c)
	c.Flags().StringVar(&to, "to", "", "`LANE` to put them into (default their own)")
	c.Flags().Lookup("lane").Usage = "only jobs of this lane; beside ids the same as --to"
	app.CompleteFlag(c, "to", a.CompleteLanes)
	return c
}
