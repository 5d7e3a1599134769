package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

// lookEvery is the time between two looks at the policy in force.
const lookEvery = 100 * time.Millisecond

func newLanesMigrate(a *app) *cobra.Command {
	var to string
	f := tuneFlags{wait: true}
	c := &cobra.Command{
		Use:   "migrate LANE",
		Short: "Move a lane to the other queue type, while it is in use",
		Long: `Give a lane a queue of the other type, and move what waits there. Producers and workers go on meanwhile: from one moment on new jobs go to the
new queue, and what is left in the old one is served before it. Broken off at any moment, no job is lost and none runs twice, and the
same command goes on.

The type is tuned, until it is removed: write it into the policy file as well (siren tunings export).
The old queue stays, empty; docs/rabbitmq.md says when it may be deleted.`,
		Example:           "  siren lanes migrate bulk --to quorum --reason \"three brokers now\"",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: upTo(1, a.completeLanes),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to != lanes.Classic && to != lanes.Quorum {
				return exit.With(exit.Usage, fmt.Errorf("--to %q: say classic or quorum%s", to, lanes.Suggest(to, []string{lanes.Classic, lanes.Quorum})))
			}
			return a.operate(func(o *operator) error { return o.migrate(cmd.Context(), f, lanes.Queue{Lane: args[0], Type: to}) })
		},
	}
	c.Flags().StringVar(&to, "to", "", "type of the new queue: classic or quorum (required)")
	c.Flags().StringVar(&f.Reason, "reason", "", "why, for the others and the audit log")
	_ = c.MarkFlagRequired("to")
	completeFlag(c, "to", cobra.FixedCompletions([]string{lanes.Classic, lanes.Quorum}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (o *operator) migrate(ctx context.Context, f tuneFlags, to lanes.Queue) error {
	e, err := o.inForce(ctx)
	if err != nil {
		return err
	}
	if err := known(e, to.Lane, false); err != nil {
		return err
	}
	if e.Policy.QueueOf(to.Lane) != to {
		if err := o.retype(ctx, f, e, to); err != nil {
			return err
		}
		if err := o.awaitType(ctx, to); err != nil {
			return err
		}
	}
	moved := lanes.AuditEntry{Verb: "migrate", On: "lane " + to.Lane, After: to.Type, Reason: f.Reason}
	dropped := 0
	err = o.mover(ctx, "lanes migrate", func(take *rabbit.Conn, publish *rabbit.Publisher) error {
		for {
			n, err := rabbit.Move(ctx, take, publish, other(to), 0, o.copies(e.Policy, to.Lane, &moved, &dropped))
			if errors.Is(err, rabbit.ErrUndeclared) {
				return nil // the lane never had such a queue
			}
			if err != nil || n == 0 {
				return err
			}
		}
	})
	if moved.Jobs > 0 {
		o.note(ctx, moved)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted after %s; none is lost and none runs twice, and the same command goes on", say.Plural(moved.Jobs, "job"))
	case err != nil:
		return err
	}
	fmt.Fprintf(o.out, "lane %s has a %s queue; %s moved there%s\n", to.Lane, to.Type, say.Plural(moved.Jobs, "waiting job"), alsoDropped(dropped))
	return o.sayLeft(ctx, e, to)
}

// other is the other queue that the lane may have.
func other(q lanes.Queue) lanes.Queue {
	if q.Type == lanes.Quorum {
		return lanes.Queue{Lane: q.Lane, Type: lanes.Classic}
	}
	return lanes.Queue{Lane: q.Lane, Type: lanes.Quorum}
}

// retype tunes the lane's queue type, or ends the tuning when the policy file says what is wanted. Either may have been done before, without a
// scaler to follow.
func (o *operator) retype(ctx context.Context, f tuneFlags, e lanes.Effective, to lanes.Queue) error {
	field := lanes.LaneField(to.Lane, "queueType")
	t, _, err := o.tunings.Now(ctx)
	if err != nil {
		return reach.Unreachable(err)
	}
	if e.Written().QueueOf(to.Lane) != to {
		return o.tune(ctx, f, tune.To(field, to.Type))
	}
	if _, tuned := lanes.FindTuning(t.All, field); tuned {
		return o.remove(ctx, f, []string{field})
	}
	return nil
}

// awaitType waits until the lane's queue type is in force.
func (o *operator) awaitType(ctx context.Context, to lanes.Queue) error {
	wait, cancel := context.WithTimeout(ctx, tune.TakenUp)
	defer cancel()
	for {
		e, err := o.inForce(wait)
		if err == nil && e.Policy.QueueOf(to.Lane) == to {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.Done():
			return fmt.Errorf("lane %s is to have a %s queue, but no scaler has put that into force yet: is one running? The same command goes on once one does", to.Lane, to.Type)
		case <-time.After(lookEvery):
		}
	}
}

// sayLeft says which of the lane's jobs came from the old queue and are still running: should their workers die, they are there again.
func (o *operator) sayLeft(ctx context.Context, e lanes.Effective, to lanes.Queue) error {
	workers, now, err := o.roster.Workers(ctx)
	if err != nil {
		return reach.Unreachable(err)
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
		fmt.Fprintf(o.out, "%s of it %s now, and may come from the old queue: one whose worker dies is served from there\n",
			say.Plural(running, "job"), say.Verb(running, "runs", "run"))
	}
	return nil
}
