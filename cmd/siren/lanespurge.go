package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/backlog"
	"github.com/polyglot-media/siren/internal/say"
)

func newLanesPurge(a *app) *cobra.Command {
	var yes bool
	var reason string
	c := &cobra.Command{
		Use:   "purge LANE",
		Short: "Cancel every waiting job of a lane",
		Long: `Cancel every job that waits in a lane. Running and retrying jobs go on. It asks first; --yes answers. siren jobs
retry brings cancelled jobs back.`,
		Example: `  siren lanes purge bulk
  siren lanes purge bulk --yes --reason "the batch was wrong"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: upTo(1, a.completeLanes),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(func(o *operator) error {
				ctx, lane := cmd.Context(), args[0]
				if !yes {
					if err := o.askPurge(ctx, lane); err != nil {
						return err
					}
				}
				done, err := backlog.Purge(ctx, o.desk(), lane, reason)
				if done.Jobs+done.Dropped > 0 || err == nil {
					fmt.Fprintf(o.out, "%s of lane %s cancelled%s\n", say.Plural(done.Jobs, "waiting job"), lane, alsoDropped(done.Dropped))
				}
				if err != nil {
					return brokenOff(ctx, err)
				}
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return c
}

// askPurge asks whether the jobs of a lane are to be called off, and says how many there are.
func (o *operator) askPurge(ctx context.Context, lane string) error {
	e, err := o.inForce(ctx)
	if err != nil {
		return err
	}
	if err := operate.RequireLane(e, lane, true); err != nil {
		return err
	}
	snap, err := operate.LastSeen(ctx, o.board)
	if err != nil {
		return err
	}
	waiting, skipped := 0, ""
	for _, l := range snap.Lanes {
		if l.Name == lane {
			waiting = l.Ready
		}
		if l.Name == lane && l.Skipped > 0 {
			skipped = fmt.Sprintf(", and drop %s that would be skipped", say.Plural(l.Skipped, "message"))
		}
	}
	return o.askFirst(fmt.Sprintf("Cancel all jobs that wait in lane %s, now %d%s?", lane, waiting, skipped))
}
