package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/lanes"
)

func newJobsPromote(a *app) *cobra.Command {
	var to string
	v := jobVerb{verb: "promote", past: "promoted", may: []lanes.State{lanes.Queued}, chosen: []lanes.State{lanes.Queued}}
	c := &cobra.Command{
		Use:   "promote [ID …]",
		Short: "Put queued jobs into another lane",
		Long: `Put queued jobs into another lane: those named, or those that a filter chooses, the oldest first. A fresh copy goes there, and the original is
recognised and skipped when it comes up. A job that has started meanwhile is left alone.

` + bulkHelp,
		Example: `  siren jobs promote 06ezy… --to express --reason "the customer is on the phone"
  siren jobs promote --lane bulk -l tenant=acme --to express`,
		ValidArgsFunction: a.completeJobs(lanes.Queued),
		RunE: func(cmd *cobra.Command, ids []string) error {
			target, err := v.target(to, ids)
			if err != nil {
				return err
			}
			if target == "" {
				return exit.With(exit.Usage, fmt.Errorf("say which lane they are to be put into: --to"))
			}
			return v.run(cmd.Context(), a, ids, func(o *operator, desk *jobs.Desk) (*jobs.Work, error) {
				e, err := o.inForce(cmd.Context())
				if err != nil {
					return nil, err
				}
				v.to = target
				return desk.Promote(e.Policy, target), known(e, target, false)
			})
		},
	}
	v.flags(a, c)
	c.Flags().StringVar(&to, "to", "", "`LANE` to put them into (required)")
	c.Flags().Lookup("lane").Usage = "only jobs of this lane; beside ids the same as --to"
	completeFlag(c, "to", a.completeLanes)
	return c
}

func newJobsRetry(a *app) *cobra.Command {
	var to string
	v := jobVerb{verb: "retry", past: "retried", may: append([]lanes.State{lanes.Running}, jobs.Retryable...), chosen: []lanes.State{lanes.Dead, lanes.Missing, lanes.Retrying}}
	c := &cobra.Command{
		Use:   "retry [ID …]",
		Short: "Run dead, retrying, cancelled or missing jobs again at once",
		Long: `Put jobs that are dead, cancelled, missing or waiting for their next attempt back into their lane at once: those named, or those that a filter
chooses, the oldest first. A dead job's message is taken from the dead letters when its copy is safe. A job that says running though its worker vanished a
minute ago can be retried too: had it ended already, that is found out, and nothing runs twice.

Without --state a filter chooses dead, missing and retrying jobs; cancelled ones come back with --state cancelled alone. siren dead replay does it at a
pace, and can change params.

` + bulkHelp,
		Example: `  siren jobs retry 06ezy…
  siren jobs retry --lane bulk --state retrying --reason "the storage is back"
  siren jobs retry --state cancelled --since 10m --to bulk --yes`,
		ValidArgsFunction: a.completeJobs(jobs.Retryable...),
		RunE: func(cmd *cobra.Command, ids []string) error {
			target, err := v.target(to, ids)
			if err != nil {
				return err
			}
			return v.run(cmd.Context(), a, ids, func(o *operator, desk *jobs.Desk) (*jobs.Work, error) {
				e, err := o.inForce(cmd.Context())
				if err == nil && target != "" {
					err = known(e, target, false)
				}
				v.to = target
				return desk.Retry(e.Policy, target), err
			})
		},
	}
	v.flags(a, c)
	c.Flags().StringVar(&to, "to", "", "`LANE` to put them into (default their own)")
	c.Flags().Lookup("lane").Usage = "only jobs of this lane; beside ids the same as --to"
	completeFlag(c, "to", a.completeLanes)
	return c
}

func newJobsCancel(a *app) *cobra.Command {
	under := []lanes.State{lanes.Queued, lanes.Running, lanes.Retrying, lanes.Missing}
	v := jobVerb{verb: "cancel", past: "cancelled", to: string(lanes.Cancelled), may: under}
	c := &cobra.Command{
		Use:   "cancel [ID …]",
		Short: "Call off jobs, running ones too",
		Long: `Call off jobs: those named, or those that a filter chooses. A waiting one is skipped when it comes up. A running one is stopped: its programs end
within two seconds, and the command waits for that. Its output doesn't appear, unless it had been committed already: then the job is completed.

` + bulkHelp,
		Example: `  siren jobs cancel 06ezy… --reason "uploaded twice"
  siren jobs cancel --lane bulk -l batch=7 --dry-run
  siren jobs cancel --lane bulk --state queued --older-than 24h --yes`,
		ValidArgsFunction: a.completeJobs(under...),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return v.run(cmd.Context(), a, ids, func(_ *operator, desk *jobs.Desk) (*jobs.Work, error) {
				return desk.Cancel(lanes.State(v.state)), nil
			})
		},
	}
	v.end = v.awaitStopped
	v.flags(a, c)
	return c
}

// awaitStopped waits for the programs of running jobs that were called off, and says what became of them.
func (v *jobVerb) awaitStopped(ctx context.Context, o *operator, desk *jobs.Desk) error {
	left, err := desk.AwaitStopped(ctx, v.running)
	if err != nil {
		return reach.Unreachable(err)
	}
	stopped, silent := 0, 0
	for _, id := range v.running {
		r, unknown := left[id]
		switch {
		case unknown && r.State == lanes.Completed:
			v.fail(fmt.Errorf("job %s had committed its output already: it is completed", id))
		case unknown && v.named:
			fmt.Fprintf(o.out, "job/%s cancelled; its worker %s hasn't said yet that its programs have ended\n", id, r.Worker)
		case v.named:
			fmt.Fprintf(o.out, "job/%s cancelled; its programs have ended\n", id)
		case unknown:
			silent++
		default:
			stopped++
		}
	}
	if stopped > 0 {
		fmt.Fprintf(o.out, "%d of them ran; their programs have ended\n", stopped)
	}
	if silent > 0 {
		fmt.Fprintf(o.err, "%d of them ran, and their workers haven't said yet that their programs have ended\n", silent)
	}
	return nil
}
