package deadcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

// deadPurge is what `siren dead purge` may be told.
type deadPurge struct {
	choose.Letters
	export string
}

func newDeadPurge(a *app.App) *cobra.Command {
	var d deadPurge
	c := &cobra.Command{
		Use:   "purge [ID …]",
		Short: "Throw dead letters away",
		Long: `Throw the letters of dead jobs away: of those named, those that a filter chooses, or --all. It asks
first; --yes answers. --export keeps what is thrown away: each letter is in the file before it is
removed.

The jobs' records stay as long as they would have, as cancelled ones: siren jobs list --state
cancelled shows them, and siren jobs retry makes a new message of one.`,
		Example: `  siren dead purge 06ezy… 06f01…
  siren dead purge --died-of bad-input --older-than 168h --export thrown-away.ndjson
  siren dead purge --all --yes --reason "tests of the old version"`,
		ValidArgsFunction: a.CompleteJobs(job.Dead),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.Operate(func(o *app.Operator) error { return d.run(cmd.Context(), o, ids) })
		},
	}
	d.Flags(a, c)
	c.Flags().StringVar(&d.export, "export", "", "new `FILE` that the letters go to first; see siren dead export")
	c.Flags().BoolVar(&d.DryRun, "dry-run", false, "count what would be thrown away, and change nothing")
	app.CompleteFlag(c, "export", app.Files())
	return c
}

func (d *deadPurge) run(ctx context.Context, o *app.Operator, ids []string) error {
	if err := d.Check(ids); err != nil {
		return err
	}
	if err := o.Desk().MayNote(ctx); err != nil {
		return err
	}
	jobs, err := d.chosen(ctx, o, ids)
	if err != nil {
		return err
	}
	p := dead.NewPurge(o.Desk(), d.Filter, ids, jobs)
	p.DryRun, p.Reason = d.DryRun, d.Reason
	if d.Asks(ids) {
		if nothing, err := d.Ask(ctx, o, "Throw away %s?", len(jobs)); err != nil || nothing {
			return nothingDead(o, cmp.Or(err, o.NothingOf(ctx, d.Lane)))
		}
	}
	var kept *exporter
	if d.export != "" && !d.DryRun {
		if kept, err = newExporter(d.export, o.Out); err != nil {
			return err
		}
		p.Keep = kept.add
	}
	err = errors.Join(p.Run(ctx), kept.close(), kept.dropEmpty())
	if err == nil && p.Letters == 0 && p.Jobs == 0 {
		if err := o.NothingOf(ctx, d.Lane); err != nil {
			return err
		}
	}
	return purged(ctx, o, p, err)
}

// nothingDead says that no dead job is chosen, unless there is an error.
func nothingDead(o *app.Operator, err error) error {
	if err == nil {
		fmt.Fprintln(o.Err, "there is no such dead job")
	}
	return err
}

// chosen returns the records of the jobs that are dead now and chosen.
func (d *deadPurge) chosen(ctx context.Context, o *app.Operator, ids []string) ([]job.Record, error) {
	if len(ids) == 0 {
		return everyDead(ctx, o, &d.Dead, false)
	}
	records, err := o.Ledger.GetAll(ctx, ids)
	var chosen []job.Record
	for _, r := range records {
		if r.State == job.Dead {
			chosen = append(chosen, r)
		}
	}
	return chosen, err
}

// purged says what was done. err is what ended it.
func purged(ctx context.Context, o *app.Operator, p *dead.Purge, err error) error {
	switch {
	case p.DryRun && err == nil:
		fmt.Fprintf(o.Out, "%s would be thrown away; nothing was changed (--dry-run)\n",
			say.Plural(p.Letters, "dead letter"))
	case p.Letters > 0 || p.Jobs > 0 || err == nil:
		fmt.Fprintf(o.Out, "%s thrown away, %s\n", say.Plural(p.Letters, "dead letter"),
			app.Tally(p.Jobs, "job is cancelled", "jobs are cancelled"))
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: the same command goes on")
	}
	if err != nil {
		return exit.With(exit.Code(err), fmt.Errorf("%w; the same command goes on", err))
	}
	missing := app.Refusals{Named: true}
	for _, id := range p.Missing() {
		missing.Add(dead.NoJob(id))
	}
	return missing.Err()
}
