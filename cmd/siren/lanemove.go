package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

func newLanesMove(a *app) *cobra.Command {
	var limit int
	var reason string
	c := &cobra.Command{
		Use:   "move FROM TO",
		Short: "Put waiting jobs of one lane into another",
		Long: `Put waiting jobs of one lane into another, those first that would start first, with no higher priority than their new lane allows.
Each is published afresh with confirm before its original is acknowledged: broken off at any moment, no job is lost, and none runs
twice. Running and retrying jobs stay where they are. A job's wait counts from the move on, by the objective of its new lane.`,
		Example: `  siren lanes move standard bulk --limit 500 --reason "a batch without its label"
  siren lanes move express standard`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: upTo(2, a.completeLanes),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return exit.With(exit.Usage, fmt.Errorf("--limit %d: say how many at most, or 0 for all that wait now", limit))
			}
			return a.operate(func(o *operator) error { return o.moveJobs(cmd.Context(), args[0], args[1], limit, reason) })
		},
	}
	c.Flags().IntVar(&limit, "limit", 0, "at most so many, those first that would start first (0: all that wait now)")
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return c
}

func (o *operator) moveJobs(ctx context.Context, from, to string, limit int, reason string) error {
	e, err := o.inForce(ctx)
	if err != nil {
		return err
	}
	if err := known(e, from, true); err != nil {
		return err
	}
	if err := known(e, to, false); err != nil {
		return err
	}
	if from == to {
		return exit.With(exit.Usage, errors.New("the two lanes are the same"))
	}
	moved := lanes.AuditEntry{Verb: "move", On: "lane " + from, After: "lane " + to, Reason: reason}
	dropped := 0
	err = o.mover(ctx, "lanes move", func(take *rabbit.Conn, publish *rabbit.Publisher) error {
		return eachQueue(e.QueuesOf(from), limit, func(q lanes.Queue, limit int) (int, error) {
			return rabbit.Move(ctx, take, publish, q, limit, o.copies(e.Policy, to, &moved, &dropped))
		})
	})
	began := moved.Jobs+dropped > 0 || ctx.Err() != nil
	if began {
		o.note(ctx, moved)
	}
	if began || err == nil {
		fmt.Fprintf(o.out, "%s moved from %s to %s%s\n", say.Plural(moved.Jobs, "job"), from, to, alsoDropped(dropped))
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: up to 100 more may have been moved; none is lost and none runs twice, and the same command goes on")
	}
	return err
}

// eachQueue has up to limit jobs taken out of a lane's queues, one queue after the other; limit <= 0 means all.
func eachQueue(queues []lanes.Queue, limit int, take func(q lanes.Queue, limit int) (int, error)) error {
	for _, q := range queues {
		n, err := take(q, limit)
		if err != nil || limit > 0 && n >= limit {
			return err
		}
		limit = max(0, limit-n)
	}
	return nil
}

// alsoDropped is what a command says of messages that would have been skipped.
func alsoDropped(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; also dropped %s of jobs that were cancelled or moved before", say.Plural(n, "message"))
}

// copies moves waiting jobs into the lane, with the priorities that it allows, and notes them, and counts the messages that it drops.
func (o *operator) copies(p lanes.Policy, to string, moved *lanes.AuditEntry, dropped *int) rabbit.Mover {
	return rabbit.Mover{
		Decide: o.eachWaiting(dropped, func(_ context.Context, waiting []lanes.Delivery) ([]rabbit.Fate, error) {
			fates := make([]rabbit.Fate, len(waiting))
			for i, d := range waiting {
				fates[i].Copy = &rabbit.Copy{Lane: to, Replay: d.Replay + 1, Priority: p.Priority(to, d.Job.Priority)}
			}
			return fates, nil
		}),
		Confirmed: func(ctx context.Context, copies []rabbit.Copied) error {
			o.supersede(ctx, copies)
			originals := make([]lanes.Delivery, len(copies))
			for i, c := range copies {
				originals[i] = c.Original
				moved.Did(c.Original.Job.ID)
			}
			o.gone(ctx, originals)
			return nil
		},
	}
}

