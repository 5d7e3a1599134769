package lanecmd

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/explain"
)

func NewExplain(a *app.App) *cobra.Command {
	lane := newExplainer(a, "lane NAME", "Explain how a lane fares, and what limits it",
		"  siren explain lane express", app.UpTo(1, a.CompleteLanes), (*explain.Sight).Lane)
	pool := newExplainer(a, "pool NAME", "Explain why a pool has as many workers as it has",
		"  siren explain pool general", app.UpTo(1, a.CompletePools), (*explain.Sight).Pool)
	job := newExplainer(a, "job ID", "Explain where a job is, why it waits, and when it starts",
		"  siren explain job 06ezy…", app.UpTo(1, a.CompleteJobs()), (*explain.Sight).Job)
	c := &cobra.Command{
		Use:   "explain",
		Short: "Explain a lane, a pool or a job",
		Long: "Explain in sentences and numbers why a lane, a pool or a job is as it is, from what the scaler " +
			"saw and what the ledger knows.",
		Example: lane.Example + "\n" + pool.Example + "\n" + job.Example,
		Args:    app.NoSuchVerb,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, noun := range []*cobra.Command{lane, pool, job} { // lane/express, as -o name prints it
		app.TakePrefixed(noun.Name()+"/", []*cobra.Command{noun})
		c.AddCommand(noun)
	}
	return c
}

func newExplainer(
	a *app.App, use, short, example string, complete cobra.CompletionFunc,
	why func(*explain.Sight, context.Context, string) (explain.Explanation, error),
) *cobra.Command {
	var o show.Output
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(1), ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Operate(func(op *app.Operator) error {
				from := explain.Sources{
					Board: op.Board, Ledger: op.Ledger, Roster: op.Roster, Tunings: op.Tunings,
					Efforts: op.Efforts,
				}
				seen, err := from.Look(cmd.Context())
				if err != nil {
					return err
				}
				x, err := why(seen, cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if o.Format == "table" {
					return printExplained(a.Out, x)
				}
				return o.Print(a.Out, x)
			})
		},
	}
	app.FormFlag(c, &o, "table", "json", "yaml")
	return c
}

func printExplained(w io.Writer, x explain.Explanation) error {
	for _, s := range x.Says {
		show.Sentence(w, "", s)
	}
	if len(x.Limits) > 0 {
		fmt.Fprintln(w, "\nWhat limits it:")
		for _, l := range x.Limits {
			show.Sentence(w, "  - ", l)
		}
	}
	if len(x.Plans) > 0 {
		fmt.Fprintln(w, "\nThe last plans:")
		for _, p := range x.Plans {
			show.Sentence(w, "  ", fmt.Sprintf("%s  %s  %s: %s", stamp(p.At), p.Pool, p.Reason, p.Why))
		}
	}
	return nil
}
