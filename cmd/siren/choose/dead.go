package choose

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

// Dead is the flags that choose dead jobs. Times are those of the death.
type Dead struct{ Jobs }

// Flags adds the flags.
func (f *Dead) Flags(a *app.App, c *cobra.Command) {
	f.Choosing(a, c)
	c.Flags().Lookup("since").Usage = "only jobs that died at most this long ago"
	c.Flags().Lookup("older-than").Usage = "only jobs that died at least this long ago"
	c.Flags().StringVar(&f.Tenant, "tenant", "", "only jobs of this tenant: of the label "+dead.TenantLabel)
	c.Flags().StringSliceVar(&f.DiedOf, "died-of", nil,
		"only jobs that died of this `REASON`, or of one of several: "+say.Listed(dead.Reasons))
	app.CompleteFlag(c, "died-of", app.Fixed(dead.Reasons...))
}

// Check makes the filter ready for use.
func (f *Dead) Check() error {
	f.State = string(job.Dead)
	if f.Since < 0 || f.OlderThan < 0 {
		return exit.With(exit.Usage, errors.New("--since and --older-than can't be negative"))
	}
	if err := dead.CheckSelector(f.Selector); err != nil {
		return exit.With(exit.Usage, fmt.Errorf("--selector %q: %w", f.Selector, err))
	}
	for i, s := range f.DiedOf {
		reason, err := dead.Reason(s)
		if err != nil {
			return exit.With(exit.Usage, fmt.Errorf("--died-of: %w", err))
		}
		f.DiedOf[i] = reason
	}
	return nil
}

// Letters is which dead letters a command is about: those of some jobs, by their ids, or those that a filter
// chooses.
type Letters struct {
	Dead
	All    bool
	Reason string // why, for the audit log
	DryRun bool
	yes    bool
}

// Flags adds the flags.
func (d *Letters) Flags(a *app.App, c *cobra.Command) {
	d.Dead.Flags(a, c)
	c.Flags().BoolVar(&d.All, "all", false, "all there are")
	c.Flags().StringVar(&d.Reason, "reason", "", "why, for the audit log")
	c.Flags().BoolVarP(&d.yes, "yes", "y", false, "do not ask")
}

// Check sees to it that somebody who chooses all says so.
func (d *Letters) Check(ids []string) error {
	if reason, err := dead.Reason(d.Reason); err == nil && len(d.DiedOf) == 0 {
		return exit.With(exit.Usage, fmt.Errorf("--reason is why you do it, for the audit log; jobs that died of it "+
			"are chosen by --died-of %q", reason))
	}
	if err := d.Dead.Check(); err != nil {
		return err
	}
	filter := d.Filter.String()
	switch {
	case len(ids) > 0 && (filter != "" || d.All):
		return exit.With(exit.Usage, errors.New("say ids, or a filter, or --all: not several of them"))
	case filter != "" && d.All:
		return exit.With(exit.Usage, fmt.Errorf("--all is every dead letter, and %s only some of them: say one of "+
			"the two", filter))
	case len(ids) == 0 && filter == "" && !d.All:
		return exit.With(exit.Usage, errors.New("say which: ids, a filter such as --lane or --died-of, or --all"))
	}
	return nil
}

// Asks reports whether a person is asked before anything is done.
func (d *Letters) Asks(ids []string) bool { return len(ids) == 0 && !d.yes && !d.DryRun }

// Ask asks whether it is to be done to what is chosen, so many jobs by their records. The question has a %s for that.
// It isn't asked where nothing is chosen: no record, and no letter that may have none.
func (d *Letters) Ask(ctx context.Context, o *app.Operator, question string, jobs int) (nothing bool, err error) {
	letters, err := dead.Count(ctx, o.Desk())
	if err != nil {
		return false, err
	}
	if jobs == 0 {
		known, err := o.Ledger.CountDead(ctx)
		if err != nil || letters <= known {
			return err == nil, err
		}
	}
	what := "all dead jobs"
	if which := d.Phrase("died"); which != "" {
		what = "the dead jobs " + which
	}
	which := fmt.Sprintf("%s, %d by their records (siren.dead has %s)", what, jobs, say.Plural(letters, "letter"))
	return false, o.AskFirst(fmt.Sprintf(question, which))
}
