package lanecmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/backlog"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func newLanesPurge(a *app.App) *cobra.Command {
	var yes bool
	var reason string
	c := &cobra.Command{
		Use:   "purge LANE",
		Short: "Cancel every waiting job of a lane",
		Long: `Cancel every job that waits in a lane. Running and retrying jobs go on. It asks first; --yes
answers. siren jobs retry brings cancelled jobs back.`,
		Example: `  siren lanes purge bulk
  siren lanes purge bulk --yes --reason "the batch was wrong"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompleteLanes),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Operate(func(o *app.Operator) error {
				ctx, lane := cmd.Context(), args[0]
				if !yes {
					if err := askPurge(ctx, o, lane); err != nil {
						return err
					}
				}
				done, err := backlog.Purge(ctx, o.Desk(), lane, reason)
				if done.Jobs+done.Dropped > 0 || err == nil {
					fmt.Fprintf(o.Out, "%s of lane %s cancelled%s\n", say.Plural(done.Jobs, "waiting job"), lane,
						app.AlsoDropped(done.Dropped))
				}
				if err != nil {
					return app.BrokenOff(ctx, err)
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
func askPurge(ctx context.Context, o *app.Operator, lane string) error {
	e, err := o.InForce(ctx)
	if err != nil {
		return err
	}
	if err := operate.RequireLane(e, lane, true); err != nil {
		return err
	}
	snap, err := operate.LastSeen(ctx, o.Board)
	if err != nil {
		return err
	}
	waiting, skipped := "now 0", ""
	for _, l := range snap.Lanes {
		if l.Name == lane {
			waiting = waitingNow(l)
		}
		if l.Name == lane && l.Skipped > 0 {
			skipped = fmt.Sprintf(", and drop %s that would be skipped", say.Plural(l.Skipped, "message"))
		}
	}
	return o.AskFirst(fmt.Sprintf("Cancel all jobs that wait in lane %s, %s%s?", lane, waiting, skipped))
}

// waitingNow says how many jobs wait in a lane, if that is known.
func waitingNow(l fleet.LaneStatus) string {
	if l.Stale {
		return fmt.Sprintf("%d when the broker's answer was last believed", l.Ready)
	}
	if l.Partial {
		return fmt.Sprintf("at least %d: a queue that it had before doesn't answer", l.Ready)
	}
	return fmt.Sprintf("now %d", l.Ready)
}
