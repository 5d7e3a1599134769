package tunecmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

const (
	tuneFor    = time.Hour // how long a tuning lasts unless somebody says
	untilGone  = time.Duration(0)
	mostReason = 200 // characters
)

// Flags is what every command that tunes may be told.
type Flags struct {
	tune.Terms
	Wait bool
	when lanes.When // of the terms, where any of it was said
}

func (f *Flags) add(c *cobra.Command, duration time.Duration) {
	c.Flags().DurationVar(&f.For, "for", duration, "how long; it ends by itself (0: until it is removed)")
	f.addBut(c)
}

// addSchedule adds the flags that say when it starts.
func (f *Flags) addSchedule(c *cobra.Command) {
	fs := c.Flags()
	said(fs, &f.when.At, "at", "when it starts, rather than now: `\"fri 18:00\"`, 18:00 or \"2026-12-24 "+
		"18:00\"")
	said(fs, &f.when.Every, "every", "repeat it every `day|week`, with --at")
	said(fs, &f.when.Cron, "cron", "instead of --at and --every: minute, hour, day, month and weekday, as in "+
		"`\"0 18 * * fri\"`")
	said(fs, &f.when.Timezone, "timezone", "`ZONE` of --at and --cron, as in Europe/Berlin (default: UTC)")
	said(fs, &f.Name, "name", "`NAME` of the schedule, to remove it by; required with --cron (default: what "+
		"it is about and when it starts)")
	app.CompleteFlag(c, "every", cobra.FixedCompletions([]string{"day", "week"}, cobra.ShellCompDirectiveNoFileComp))
}

// said adds a flag that says something if it is given: an empty one is an unset variable of a shell, and without it the
// command would tune at once, or in another zone.
func said(fs *pflag.FlagSet, to *string, name, usage string) {
	fs.Func(name, usage, func(s string) error {
		if strings.TrimSpace(s) == "" {
			return fmt.Errorf("it is empty: is a shell variable unset? Say something, as --help shows, or leave "+
				"--%s out", name)
		}
		*to = s
		return nil
	})
}

// addBut adds the flags but for how long: what was tuned is to end.
func (f *Flags) addBut(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.Reason, "reason", "", "why, for the others and the audit log")
	fs.BoolVar(&f.DryRun, "dry-run", false, "change nothing; show the plans that it leads to now, before and after")
	fs.Func("revision", "change nothing unless the tunings are still at revision `N` (as siren tunings -o json "+
		"shows it)", func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return errors.New("say a number, as siren tunings -o json shows it")
		}
		f.Revision = &n
		return nil
	})
	fs.BoolVar(&f.Wait, "wait", true, "wait until the scaler and the workers follow, for at most "+
		""+tune.TakenUp.String())
}

// onOne makes c a verb that tunes one lane or pool, for so long unless somebody says.
func onOne(
	a *app.App, c *cobra.Command, complete cobra.CompletionFunc, duration time.Duration,
	do func(ctx context.Context, o *app.Operator, f Flags, name string) error,
) *cobra.Command {
	f := &Flags{}
	c.Args, c.ValidArgsFunction = cobra.ExactArgs(1), app.UpTo(1, complete)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.Operate(func(o *app.Operator) error { return do(cmd.Context(), o, *f, args[0]) })
	}
	f.add(c, duration)
	return c
}

// plannedOn does as onOne, of a verb that may also begin later.
func plannedOn(
	a *app.App, c *cobra.Command, complete cobra.CompletionFunc, duration time.Duration,
	do func(ctx context.Context, o *app.Operator, f Flags, name string) error,
) *cobra.Command {
	var when Flags
	c = onOne(a, c, complete, duration, func(ctx context.Context, o *app.Operator, f Flags, name string) error {
		f.when, f.Name = when.when, when.Name
		return do(ctx, o, f, name)
	})
	when.addSchedule(c)
	return c
}

func (f *Flags) check() error {
	if n := utf8.RuneCountInString(f.Reason); n > mostReason {
		return exit.With(exit.Usage, fmt.Errorf("--reason has %d characters; say it in %d", n, mostReason))
	}
	f.Reason = show.Harmless(f.Reason)
	if f.For < 0 {
		return exit.With(exit.Usage, fmt.Errorf("--for %s: say how long from now on, as in 2h", f.For))
	}
	if f.when != (lanes.When{}) {
		f.When = &f.when
	}
	return nil
}

// tuneDesk returns the desk at which the operator tunes.
func tuneDesk(o *app.Operator) *tune.Desk {
	return &tune.Desk{Tunings: o.Tunings, Board: o.Board, Roster: o.Roster, By: app.Who(o.User), Version: app.Version()}
}

// Set puts the wishes into force, all or none.
func Set(ctx context.Context, o *app.Operator, f Flags, wishes ...tune.Wish) error {
	if err := f.check(); err != nil {
		return err
	}
	if len(wishes) == 0 {
		return exit.With(exit.Usage, errors.New("say what to change; --help lists what can be"))
	}
	c, err := tuneDesk(o).Set(ctx, f.Terms, wishes...)
	if err != nil {
		return err
	}
	return tuned(ctx, o, f, c)
}