// supersede has the ledger know that copies carry the jobs on. That it can't be told is no harm: whichever of a job's two messages comes first counts.
func (o *operator) supersede(ctx context.Context, copies []rabbit.Copied) {
	told := make([]redis.Supersede, len(copies))
	for i, c := range copies {
		told[i] = redis.Supersede{
			ID: c.Original.Job.ID, Lane: c.Lane, Priority: c.Priority, ReadyAt: c.ReadyAt, Replay: c.Replay, From: []lanes.State{lanes.Queued, lanes.Retrying, lanes.Missing},
		}
	}
	answers, err := o.ledger.SupersedeAll(ctx, told)
	if err != nil {
		o.warn("%s: %v; whichever of a job's two messages comes first counts", say.Plural(len(copies)-len(answers), "moved job"), err)
	}
	for i, a := range answers {
		var state *redis.StateError
		switch c := copies[i]; {
		case a.Err == nil, errors.Is(a.Err, redis.ErrNotFound): // one without a record needs none: its first claim makes it
		case errors.As(a.Err, &state) && (state.State.Final() || state.Replay > c.Original.Replay): // the original was to be skipped, and the copy will be
		default:
			o.warn("job %s: %v; whichever of its two messages comes first counts", c.Original.Job.ID, a.Err)
		}
	}
}

// known is the error that there is no such lane. former: one that left the policy will do.
func known(e lanes.Effective, lane string, former bool) error {
	if _, ok := e.Policy.Lane(lane); ok {
		return nil
	}
	names := e.Policy.LaneNames()
	if former {
		if slices.Contains(e.FormerLanes(), lane) {
			return nil
		}
		names = append(names, e.FormerLanes()...)
	}
	return exit.With(exit.NotFound, fmt.Errorf("no lane %q%s", lane, lanes.ThereAre(lane, names)))
}

// strange is what to add when nothing was found of a lane that the policy doesn't have; "" else.
func (o *operator) strange(ctx context.Context, lane string, nothing bool) string {
	if lane == "" || !nothing {
		return ""
	}
	e, err := o.inForce(ctx)
	if err != nil {
		return ""
	}
	if err := known(e, lane, true); err != nil {
		return "; " + err.Error()
	}
	return ""
}

// mover calls f with a connection to take from and a publisher.
func (o *operator) mover(ctx context.Context, name string, f func(*rabbit.Conn, *rabbit.Publisher) error) error {
	if err := o.mayNote(ctx); err != nil {
		return err
	}
	take, err := o.connect(ctx, name)
	if err != nil {
		return err
	}
	defer take.Close()
	publish, err := o.connect(ctx, name+" (publish)")
	if err != nil {
		return err
	}
	defer publish.Close()
	return reach.Unreachable(f(take, rabbit.NewPublisher(publish, 0)))
}

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
			return a.operate(func(o *operator) error { return o.purge(cmd.Context(), args[0], yes, reason) })
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return c
}

func (o *operator) purge(ctx context.Context, lane string, yes bool, reason string) error {
	e, err := o.inForce(ctx)
	if err != nil {
		return err
	}
	if err := known(e, lane, true); err != nil {
		return err
	}
	if !yes {
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
		if err := o.confirm(fmt.Sprintf("Cancel all jobs that wait in lane %s, now %d%s?", lane, waiting, skipped)); err != nil {
			return err
		}
	}
	purged, dropped := lanes.AuditEntry{Verb: "purge", On: "lane " + lane, Reason: reason}, 0
	drop := rabbit.Mover{
		Decide: o.eachWaiting(&dropped, func(ctx context.Context, waiting []lanes.Delivery) ([]rabbit.Fate, error) {
			return o.callOff(ctx, waiting, &purged)
		}),
	}
	err = o.mover(ctx, "lanes purge", func(take *rabbit.Conn, publish *rabbit.Publisher) error {
		return eachQueue(e.QueuesOf(lane), 0, func(q lanes.Queue, limit int) (int, error) {
			return rabbit.Move(ctx, take, publish, q, limit, drop)
		})
	})
	if purged.Jobs > 0 {
		o.note(ctx, purged)
	}
	if purged.Jobs+dropped > 0 || err == nil {
		fmt.Fprintf(o.out, "%s of lane %s cancelled%s\n", say.Plural(purged.Jobs, "waiting job"), lane, alsoDropped(dropped))
	}
	if err != nil {
		return brokenOff(ctx, err)
	}
	return nil
}

