package lanecmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func NewDecisions(a *app.App) *cobra.Command {
	o := show.Listing{}
	var pool string
	var since time.Duration
	var limit int
	var follow bool
	c := &cobra.Command{
		Use:   "decisions",
		Short: "Show what the scaler decided, and why",
		Long: `Show the scaler's plans, the oldest first: those that changed a pool, and those that left it for
another reason than the plan before.`,
		Example: `  siren decisions --since 15m
  siren decisions --pool general --follow`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			most, err := app.AtMost(limit)
			if err != nil {
				return err
			}
			return a.WithBoard(func(board *redis.Board) error {
				list := func() ([]fleet.Plan, error) {
					return plansSince(cmd.Context(), board, pool, since, a.Now(), most)
				}
				if follow {
					return followPlans(cmd.Context(), a, o.Stream(a.Out), board, pool, list)
				}
				return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
					plans, err := list()
					return plans, planTable(plans...), err
				})
			})
		},
	}
	fs := c.Flags()
	fs.StringVar(&pool, "pool", "", "only plans for this pool")
	app.CompleteFlag(c, "pool", a.CompletePools)
	fs.DurationVar(&since, "since", time.Hour, "only plans at most this old (0: all that are kept)")
	fs.IntVar(&limit, "limit", 200, "at most this many plans, the latest ones; 0: all")
	fs.BoolVar(&follow, "follow", false, "go on with new plans as they are made, until Ctrl-C")
	app.ListFlags(c, &o)
	c.MarkFlagsMutuallyExclusive("follow", "watch")
	return c
}

// plansSince returns the plans of a pool, or of all with "", the oldest first.
func plansSince(
	ctx context.Context, board *redis.Board, pool string, since time.Duration, now time.Time, most int,
) ([]fleet.Plan, error) {
	from, err := app.Ago(since, now)
	if err != nil {
		return nil, err
	}
	plans, err := board.Plans(ctx, pool, from, most)
	if err != nil {
		return nil, err
	}
	if pool != "" && len(plans) == 0 { // a pool that left the policy may still have plans
		if e, err := board.Policy(ctx); err == nil {
			return plans, operate.RequirePool(e, pool)
		}
	}
	slices.Reverse(plans)
	return plans, nil
}

// followPlans shows the plans there are, and then new ones as they are made.
func followPlans(
	ctx context.Context, a *app.App, s *show.Stream, board *redis.Board, pool string, list func() ([]fleet.Plan, error),
) error {
	plans, err := list()
	if err != nil {
		return err
	}
	for _, p := range plans {
		if err := s.Add(p, planTable(p)); err != nil {
			return err
		}
	}
	trouble := show.NewTrouble(a.Err)
	for p, err := range board.FollowPlans(ctx, pool) {
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, lanes.ErrAway):
			trouble.Say(err)
			continue
		case err != nil:
			return err
		}
		trouble.Say(nil)
		if err := s.Add(p, planTable(p)); err != nil {
			return err
		}
	}
	return nil
}

func planTable(plans ...fleet.Plan) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("WHEN"), col("POOL"), num("FROM"), num("TO"), num("PARK").Wide(), num("RETIRE").Wide(),
		num("REMOVE").Wide(), col("REASON"), col("WHY"))
	t.Spare("PARK", "RETIRE", "REMOVE", "REASON", "FROM")
	t.Empty = "no plans"
	for _, p := range plans {
		t.Add(stamp(p.At), p.Pool, fmt.Sprint(p.From), fmt.Sprint(p.To), fmt.Sprint(len(p.Park)),
			fmt.Sprint(len(p.Retire)), fmt.Sprint(len(p.Remove)), string(p.Reason), p.Why)
	}
	return t
}
