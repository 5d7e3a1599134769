package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/yamledit"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

func newTunings(a *app) *cobra.Command {
	return parent("tunings", "Show what differs from the policy file, and end it", newTuningsList(a), newTuningsRemove(a), newTuningsExport(a))
}

// tuningRow is a tuning as `siren tunings` shows it.
type tuningRow struct {
	lanes.Tuning
	File    string `json:"file"`           // the value in the policy file
	InForce bool   `json:"inForce"`        // the leading scaler follows it
	Idle    string `json:"idle,omitempty"` // why it doesn't
}

func newTuningsList(a *app) *cobra.Command {
	o := show.Listing{Kind: "tuning"}
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the tunings, with the values that the file has",
		Example: "  siren tunings\n  siren tunings -o wide",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.operate(func(op *operator) error {
				return o.Show(cmd.Context(), a.out, a.err, func() (any, *show.Table, error) {
					rows, revision, now, err := op.listTunings(cmd.Context())
					if err != nil {
						return nil, nil, err
					}
					return map[string]any{"revision": revision, "tunings": rows}, tuningTable(rows, now), nil
				})
			})
		},
	}
	listFlags(c, &o)
	return c
}

func (o *operator) listTunings(ctx context.Context) (rows []tuningRow, revision int64, now time.Time, err error) {
	t, now, err := o.tunings.Now(ctx)
	if err != nil {
		return nil, 0, now, reach.Unreachable(err)
	}
	e, err := o.inForce(ctx)
	if err != nil {
		return nil, 0, now, err
	}
	rows = []tuningRow{}
	for _, tuning := range t.All {
		row := tuningRow{Tuning: tuning, InForce: inForce(e, []lanes.Tuning{tuning})}
		if file, err := e.Written().Field(tuning.Field); err == nil {
			row.File = lanes.Spell(file)
		}
		for _, idle := range e.Idle {
			if idle.Field == tuning.Field {
				row.Idle = idle.Why
			}
		}
		rows = append(rows, row)
	}
	return rows, t.Revision, now, nil
}

func tuningTable(rows []tuningRow, now time.Time) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("FIELD"), col("VALUE"), col("FILE"), col("BY"), num("AGE"), num("ENDS IN"), col("IN FORCE"), col("REASON"))
	t.Empty = "no tunings: everything is as the policy file says"
	for _, r := range rows {
		ends := "never"
		if !r.Until.IsZero() {
			ends = say.Short(max(0, r.Until.Sub(now)))
		}
		state, style := "yes", show.Green
		switch {
		case r.Idle != "":
			state, style = "no: "+r.Idle, show.Red
		case !r.InForce:
			state, style = "not yet", show.Yellow
		}
		t.Add(r.Field, r.Spelled(), r.File, r.By, say.Age(r.At, now), ends, state, r.Reason)
		t.Paint("IN FORCE", style)
	}
	return t
}

func newTuningsRemove(a *app) *cobra.Command {
	var f tuneFlags
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
		ValidArgsFunction: a.completeTunings,
		RunE: func(cmd *cobra.Command, fields []string) error {
			return a.operate(func(o *operator) error {
				if all {
					t, _, err := o.tunings.Now(cmd.Context())
					if err != nil {
						return reach.Unreachable(err)
					}
					for _, tuning := range t.All {
						fields = append(fields, tuning.Field)
					}
				}
				if len(fields) == 0 {
					fmt.Fprintln(a.out, "no tunings: nothing to remove")
					return nil
				}
				return o.remove(cmd.Context(), f, fields)
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "end them all")
	f.addBut(c)
	return c
}

// remove ends tunings.
func (o *operator) remove(ctx context.Context, f tuneFlags, fields []string) error {
	slices.Sort(fields)
	fields = slices.Compact(fields)
	c, err := o.change(ctx, f, fields, func(*lanes.Policy, time.Time) ([]lanes.Tuning, []string, error) {
		t, _, err := o.tunings.Now(ctx)
		if err != nil {
			return nil, nil, reach.Unreachable(err)
		}
		tuned := make([]string, len(t.All))
		for i, tuning := range t.All {
			tuned[i] = tuning.Field
		}
		for _, field := range fields {
			if !slices.Contains(tuned, field) {
				return nil, nil, exit.With(exit.NotFound, fmt.Errorf("there is no tuning of %s%s; see `siren tunings`", field, lanes.Suggest(field, tuned)))
			}
		}
		return nil, fields, nil
	})
	if err != nil {
		return err
	}
	e, err := o.inForce(ctx)
	if err != nil {
		return err
	}
	for i, field := range c.remove {
		file := "what the policy doesn't have any more"
		if v, err := e.Written().Field(field); err == nil {
			file = lanes.Spell(v)
		}
		fmt.Fprintf(o.out, "%s: %s → %s, as the file has it\n", field, c.before[i], file)
	}
	if f.dryRun {
		return o.foresee(ctx, c)
	}
	if f.wait {
		o.awaitFollowed(ctx, c)
	}
	return nil
}

// end takes back a pause or a hold: its tuning goes, or where the file itself says so, a tuning says otherwise.
func (o *operator) end(ctx context.Context, f tuneFlags, field, already string) error {
	e, err := o.inForce(ctx)
	if err != nil {
		return err
	}
	t, now, err := o.tunings.Now(ctx)
	if err != nil {
		return reach.Unreachable(err)
	}
	written := e.Written()
	file, err := written.Field(field)
	if err != nil {
		return noField(written, err)
	}
	tuned, _, _ := written.Tuned(t.All, now)
	is, err := tuned.Field(field)
	switch {
	case err != nil:
		return err
	case string(is) != "true":
		fmt.Fprintln(o.out, already)
		return nil
	case string(file) == "true":
		return o.tune(ctx, f, wishFor(field, false))
	case f.duration != untilGone:
		return exit.With(exit.Usage, fmt.Errorf("--for is for what the policy file says; %s is a tuning, and ends for good: leave --for out", field))
	default:
		return o.remove(ctx, f, []string{field})
	}
}

func newTuningsExport(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Print the policy file with the tunings merged, to commit",
		Long: `Print the policy as it is in force, so that what proved right can be committed. With the policy file as argument its comments
and its order are kept, and only what is tuned is changed; the file itself stays as it is.`,
		Example: `  siren tunings export siren.yaml > tuned.yaml
  siren tunings export`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: files("yaml", "yml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(func(o *operator) error {
				e, err := o.inForce(cmd.Context())
				if err != nil {
					return err
				}
				if len(args) == 0 {
					_, err = fmt.Fprint(a.out, show.YAML(e.Policy))
					return err
				}
				text, err := os.ReadFile(args[0])
				if err != nil {
					return exit.With(exit.Usage, err)
				}
				merged, err := yamledit.Merge(text, e.Tunings)
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				_, err = a.out.Write(merged)
				return err
			})
		},
	}
	return c
}

// completeTunings completes the fields that are tuned.
func (a *app) completeTunings(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	var fields []string
	_ = a.operate(func(o *operator) error {
		t, _, err := o.tunings.Now(ctx)
		for _, tuning := range t.All {
			if !slices.Contains(given, tuning.Field) {
				fields = append(fields, tuning.Field)
			}
		}
		return err
	})
	return fields, cobra.ShellCompDirectiveNoFileComp
}