// gone has the ledger know that messages are no longer in their lane. That it can't be told is no harm: it counts them as still there until the lane's queue
// is empty.
func (o *operator) gone(ctx context.Context, messages []lanes.Delivery) {
	if len(messages) == 0 {
		return
	}
	if err := o.ledger.Gone(ctx, messages[0].Lane, messages); err != nil {
		o.warn("%v", err)
	}
}

// eachWaiting decides about a batch message by message, by what the ledger knows: one whose job has ended, or is carried on by a newer copy, is
// dropped, and counted; one whose job runs somewhere, or that is no job, stays for a worker to see to, and so does a copy that brings an ended job back and of
// which the ledger hasn't heard yet. The others are up to decide, all together.
func (o *operator) eachWaiting(
	dropped *int, decide func(ctx context.Context, waiting []lanes.Delivery) ([]rabbit.Fate, error),
) func(context.Context, []lanes.Delivery) ([]rabbit.Fate, error) {
	return func(ctx context.Context, batch []lanes.Delivery) ([]rabbit.Fate, error) {
		ids := make([]string, len(batch))
		for i, d := range batch {
			ids[i] = d.Job.ID
		}
		records, err := o.ledger.GetAll(ctx, ids)
		if err != nil {
			return nil, err
		}
		fates := make([]rabbit.Fate, len(batch))
		var waiting, drops []lanes.Delivery
		var at []int
		for i, d := range batch {
			r := records[d.Job.ID]                               // one sent by plain AMQP has no record yet
			ended := r.State.Final() && r.State != lanes.Missing // a missing job's message has just turned up
			switch {
			case d.Err != nil:
			case r.Replay > d.Replay, ended && r.Replay == d.Replay:
				fates[i].Drop = true
				*dropped++
			case ended, r.State == lanes.Running:
			default:
				waiting, at = append(waiting, d), append(at, i)
			}
		}
		if len(waiting) > 0 {
			decided, err := decide(ctx, waiting)
			if err != nil {
				return nil, err
			}
			for i, f := range decided {
				fates[at[i]] = f
			}
		}
		for i, f := range fates {
			if f.Drop {
				drops = append(drops, batch[i])
			}
		}
		o.gone(ctx, drops)
		return fates, nil
	}
}

// callOff cancels the jobs of waiting messages. One without a record gets one, to be cancelled; one that has come to its end this very moment is over, too.
func (o *operator) callOff(ctx context.Context, waiting []lanes.Delivery, purged *lanes.AuditEntry) ([]rabbit.Fate, error) {
	if _, err := o.ledger.CreateAll(ctx, waiting); err != nil {
		return nil, err
	}
	ids := make([]string, len(waiting))
	for i, d := range waiting {
		ids[i] = d.Job.ID
	}
	answers, failed := o.ledger.CancelAll(ctx, ids)
	fates := make([]rabbit.Fate, len(waiting))
	for i, a := range answers {
		var ended *redis.StateError
		switch fates[i].Drop = true; {
		case a.Err == nil:
			purged.Did(ids[i])
		case !errors.As(a.Err, &ended):
			failed = errors.Join(failed, a.Err)
		}
	}
	return fates, failed
}

// confirm asks on the terminal. Anything but yes is no, and so is the end of the input.
func (o *operator) confirm(question string) error {
	fmt.Fprintf(o.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(o.in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(o.err) // nobody has ended the line
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was done; --yes answers the question")
}
