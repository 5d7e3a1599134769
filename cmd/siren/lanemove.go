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
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
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
	var moved, dropped int
	err = o.mover(ctx, "lanes move", func(take *rabbit.Conn, publish *rabbit.Publisher) error {
		return eachQueue(e.QueuesOf(from), limit, func(q lanes.Queue, limit int) (int, error) {
			return rabbit.Move(ctx, take, publish, q, limit, o.copies(e.Policy, to, &moved, &dropped))
		})
	})
	began := moved+dropped > 0 || ctx.Err() != nil
	if began {
		o.note(ctx, lanes.AuditEntry{Verb: "move", On: "lane " + from, After: "lane " + to, Jobs: moved, Reason: reason})
	}
	if began || err == nil {
		fmt.Fprintf(o.out, "%s moved from %s to %s%s\n", show.Plural(moved, "job"), from, to, alsoDropped(dropped))
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
	return fmt.Sprintf("; also dropped %s of jobs that were cancelled or moved before", show.Plural(n, "message"))
}

// copies moves waiting jobs into the lane, with the priorities that it allows, and counts them, and the messages that it drops.
func (o *operator) copies(p lanes.Policy, to string, moved, dropped *int) rabbit.Mover {
	return rabbit.Mover{
		Decide: o.eachWaiting(dropped, func(_ context.Context, d lanes.Delivery) (rabbit.Fate, error) {
			return rabbit.Fate{Copy: &rabbit.Copy{Lane: to, Replay: d.Replay + 1, Priority: p.Priority(to, d.Job.Priority)}}, nil
		}),
		Confirmed: func(ctx context.Context, copies []rabbit.Copied) error {
			originals := make([]lanes.Delivery, len(copies))
			for i, c := range copies {
				originals[i] = c.Original
				if err := o.supersede(ctx, c); err != nil {
					o.warn("job %s: %v; whichever of its two messages comes first counts", c.Original.Job.ID, err)
				}
			}
			o.gone(ctx, originals)
			*moved += len(copies)
			return nil
		},
	}
}

// supersede has the ledger know that a copy carries the job on. A job without a record needs none: its first claim makes it.
func (o *operator) supersede(ctx context.Context, c rabbit.Copied) error {
	_, err := o.ledger.Supersede(ctx, redis.Supersede{
		ID: c.Original.Job.ID, Lane: c.Lane, Priority: c.Priority, ReadyAt: c.ReadyAt, Replay: c.Replay, From: []lanes.State{lanes.Queued, lanes.Retrying, lanes.Missing},
	})
	if errors.Is(err, redis.ErrNotFound) {
		return nil
	}
	var state *redis.StateError
	if errors.As(err, &state) && (state.State.Final() || state.Replay > c.Original.Replay) {
		return nil // the original was to be skipped anyway, and the copy will be
	}
	return err
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
	return exit.With(exit.NotFound, fmt.Errorf("no lane %q%s", lane, show.ThereAre(lane, names)))
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
		snap, err := latest(ctx, o.board)
		if err != nil {
			return err
		}
		waiting, skipped := 0, ""
		for _, l := range snap.Lanes {
			if l.Name == lane {
				waiting = l.Ready
			}
			if l.Name == lane && l.Skipped > 0 {
				skipped = fmt.Sprintf(", and drop %s that would be skipped", show.Plural(l.Skipped, "message"))
			}
		}
		if err := o.confirm(fmt.Sprintf("Cancel all jobs that wait in lane %s, now %d%s?", lane, waiting, skipped)); err != nil {
			return err
		}
	}
	var purged, dropped int
	drop := rabbit.Mover{
		Decide: o.eachWaiting(&dropped, func(ctx context.Context, d lanes.Delivery) (rabbit.Fate, error) {
			var ended *redis.StateError
			switch err := o.callOff(ctx, d); {
			case err == nil:
				purged++
			case !errors.As(err, &ended): // else it has come to its end this very moment
				return rabbit.Fate{}, err
			}
			return rabbit.Fate{Drop: true}, nil
		}),
	}
	err = o.mover(ctx, "lanes purge", func(take *rabbit.Conn, publish *rabbit.Publisher) error {
		return eachQueue(e.QueuesOf(lane), 0, func(q lanes.Queue, limit int) (int, error) {
			return rabbit.Move(ctx, take, publish, q, limit, drop)
		})
	})
	if purged > 0 {
		o.note(ctx, lanes.AuditEntry{Verb: "purge", On: "lane " + lane, Jobs: purged, Reason: reason})
	}
	if purged+dropped > 0 || err == nil {
		fmt.Fprintf(o.out, "%s of lane %s cancelled%s\n", show.Plural(purged, "waiting job"), lane, alsoDropped(dropped))
	}
	return err
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
// which the ledger hasn't heard yet. The others are up to decide.
func (o *operator) eachWaiting(dropped *int, decide func(context.Context, lanes.Delivery) (rabbit.Fate, error)) func(context.Context, []lanes.Delivery) ([]rabbit.Fate, error) {
	return func(ctx context.Context, batch []lanes.Delivery) ([]rabbit.Fate, error) {
		fates := make([]rabbit.Fate, len(batch))
		for i, d := range batch {
			if d.Err != nil {
				continue
			}
			r, err := o.ledger.Get(ctx, d.Job.ID)
			ended := r.State.Final() && r.State != lanes.Missing // a missing job's message has just turned up
			switch {
			case err != nil && !redisNotFound(err): // one sent by plain AMQP has no record yet
				return nil, err
			case r.Replay > d.Replay, ended && r.Replay == d.Replay:
				fates[i].Drop = true
				*dropped++
			case ended, r.State == lanes.Running:
			default:
				if fates[i], err = decide(ctx, d); err != nil {
					return nil, err
				}
			}
		}
		var drops []lanes.Delivery
		for i, f := range fates {
			if f.Drop {
				drops = append(drops, batch[i])
			}
		}
		o.gone(ctx, drops)
		return fates, nil
	}
}

// callOff cancels the job of a waiting message. One without a record gets one, to be cancelled.
func (o *operator) callOff(ctx context.Context, d lanes.Delivery) error {
	if _, err := o.ledger.CreateAll(ctx, []lanes.Delivery{d}); err != nil {
		return err
	}
	_, err := o.ledger.Cancel(ctx, d.Job.ID)
	return err
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
