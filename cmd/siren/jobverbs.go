package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/dead"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// endedWithin is how long `siren jobs cancel` waits for a running job's programs to end: a second until its worker hears of it, and one that
// the programs have to let go.
const endedWithin = 5 * time.Second

// vanishedFor is how long ago the lease of a running job has to have ended for `siren jobs retry` to doubt that it runs.
const vanishedFor = time.Minute

func newJobsPromote(a *app) *cobra.Command {
	var lane, reason string
	c := &cobra.Command{
		Use:   "promote ID …",
		Short: "Put queued jobs into another lane",
		Long: `Put queued jobs into another lane: a fresh copy goes there, and the original is recognised and skipped when it comes up. A job that has
started meanwhile is left alone.`,
		Example:           "  siren jobs promote 06ezy… --lane express --reason \"the customer is on the phone\"",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeJobs(lanes.Queued),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.operate(func(o *operator) error {
				e, err := o.inForce(cmd.Context())
				if err != nil {
					return err
				}
				if err := known(e, lane, false); err != nil {
					return err
				}
				return o.eachJob(cmd.Context(), ids, func(ctx context.Context, r lanes.Record) error {
					if r.State != lanes.Queued {
						return fmt.Errorf("job %s is %s; only a queued job can be promoted%s", r.ID, r.State, dead.Instead(r))
					}
					if r.Lane == lane {
						fmt.Fprintf(o.out, "job/%s is in lane %s already\n", r.ID, lane)
						return nil
					}
					if err := o.republish(ctx, e.Policy, r, lane); err != nil {
						return err
					}
					o.note(ctx, lanes.AuditEntry{Verb: "promote", On: "job " + r.ID, Before: r.Lane, After: lane, Reason: reason})
					fmt.Fprintf(o.out, "job/%s promoted from %s to %s\n", r.ID, r.Lane, lane)
					return nil
				})
			})
		},
	}
	c.Flags().StringVar(&lane, "lane", "", "lane to put them into (required)")
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	_ = c.MarkFlagRequired("lane")
	completeFlag(c, "lane", a.completeLanes)
	return c
}

// eachJob calls f with each job's record, and goes on after an error. The errors come back together.
func (o *operator) eachJob(ctx context.Context, ids []string, f func(context.Context, lanes.Record) error) error {
	var errs []error
	code := exit.Failed
	for _, id := range ids {
		r, err := o.ledger.Get(ctx, id)
		switch {
		case redisNotFound(err):
			code = exit.NotFound
			errs = append(errs, noJob(id))
			continue
		case err != nil:
			return reach.Unreachable(errors.Join(append(errs, err)...))
		}
		if err := f(ctx, r); err != nil {
			if e := (*exit.Error)(nil); errors.As(err, &e) {
				code = e.Code
			}
			errs = append(errs, err)
		}
	}
	return exit.With(code, errors.Join(errs...))
}

func noJob(id string) error {
	return fmt.Errorf("no job %q: its record is kept for a while after its end; one that was sent by plain AMQP, or before Redis lost its data, has none before it starts", id)
}

