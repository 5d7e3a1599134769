package lanecmd

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/lanes"
)

func newPoolsTune(a *app.App) *cobra.Command {
	var f tuneFlags
	var least, most int
	var hold time.Duration
	c := &cobra.Command{
		Use:   "tune POOL",
		Short: "Change a pool while it runs, for a while",
		Long: `Override fields of a pool for a while; see siren lanes tune. Slots and shoulder are not among them:
a worker's memory is fixed when it starts.`,
		Example: `  siren pools tune general --min 6 --max 12 --for 3h --reason "launch day"
  siren pools tune batch --max 1 --dry-run`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompletePools),
		RunE: func(cmd *cobra.Command, args []string) error {
			field := func(name string) string { return lanes.PoolField(args[0], name) }
			var wishes []tune.Wish
			if cmd.Flags().Changed("min") {
				wishes = append(wishes, tune.To(field("min"), least))
			}
			if cmd.Flags().Changed("max") {
				wishes = append(wishes, tune.To(field("max"), most))
			}
			if cmd.Flags().Changed("hold") {
				wishes = append(wishes, tune.To(field("hold"), lanes.Duration(hold)))
			}
			return a.Operate(func(o *app.Operator) error { return setTunings(cmd.Context(), o, f, wishes...) })
		},
	}
	fs := c.Flags()
	fs.IntVar(&least, "min", 0, "the fewest workers")
	fs.IntVar(&most, "max", 0, "the most workers")
	fs.DurationVar(&hold, "hold", 0, "how long the largest plan is kept before the pool shrinks")
	f.add(c, tuneFor)
	return c
}

func newPoolsFreeze(a *app.App) *cobra.Command {
	var f tuneFlags
	c := &cobra.Command{
		Use:     "freeze POOL",
		Aliases: []string{"hold"}, // as it was called before
		Short:   "Keep a pool's worker count as it is",
		Long: `Stop the scaler from changing a pool's worker count. Without --for it lasts until siren pools unfreeze.
siren pools hold is this command's former name, siren pools release that of unfreeze.`,
		Example: `  siren pools freeze general --for 1h --reason "node maintenance"
  siren pools freeze batch`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompletePools),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Operate(func(o *app.Operator) error {
				return setTunings(cmd.Context(), o, f, tune.To(lanes.PoolField(args[0], "frozen"), true))
			})
		},
	}
	f.add(c, untilGone)
	return c
}

func newPoolsUnfreeze(a *app.App) *cobra.Command {
	var f tuneFlags
	c := &cobra.Command{
		Use:               "unfreeze POOL",
		Aliases:           []string{"release"}, // as it was called before
		Short:             "Scale a frozen pool again",
		Example:           "  siren pools unfreeze general",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompletePools),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Operate(func(o *app.Operator) error {
				return end(cmd.Context(), o, f, lanes.PoolField(args[0], "frozen"), "pool "+args[0]+" isn't frozen")
			})
		},
	}
	f.add(c, untilGone)
	return c
}
