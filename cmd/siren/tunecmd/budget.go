package tunecmd

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

func NewBudget(a *app.App) *cobra.Command {
	var o show.Output
	show := &cobra.Command{
		Use:     "show",
		Short:   "Show the budget, and how much of it is used",
		Example: "  siren budget\n  siren budget set 40 --for 2h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.WithBoard(func(board *redis.Board) error { return showBudget(cmd.Context(), a, board, o) })
		},
	}
	app.FormFlag(show, &o, "table", "json", "yaml")
	return app.Parent("budget", "Show and set the most workers that all pools may have together", show, newBudgetSet(a))
}

func showBudget(ctx context.Context, a *app.App, board *redis.Board, out show.Output) error {
	snap, err := operate.LastSeen(ctx, board)
	if err != nil {
		return err
	}
	used := 0
	for _, p := range snap.Pools {
		used += p.Replicas
	}
	if out.Format != "table" {
		return out.Print(a.Out, map[string]int{"budget": snap.Budget, "used": used})
	}
	fmt.Fprintf(a.Out, "%d of %d used\n", used, snap.Budget)
	return nil
}

func newBudgetSet(a *app.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use:   "set N",
		Short: "Change the budget while it runs, for a while",
		Example: `  siren budget set 40 --for 2h --reason "launch day"
  siren budget set 20 --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil {
				return exit.With(exit.Usage, fmt.Errorf("%q is not a worker count", args[0]))
			}
			return a.Operate(func(o *app.Operator) error {
				return Set(cmd.Context(), o, f, tune.To(lanes.BudgetField, n))
			})
		},
	}
	f.add(c, tuneFor)
	f.addSchedule(c)
	return c
}
