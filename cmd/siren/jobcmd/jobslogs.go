package jobcmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate"
)

func newJobsLogs(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "logs ID",
		Short: "Print the end of what a job's programs said",
		Long: `Print the end of what a job's programs (ffmpeg, ffprobe) said in its latest attempt, at most 8 KiB.
It is kept as long as the job's record, and follows a running job by a second or so.`,
		Example:           "  siren jobs logs 06ezy…",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompleteJobs()),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Operate(func(o *app.Operator) error {
				text, err := o.Ledger.Log(cmd.Context(), args[0])
				if !app.RedisNotFound(err) {
					if err == nil {
						fmt.Fprint(a.Out, text)
					}
					return err
				}
				r, err := o.Ledger.Get(cmd.Context(), args[0])
				if app.RedisNotFound(err) {
					return operate.NoJob(args[0])
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(a.Err, "job %s is %s; its programs have said nothing\n", r.ID, r.State)
				return nil
			})
		},
	}
}
