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
)

func NewTunings(a *app.App) *cobra.Command {
	return app.Parent("tunings", "Show what differs from the policy file, and end it", newTuningsList(a),
		newTuningsRemove(a), newTuningsExport(a))
}

func newTuningsList(a *app.App) *cobra.Command {
	o := show.Listing{Kind: "tuning"}
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the tunings, with the values that the file has",
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
	t := show.NewTable(col("FIELD"), col("VALUE"), col("FILE"), col("BY"), num("AGE"), num("ENDS IN"),
		col("IN FORCE"), col("REASON"))
	t.Spare("AGE", "BY", "FILE", "ENDS IN")
	t.Empty = "no tunings: everything is as the policy file says"
	for _, r := range l.Tunings {
		ends := "never"
		if !r.Until.IsZero() {
			ends = say.Short(max(0, r.Until.Sub(l.At)))
		}
		state, style := "yes", show.Green
		switch {
		case r.Idle != "":
			state, style = "no: "+r.Idle, show.Red
		case !r.InForce:
			state, style = "not yet", show.Yellow
		}
		t.Add(r.Field, r.Spelled(), r.File, r.By, say.Age(r.At, l.At), ends, state, r.Reason)
		t.Paint("IN FORCE", style)
	}
	return t
}

func newTuningsRemove(a *app.App) *cobra.Command {
	var f Flags
	var all bool
	c := &cobra.Command{
		Use:   "remove FIELD …",
		Short: "End tunings before their time",
		Example: `  siren tunings remove lanes.express.reserve
  siren tunings remove --all`,
		Args: func(_ *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return fmt.Errorf("name the fields as `siren tunings` does, or say --all")
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
						fields = append(fields, tuning.Field)
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
		Long: `Print the policy as it is in force, so that what proved right can be committed. With the policy file
as argument its comments and its order are kept, and only what is tuned is changed; the file itself
stays as it is.`,
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
				if len(args) == 0 {
					_, err = fmt.Fprint(a.Out, show.YAML(e.Policy))
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
				merged, err := yamledit.Merge(text, e.Tunings)
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

// completeTunings completes the fields that are tuned.
func completeTunings(a *app.App, cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	var fields []string
	_ = a.Operate(func(o *app.Operator) error {
		t, _, err := o.Tunings.Now(ctx)
		for _, tuning := range t.All {
			if !slices.Contains(given, tuning.Field) {
				fields = append(fields, tuning.Field)
			}
		}
		return err
	})
	return fields, cobra.ShellCompDirectiveNoFileComp
}