// republish puts a fresh copy of a job into a lane: the ledger goes by the copy from then on, and an older message of the job is skipped.
func (o *operator) republish(ctx context.Context, p lanes.Policy, r lanes.Record, lane string) error {
	conn, err := o.connect(ctx, "jobs")
	if err != nil {
		return err
	}
	defer conn.Close()
	publish, job := rabbit.NewPublisher(conn, 0), r.Job()
	job.Priority = p.Priority(lane, job.Priority)
	now := time.Now()
	if job.ExpiresAt.Before(now) { // it is wanted all the same
		job.ExpiresAt = time.Time{}
	}
	copied := rabbit.Entry{Lane: lane, Job: job, EnqueuedAt: r.EnqueuedAt, Replay: r.Replay + 1, Priority: job.Priority}
	if err := publish.EnqueueBatch(ctx, []rabbit.Entry{copied})[0]; err != nil {
		return reach.Unreachable(err)
	}
	_, err = o.ledger.Supersede(ctx, redis.Supersede{ID: r.ID, Lane: lane, Priority: job.Priority, ReadyAt: now, Replay: copied.Replay, From: []lanes.State{r.State}})
	var state *redis.StateError
	if errors.As(err, &state) && state.Replay == copied.Replay {
		return nil // the copy has been taken already
	}
	if state != nil {
		return exit.With(exit.Conflict, fmt.Errorf("job %s was changed by somebody else meanwhile: it is %s now, and what they did counts", r.ID, state.State))
	}
	if err != nil {
		return reach.Unreachable(fmt.Errorf("job %s: its copy is in lane %s, but the ledger couldn't be told; whichever of its messages comes first counts: %w", r.ID, lane, err))
	}
	return nil
}

func newJobsRetry(a *app) *cobra.Command {
	var lane, reason string
	c := &cobra.Command{
		Use:   "retry ID …",
		Short: "Run dead, retrying, cancelled or missing jobs again at once",
		Long: `Put jobs that are dead, cancelled, missing or waiting for their next attempt back into their lane at once. A dead job's message is taken
from the dead letters when its copy is safe. A job that says running though its worker vanished a minute ago can be retried too: had it ended
already, that is found out, and nothing runs twice.`,
		Example:           "  siren jobs retry 06ezy…\n  siren jobs retry 06ezy… --lane bulk",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeJobs(lanes.Dead, lanes.Retrying, lanes.Cancelled, lanes.Missing),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.operate(func(o *operator) error {
				e, err := o.inForce(cmd.Context())
				if err != nil {
					return err
				}
				if lane != "" {
					if err := known(e, lane, false); err != nil {
						return err
					}
				}
				return o.eachJob(cmd.Context(), ids, func(ctx context.Context, r lanes.Record) error {
					to := lane
					if _, ok := e.Policy.Lane(r.Lane); to == "" && ok {
						to = r.Lane
					} else if to == "" {
						to = e.Policy.DefaultLane() // its lane has left the policy
					}
					if err := o.retry(ctx, e.Policy, r, to); err != nil {
						return err
					}
					o.note(ctx, lanes.AuditEntry{Verb: "retry", On: "job " + r.ID, Before: string(r.State), After: to, Reason: reason})
					fmt.Fprintf(o.out, "job/%s is in lane %s again\n", r.ID, to)
					return nil
				})
			})
		},
	}
	c.Flags().StringVar(&lane, "lane", "", "lane to put them into (default their own)")
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	completeFlag(c, "lane", a.completeLanes)
	return c
}

// retry puts a job into a lane again. A dead one is taken from the dead letters: its message says best what it is.
func (o *operator) retry(ctx context.Context, p lanes.Policy, r lanes.Record, lane string) error {
	switch r.State {
	case lanes.Cancelled:
		if time.Now().Before(r.LeaseUntil) { // its worker may not have heard of it yet, and commit its output still
			if err := o.awaitStopped(ctx, r.ID, time.Now()); err != nil {
				return err
			}
		}
		return o.republish(ctx, p, r, lane)
	case lanes.Retrying, lanes.Missing:
		return o.republish(ctx, p, r, lane)
	case lanes.Running:
		// Its worker vanished. Its message brings the job again, unless it had ended while Redis was away: then a copy does, and finds the output.
		if now := time.Now(); now.Before(r.LeaseUntil.Add(vanishedFor)) {
			return fmt.Errorf("job %s is running on %s; only one whose worker vanished %s ago can be retried%s", r.ID, r.Worker, lanes.Duration(vanishedFor), dead.Instead(r))
		}
		return o.republish(ctx, p, r, lane)
	case lanes.Dead:
	default:
		return fmt.Errorf("job %s is %s; only a dead, retrying, cancelled or missing job can be retried", r.ID, r.State)
	}
	replay := o.letters().Replay(p, dead.Filter{}, []string{r.ID})
	replay.To = lane
	if err := replay.Run(ctx); err != nil {
		return err
	}
	return refusals(replay.Refused)
}

