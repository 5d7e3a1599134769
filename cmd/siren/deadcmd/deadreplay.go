package deadcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/operate/paramset"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// replayRate is how many jobs are replayed in a second unless --rate says otherwise: enough for most incidents within
// minutes, and little beside what a fleet takes.
const replayRate = 10

// leastRate keeps the letters that are in hand from being there for hours.
const leastRate = 0.01

// deadReplay is what `siren dead replay` may be told.
type deadReplay struct {
	choose.Letters
	to   string
	set  []string
	rate float64
}

func newDeadReplay(a *app.App) *cobra.Command {
	var d deadReplay
	c := &cobra.Command{
		Use:   "replay [ID …]",
		Short: "Run dead jobs again",
		Long: `Put dead jobs back into their lane, or into another: those named, those that a filter chooses, or
--all. A fresh copy of each goes to its lane with confirm, then the ledger goes by the copy, then
the letter is removed. It may be interrupted or killed at any moment: no job is lost, none has two
results, and the same command goes on where it was.

What is no job, or has no id, stays where it is. A job whose lane has left the policy goes to the
default lane. A deadline that is over (expiresAt) is dropped. A job starts over, with all
its attempts.`,
		Example: `  siren dead replay 06ezy… 06f01…
  siren dead replay --died-of failed --since 2h --reason "the storage is back"
  siren dead replay --lane bulk --died-of timed-out --to archive --rate 2
  siren dead replay --kind transcode --died-of over-limit --set height=720 --dry-run`,
		ValidArgsFunction: a.CompleteJobs(job.Dead),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.Operate(func(o *app.Operator) error { return d.run(cmd.Context(), o, ids) })
		},
	}
	d.Flags(a, c)
	f := c.Flags()
	f.StringVar(&d.to, "to", "", "`LANE` to put them into (default their own)")
	f.StringArrayVar(&d.set, "set", nil, "param `NAME=VALUE` that each of them gets, as often as you like; null "+
		"takes one away")
	f.Float64Var(&d.rate, "rate", replayRate, "at most this many jobs a second; 0: as fast as it goes")
	f.IntVar(&d.Limit, "limit", 0, "at most this many, in the order of the letters; 0: all")
	f.BoolVar(&d.DryRun, "dry-run", false, "count what would be replayed, and change nothing")
	app.CompleteFlag(c, "to", a.CompleteLanes)
	return c
}

func (d *deadReplay) run(ctx context.Context, o *app.Operator, ids []string) error {
	if err := d.Check(ids); err != nil {
		return err
	}
	set, err := paramset.Parse(d.set, d.Kind)
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	if d.Limit < 0 {
		return exit.With(exit.Usage, fmt.Errorf("--limit %d: say how many at most, or 0 for all", d.Limit))
	}
	if d.rate != 0 && (d.rate < leastRate || d.rate != d.rate) {
		return exit.With(exit.Usage, fmt.Errorf("--rate %v: say how many jobs a second, %v at least, or 0 for as "+
			"fast as it goes", d.rate, leastRate))
	}
	if err := o.Desk().MayNote(ctx); err != nil {
		return err
	}
	e, err := o.InForce(ctx)
	if err != nil {
		return err
	}
	if d.to != "" {
		if err := operate.RequireLane(e, d.to, false); err != nil {
			return err
		}
	}
	if d.DryRun {
		d.rate = 0 // nothing is slowed down
	}
	replay := dead.NewReplay(o.Desk(), e.Policy, d.Filter, ids)
	replay.Reason, replay.To, replay.Set, replay.Limit, replay.DryRun, replay.Rate = d.Reason, d.to, set, d.Limit,
		d.DryRun, d.rate
	r := &replayReport{Replay: replay, out: o.Out, err: o.Err}
	replay.Progress = r.showProgress
	if show.IsTerminal(o.Err) || d.Asks(ids) { // else nobody is told
		if r.expect, err = d.expected(ctx, o, ids); err != nil {
			return err
		}
	}
	if d.Asks(ids) {
		speed := "as fast as it goes"
		if d.rate > 0 {
			speed = fmt.Sprintf("%v a second", d.rate)
		}
		if nothing, err := d.Ask(ctx, o, "Replay %s, "+speed+"?", r.expect); err != nil || nothing {
			return nothingDead(o, errors.Join(err, d.knownLane(e)))
		}
	}
	err = replay.Run(ctx)
	show.Progress(o.Err, "")
	if err == nil && replay.Done.Jobs == 0 {
		err = d.knownLane(e)
	}
	return r.report(ctx, err)
}

// knownLane refuses a lane that there isn't.
func (d *deadReplay) knownLane(e lanes.Effective) error {
	if d.Lane == "" {
		return nil
	}
	return operate.RequireLane(e, d.Lane, true)
}

// expected counts the jobs to be replayed, as far as the ledger knows.
func (d *deadReplay) expected(ctx context.Context, o *app.Operator, ids []string) (n int, err error) {
	switch {
	case len(ids) > 0:
		n = len(ids)
	case d.All:
		n, err = o.Ledger.CountDead(ctx)
	default:
		all := d.Dead
		all.Limit = 0
		var records []job.Record
		records, err = everyDead(ctx, o, &all, false)
		n = len(records)
	}
	if d.Limit > 0 {
		n = min(n, d.Limit)
	}
	return n, err
}
