package tunecmd

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/lanes"
)

func NewPoolsTune(a *app.App) *cobra.Command {
	var least, most int
	var hold time.Duration
	c := &cobra.Command{
		Use:   "tune POOL",
		Short: "Change a pool while it runs, for a while",
		Long: `Override fields of a pool for a while; see siren lanes tune. Slots and shoulder are not among them:
a worker's memory is fixed when it starts.

The workers of a --min with --at are ready at that minute: they are started a cold start earlier.`,
		Example: `  siren pools tune general --min 6 --max 12 --for 3h --reason "launch day"
  siren pools tune general --min 6 --at "fri 18:00" --for 4h --every week --timezone Europe/Berlin
  siren pools tune batch --max 1 --dry-run`,
	}
	fs := c.Flags()
	fs.IntVar(&least, "min", 0, "the fewest workers")
	fs.IntVar(&most, "max", 0, "the most workers")
	fs.DurationVar(&hold, "hold", 0, "how long the largest plan is kept before the pool shrinks")
	tunes := func(ctx context.Context, o *app.Operator, f Flags, pool string) error {
		field := func(of string) string { return lanes.PoolField(pool, of) }
		var wishes []tune.Wish
		if fs.Changed("min") {
			wishes = append(wishes, tune.To(field("min"), least))
		}
		if fs.Changed("max") {
			wishes = append(wishes, tune.To(field("max"), most))
		}
		if fs.Changed("hold") {
			wishes = append(wishes, tune.To(field("hold"), lanes.Duration(hold)))
		}
		return Set(ctx, o, f, wishes...)
	}
	return plannedOn(a, c, a.CompletePools, tuneFor, tunes)
}

func NewPoolsFreeze(a *app.App) *cobra.Command {
	return plannedOn(a, &cobra.Command{
		Use:     "freeze POOL",
		Aliases: []string{"hold"}, // as it was called before
		Short:   "Keep a pool's worker count as it is",
		Long: `Stop the scaler from changing a pool's worker count. Without --for it lasts until siren pools unfreeze.
siren pools hold is this command's former name, siren pools release that of unfreeze.`,
		Example: `  siren pools freeze general --for 1h --reason "node maintenance"
  siren pools freeze batch`,
	}, a.CompletePools, untilGone, func(ctx context.Context, o *app.Operator, f Flags, pool string) error {
		return Set(ctx, o, f, tune.To(lanes.PoolField(pool, "frozen"), true))
	})
}

func NewPoolsUnfreeze(a *app.App) *cobra.Command {
	return onOne(a, &cobra.Command{
		Use:     "unfreeze POOL",
		Aliases: []string{"release"}, // as it was called before
		Short:   "Scale a frozen pool again",
		Example: "  siren pools unfreeze general",
	}, a.CompletePools, untilGone, func(ctx context.Context, o *app.Operator, f Flags, pool string) error {
		return end(ctx, o, f, lanes.PoolField(pool, "frozen"), "pool "+pool+" isn't frozen")
	})
}
