package jobcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

func newJobsCancel(a *app.App) *cobra.Command {
	v := JobVerb{Verb: "cancel", Past: "cancelled", may: jobs.Cancellable}
	c := &cobra.Command{
		Use:   "cancel [ID …]",
		Short: "Call off jobs, running ones too",
		Long: `Call off jobs: those named, or those that a filter chooses. A waiting one is skipped when it comes
up. A running one is stopped: its programs end within two seconds, and the command waits for that.
Its output doesn't appear, unless it had been committed already: then the job is completed.

` + bulkHelp,
		Example: `  siren jobs cancel 06ezy… --reason "uploaded twice"
  siren jobs cancel --lane bulk -l batch=7 --dry-run
  siren jobs cancel --lane bulk --state queued --older-than 24h --yes`,
		ValidArgsFunction: a.CompleteJobs(jobs.Cancellable...),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return v.run(cmd.Context(), a, ids, func(o *app.Operator) (*jobs.Work, error) {
				return jobs.Cancel(o.Desk(), job.State(v.State)), nil
			})
		},
	}
	v.end = v.awaitStopped
	v.flags(a, c)
	return c
}

// awaitStopped waits for the programs of running jobs that were called off, and says what became of them.
func (v *JobVerb) awaitStopped(ctx context.Context, o *app.Operator) error {
	left, err := jobs.AwaitStopped(ctx, o.Desk(), v.running)
	if err != nil {
		return err
	}
	stopped, silent := 0, 0
	for _, id := range v.running {
		r, unknown := left[id]
		switch {
		case unknown && r.State == job.Completed:
			v.refused.Add(jobs.Committed(id))
		case unknown && v.refused.Named:
			fmt.Fprintf(o.Out, "job/%s cancelled; its worker %s hasn't said yet that its programs have ended\n", id,
				r.Worker)
		case v.refused.Named:
			fmt.Fprintf(o.Out, "job/%s cancelled; its programs have ended\n", id)
		case unknown:
			silent++
		default:
			stopped++
		}
	}
	if stopped > 0 {
		fmt.Fprintf(o.Out, "%d of them ran; %s programs have ended\n", stopped, say.Verb(stopped, "its", "their"))
	}
	if silent > 0 {
		fmt.Fprintf(o.Err, "%d of them ran, and no worker has said yet that %s programs have ended\n", silent,
			say.Verb(silent, "its", "their"))
	}
	return nil
}