// Remove ends tunings.
func Remove(ctx context.Context, o *app.Operator, f Flags, fields []string) error {
	if err := f.check(); err != nil {
		return err
	}
	c, err := tuneDesk(o).Remove(ctx, f.Terms, fields...)
	if err != nil {
		return err
	}
	return tuned(ctx, o, f, c)
}

// end takes back a pause or a freeze.
func end(ctx context.Context, o *app.Operator, f Flags, field, already string) error {
	if err := f.check(); err != nil {
		return err
	}
	c, was, err := tuneDesk(o).End(ctx, f.Terms, field)
	switch {
	case err != nil:
		return err
	case !was:
		fmt.Fprintln(o.Out, already)
		return nil
	default:
		return tuned(ctx, o, f, c)
	}
}

// tuned says what was changed, and waits until it is followed; of a dry run it shows what it would lead to.
func tuned(ctx context.Context, o *app.Operator, f Flags, c tune.Change) error {
	if !f.DryRun {
		for _, t := range c.Idled {
			o.Warn("%s = %s by %s can't be in force beside this: %s", t.Field, t.Spelled(), t.By, t.Why)
		}
	}
	for _, m := range c.Missed {
		o.Warn("%s", m)
	}
	for _, p := range c.Odd {
		o.Warn("%s: %s", p.Path, p.Message)
	}
	for i, t := range c.Set {
		until := say.Until(t.Until, c.At)
		if t.When != nil {
			until = fmt.Sprintf("%s (schedule %s)", t.When, t.Name)
		}
		line := fmt.Sprintf("%s: %s → %s, %s", t.Field, c.Before[i], t.Spelled(), until)
		if old, ok := c.Replaced(t.ID()); ok && !f.DryRun {
			line += fmt.Sprintf("; in place of %s by %s%s", old.Spelled(), old.By, say.Because(old.Reason))
		}
		fmt.Fprintln(o.Out, line)
	}
	for i, t := range c.Removed {
		if t.When != nil {
			fmt.Fprintf(o.Out, "%s: %s, %s (schedule %s): removed\n", t.Field, t.Spelled(), t.When, t.Name)
			continue
		}
		fmt.Fprintf(o.Out, "%s: %s → %s, as the file has it\n", t.Field, c.Before[i], c.File[i])
	}
	starts(o, c)
	if f.DryRun {
		return foresee(ctx, o, c)
	}
	if len(c.Set) > 0 {
		fmt.Fprintf(o.Out, "undo: siren tunings remove %s\n", strings.Join(names(c.Set), " "))
	}
	if f.Wait {
		AwaitFollowed(ctx, o, c)
	}
	return nil
}

// names returns by which names the tunings are removed.
func names(all []lanes.Tuning) (names []string) {
	for _, t := range all {
		if t.Name == "" {
			names = append(names, t.Field)
		} else if !slices.Contains(names, t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}

// starts says when what is scheduled starts, three times at most.
func starts(o *app.Operator, c tune.Change) {
	if len(c.Set) == 0 || c.Set[0].When == nil {
		return
	}
	when, at := *c.Set[0].When, c.At
	for i := range 3 {
		next, comes := when.Next(at)
		if !comes {
			return
		}
		word := "then"
		switch {
		case next.Has(c.At):
			word = "now, since"
		case i == 0:
			word = "first"
		}
		fmt.Fprintf(o.Out, "%s %s, until %s\n", word, say.Moment(next.Start), say.Moment(next.End))
		at = next.End
	}
}

// AwaitFollowed waits until the scaler has put the change into force and the workers follow, and says so, or that
// they don't yet.
func AwaitFollowed(ctx context.Context, o *app.Operator, c tune.Change) {
	if far := tuneDesk(o).Await(ctx, c); far.Done() {
		fmt.Fprintln(o.Out, far)
	} else {
		o.Warn("%s", far)
	}
}

// foresee shows what a dry change leads to: the plans of now, before and after.
func foresee(ctx context.Context, o *app.Operator, c tune.Change) error {
	if _, waits := c.Starts(); waits {
		fmt.Fprintln(o.Out, "nothing was changed (--dry-run)")
		return nil
	}
	f, err := tuneDesk(o).Foresee(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintln(o.Out)
	col, num := show.Col, show.Num
	t := show.NewTable(col("POOL"), col(""), num("FROM"), num("TO"), col("REASON"), col("WHY"))
	for i, before := range f.Before {
		t.Add(before.Pool, "now", fmt.Sprint(before.From), fmt.Sprint(before.To), string(before.Reason), before.Why)
		if i < len(f.After) {
			after := f.After[i]
			t.Add("", "then", fmt.Sprint(after.From), fmt.Sprint(after.To), string(after.Reason), after.Why)
		}
	}
	err = t.Print(o.Out)
	fmt.Fprintln(o.Out, "nothing was changed (--dry-run)")
	return err
}
