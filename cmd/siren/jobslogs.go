package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/internal/operate"
)

func newJobsLogs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "logs ID",
		Short: "Print the end of what a job's programs said",
		Long: `Print the end of what a job's programs (ffmpeg, ffprobe) said in its latest attempt, at most 8 KiB. It is kept as long as the job's
record, and follows a running job by a second or so.`,
		Example:           "  siren jobs logs 06ezy…",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: upTo(1, a.completeJobs()),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(func(o *operator) error {
				text, err := o.ledger.Log(cmd.Context(), args[0])
				if !redisNotFound(err) {
					if err == nil {
						fmt.Fprint(a.out, text)
					}
					return err
				}
				r, err := o.ledger.Get(cmd.Context(), args[0])
				if redisNotFound(err) {
					return operate.NoJob(args[0])
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "job %s is %s; its programs have said nothing\n", r.ID, r.State)
				return nil
			})
		},
	}
}
