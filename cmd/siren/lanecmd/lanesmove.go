package lanecmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/operate/backlog"
	"github.com/polyglot-media/siren/internal/say"
)

func newLanesMove(a *app.App) *cobra.Command {
	var limit int
	var reason string
	c := &cobra.Command{
		Use:   "move FROM TO",
		Short: "Put waiting jobs of one lane into another",
		Long: `Put waiting jobs of one lane into another, those first that would start first, with no higher
priority than their new lane allows. Each is published again, with confirm, before its original is
acknowledged: interrupted at any moment, it loses no job, and none runs twice. Running and retrying
jobs stay where they are. A job's wait counts from the move on, by the objective of its new lane.`,
		Example: `  siren lanes move standard bulk --limit 500 --reason "a batch without its label"
  siren lanes move express standard`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: app.UpTo(2, a.CompleteLanes),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return exit.With(exit.Usage, fmt.Errorf("--limit %d: say how many at most, or 0 for all that wait now",
					limit))
			}
			return a.Operate(func(o *app.Operator) error {
				ctx, from, to := cmd.Context(), args[0], args[1]
				done, err := backlog.Move(ctx, o.Desk(), from, to, limit, reason)
				if done.Jobs+done.Dropped > 0 || ctx.Err() != nil || err == nil {
					fmt.Fprintf(o.Out, "%s moved from %s to %s%s\n", say.Plural(done.Jobs, "job"), from, to,
						app.AlsoDropped(done.Dropped))
				}
				if ctx.Err() != nil {
					return errors.New("interrupted: none is lost and none runs twice, and the same command goes on")
				}
				return err
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 0, "at most this many, those first that would start first (0: all that wait now)")
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return c
}