func newJobsCancel(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "cancel ID …",
		Short: "Call off jobs, running ones too",
		Long: `Call off jobs. A waiting one is skipped when it comes up. A running one is stopped: its programs end within two seconds, and the
command waits for that. Its output doesn't appear, unless it had been committed already: then the job is completed.`,
		Example:           "  siren jobs cancel 06ezy… --reason \"uploaded twice\"",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeJobs(lanes.Queued, lanes.Running, lanes.Retrying),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.operate(func(o *operator) error {
				var stopping []string
				err := o.eachJob(cmd.Context(), ids, func(ctx context.Context, r lanes.Record) error {
					running, err := o.cancel(ctx, r, reason)
					if running {
						stopping = append(stopping, r.ID)
					}
					return err
				})
				began := time.Now()
				for _, id := range stopping { // all of them have been told by now
					if late := o.awaitStopped(cmd.Context(), id, began); late != nil && err == nil {
						err = late
					}
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return c
}

// cancel calls one job off, and says whether it was running.
func (o *operator) cancel(ctx context.Context, r lanes.Record, reason string) (running bool, err error) {
	before, err := o.ledger.Cancel(ctx, r.ID)
	var state *redis.StateError
	switch {
	case errors.As(err, &state) && state.State == lanes.Cancelled:
		fmt.Fprintf(o.out, "job/%s is cancelled already\n", r.ID)
		return false, nil
	case errors.As(err, &state):
		return false, fmt.Errorf("job %s is %s: there is nothing to cancel", r.ID, state.State)
	case err != nil:
		return false, reach.Unreachable(err)
	}
	o.note(ctx, lanes.AuditEntry{Verb: "cancel", On: "job " + r.ID, Before: string(before), After: string(lanes.Cancelled), Reason: reason})
	if before == lanes.Running {
		return true, nil
	}
	fmt.Fprintf(o.out, "job/%s cancelled\n", r.ID)
	return false, nil
}

// awaitStopped waits until the worker of a job that was cancelled since then says that its programs have ended.
func (o *operator) awaitStopped(ctx context.Context, id string, began time.Time) error {
	for {
		r, err := o.ledger.Get(ctx, id)
		switch {
		case err != nil:
			return reach.Unreachable(err)
		case r.State == lanes.Completed:
			return fmt.Errorf("job %s had committed its output already: it is completed", id)
		case r.LeaseUntil.IsZero():
			fmt.Fprintf(o.out, "job/%s cancelled; its programs have ended\n", id)
			return nil
		case time.Since(began) > endedWithin:
			fmt.Fprintf(o.out, "job/%s cancelled; its worker %s hasn't said yet that its programs have ended\n", id, r.Worker)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

func newJobsLogs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "logs ID",
		Short: "Print the end of what a job's programs said",
		Long: `Print the end of what a job's programs (ffmpeg, ffprobe) said in its latest attempt, at most 8 KiB. It is kept as long as the job's
record, and follows a running job by a second or so.`,
		Example:           "  siren jobs logs 06ezy…",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: upTo(1, a.completeJobs()),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(func(o *operator) error {
				text, err := o.ledger.Log(cmd.Context(), args[0])
				if !redisNotFound(err) {
					if err == nil {
						fmt.Fprint(a.out, text)
					}
					return reach.Unreachable(err)
				}
				r, err := o.ledger.Get(cmd.Context(), args[0])
				if redisNotFound(err) {
					return exit.With(exit.NotFound, noJob(args[0]))
				}
				if err != nil {
					return reach.Unreachable(err)
				}
				fmt.Fprintf(a.err, "job %s is %s; its programs have said nothing\n", r.ID, r.State)
				return nil
			})
		},
	}
}
