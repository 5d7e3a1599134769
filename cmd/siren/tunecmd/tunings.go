package tunecmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/yamledit"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

func NewTunings(a *app.App) *cobra.Command {
	return app.Parent("tunings", "Show what differs from the policy file, and end it", newTuningsList(a),
		newTuningsRemove(a), newTuningsExport(a))
}

func newTuningsList(a *app.App) *cobra.Command {
	o := show.Listing{Kind: "tuning"}
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tunings, with the values that the file has",
		Long: `List the tunings, with the values that the file has: those that are in force now, and scheduled ones
with their next start, the schedules of the policy file too.`,
		Example: "  siren tunings\n  siren tunings -o wide",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.Operate(func(op *app.Operator) error {
				return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
					l, err := tuneDesk(op).List(cmd.Context())
					return l, tuningTable(l), err
				})
			})
		},
	}
	app.ListFlags(c, &o)
	return c
}

func tuningTable(l tune.List) *show.Table {
	col, num := show.Col, show.Num
	columns := []show.Column{
		col("FIELD"), col("VALUE"), col("FILE"), col("BY"), num("AGE"), num("ENDS IN"), col("IN FORCE"), col("REASON"),
	}
	scheduled := slices.ContainsFunc(l.Tunings, func(r tune.Row) bool { return r.When != nil })
	if scheduled {
		columns = append(columns, col("SCHEDULE"))
	}
	t := show.NewTable(columns...)
	t.Spare("AGE", "BY", "FILE", "ENDS IN")
	t.Empty = "no tunings: everything is as the policy file says"
	for _, r := range l.Tunings {
		state, style := stateOf(r, l.At)
		cells := []string{
			r.Field, r.Spelled(), r.File, r.By, say.Age(r.At, l.At), endsIn(r, l.At), state, r.Reason,
		}
		switch {
		case r.When != nil:
			cells = append(cells, fmt.Sprintf("%s: %s", r.Name, r.When))
		case scheduled:
			cells = append(cells, "")
		}
		t.Add(cells...)
		t.Paint("IN FORCE", style)
	}
	return t
}

// endsIn says in how long a tuning ends; one that is scheduled and hasn't started doesn't.
func endsIn(r tune.Row, at time.Time) string {
	until := r.Until
	if r.When != nil {
		if r.Next == nil || !r.Next.Has(at) {
			return "-"
		}
		until = r.Next.End
	}
	if until.IsZero() {
		return "never"
	}
	return say.Short(max(0, until.Sub(at)))
}

// stateOf says whether the tuning is in force, or when it will be.
func stateOf(r tune.Row, at time.Time) (string, show.Style) {
	switch {
	case r.Idle != "":
		return "no: " + r.Idle, show.Red
	case r.InForce:
		return "yes", show.Green
	case r.Early:
		return "workers start, for " + say.Moment(r.Next.Start), show.Yellow
	case r.Next != nil && !r.Next.Has(at):
		return say.Moment(r.Next.Start), ""
	default:
		return "not yet", show.Yellow
	}
}

func newTuningsRemove(a *app.App) *cobra.Command {
	var f Flags
	var all bool
	c := &cobra.Command{
		Use:   "remove FIELD|SCHEDULE …",
		Short: "End tunings before their time",
		Long: `End tunings: an immediate one by its field, scheduled ones by the name of their schedule, or one of
them as FIELD@SCHEDULE. A schedule of the policy file is changed there.`,
		Example: `  siren tunings remove lanes.express.reserve
  siren tunings remove general-fri-1800
  siren tunings remove --all`,
		Args: func(_ *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return fmt.Errorf("name the fields or schedules as `siren tunings` does, or say --all")
			}
			return nil
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			return completeTunings(a, c, args, begun)
		},
		RunE: func(cmd *cobra.Command, fields []string) error {
			return a.Operate(func(o *app.Operator) error {
				if all {
					t, _, err := o.Tunings.Now(cmd.Context())
					if err != nil {
						return err
					}
					for _, tuning := range t.All {
						fields = append(fields, tuning.ID())
					}
				}
				if len(fields) == 0 {
					fmt.Fprintln(a.Out, "no tunings: nothing to remove")
					return nil
				}
				return Remove(cmd.Context(), o, f, fields)
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "end them all")
	f.addBut(c)
	return c
}

func newTuningsExport(a *app.App) *cobra.Command {
	c := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Print the policy file with the tunings merged, to commit",
		Long: `Print the policy as it is in force, so that what proved right can be committed; scheduled tunings
become its schedules. With the policy file as argument its comments and its order are kept, and
only what is tuned now is changed; the file itself stays as it is.`,
		Example: `  siren tunings export siren.yaml > tuned.yaml
  siren tunings export`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: app.Files("yaml", "yml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Operate(func(o *app.Operator) error {
				e, err := o.InForce(cmd.Context())
				if err != nil {
					return err
				}
				t, _, err := o.Tunings.Now(cmd.Context())
				if err != nil {
					return err
				}
				if len(args) == 0 {
					planned, err := e.Planned(t.All)
					if err != nil {
						return err
					}
					_, err = fmt.Fprint(a.Out, show.YAML(planned))
					return err
				}
				text, err := os.ReadFile(args[0])
				if errors.Is(err, fs.ErrNotExist) {
					err = fmt.Errorf("%w; without a file, siren tunings export prints the policy in force, which may "+
						"be the built-in one of siren up", err)
				}
				if err != nil {
					return exit.With(exit.Usage, err)
				}
				immediate, plans := lanes.Parted(e.Tunings, t.All)
				for _, s := range plans {
					o.Warn("schedule %s is left out: put it under schedules yourself; without the file, siren "+
						"tunings export "+
						"prints it", s.Name)
				}
				merged, err := yamledit.Merge(text, immediate)
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				_, err = a.Out.Write(merged)
				return err
			})
		},
	}
	return c
}

// completeTunings completes the fields that are tuned, and the names of schedules.
func completeTunings(a *app.App, cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	var fields []string
	_ = a.Operate(func(o *app.Operator) error {
		t, _, err := o.Tunings.Now(ctx)
		for _, name := range names(t.All) {
			if !slices.Contains(given, name) {
				fields = append(fields, name)
			}
		}
		return err
	})
	return fields, cobra.ShellCompDirectiveNoFileComp
}
