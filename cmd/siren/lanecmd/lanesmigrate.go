package lanecmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/tunecmd"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/backlog"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
)

func newLanesMigrate(a *app.App) *cobra.Command {
	var to string
	f := tunecmd.Flags{Wait: true}
	c := &cobra.Command{
		Use:   "migrate LANE",
		Short: "Move a lane to the other queue type, while it is in use",
		Long: `Give a lane a queue of the other type, and move what waits there. Producers and workers go on
meanwhile: from one moment on new jobs go to the new queue, and what is left in the old one is
served before it. It may be interrupted at any moment: no job is lost, none runs twice, and the same
command goes on.

The type is tuned, until it is removed: write it into the policy file as well (siren tunings export).
The old queue stays, empty; docs/rabbitmq.md says when it may be deleted.`,
		Example:           "  siren lanes migrate bulk --to quorum --reason \"three brokers now\"",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompleteLanes),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to != lanes.Classic && to != lanes.Quorum {
				return exit.With(exit.Usage, fmt.Errorf("--to %q: say classic or quorum%s", to,
					plain.Suggest(to, []string{lanes.Classic, lanes.Quorum})))
			}
			return a.Operate(func(o *app.Operator) error {
				return migrate(cmd.Context(), o, f, lanes.Queue{Lane: args[0], Type: to})
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "type of the new queue: classic or quorum (required)")
	c.Flags().StringVar(&f.Reason, "reason", "", "why, for the others and the audit log")
	_ = c.MarkFlagRequired("to")
	app.CompleteFlag(c, "to", cobra.FixedCompletions([]string{lanes.Classic, lanes.Quorum},
		cobra.ShellCompDirectiveNoFileComp))
	return c
}

func migrate(ctx context.Context, o *app.Operator, f tunecmd.Flags, to lanes.Queue) error {
	e, err := o.InForce(ctx)
	if err != nil {
		return err
	}
	if err := operate.RequireLane(e, to.Lane, false); err != nil {
		return err
	}
	if e.Policy.QueueOf(to.Lane) != to {
		if err := retype(ctx, o, f, e, to); err != nil {
			return err
		}
	}
	done, err := backlog.Migrate(ctx, o.Desk(), to, f.Reason)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted after %s; none is lost and none runs twice, and the same command goes on",
			say.Plural(done.Jobs, "job"))
	case err != nil && done.Jobs > 0:
		return exit.With(exit.Code(err), fmt.Errorf("after %s: %w; the same command goes on",
			say.Plural(done.Jobs, "job"), err))
	case err != nil:
		return err
	}
	fmt.Fprintf(o.Out, "lane %s has a %s queue; %s moved there%s\n", to.Lane, to.Type,
		say.Plural(done.Jobs, "waiting job"), app.AlsoDropped(done.Dropped))
	return sayLeft(ctx, o, e, to)
}

// retype tunes the lane's queue type, or ends the tuning when the policy file says what is wanted. Either may have been
// done before, without a scaler to follow.
func retype(ctx context.Context, o *app.Operator, f tunecmd.Flags, e lanes.Effective, to lanes.Queue) error {
	field := lanes.LaneField(to.Lane, "queueType")
	t, _, err := o.Tunings.Now(ctx)
	if err != nil {
		return err
	}
	if e.Written().QueueOf(to.Lane) != to {
		return tunecmd.Set(ctx, o, f, tune.To(field, to.Type))
	}
	if _, tuned := lanes.FindTuning(t.All, field); tuned {
		return tunecmd.Remove(ctx, o, f, []string{field})
	}
	return nil
}

// sayLeft says which of the lane's jobs came from the old queue and are still running: should their workers die, they
// are there again.
func sayLeft(ctx context.Context, o *app.Operator, e lanes.Effective, to lanes.Queue) error {
	workers, now, err := o.Roster.Workers(ctx)
	if err != nil {
		return err
	}
	running := 0
	for _, w := range workers {
		for _, r := range w.Running {
			if r.Lane == to.Lane && now.Sub(w.At) <= silentAfter(e) {
				running++
			}
		}
	}
	if running > 0 {
		fmt.Fprintf(o.Out, "%s of it %s now, and may come from the old queue: one whose worker dies is served from "+
			"there\n",
			say.Plural(running, "job"), say.Verb(running, "runs", "run"))
	}
	return nil
}
