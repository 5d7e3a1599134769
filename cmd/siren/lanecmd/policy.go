package lanecmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

func NewPolicy(a *app.App) *cobra.Command {
	return app.Parent("policy", "Write, check and show the policy", newPolicyShow(a), newPolicyCheck(a),
		newPolicyInit(a), newPolicySchema(a))
}

func newPolicySchema(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of policy files, for editors",
		Long: `Print the JSON Schema of policy files. An editor that knows it completes fields and explains
them: name it in the first line of the policy, as in
# yaml-language-server: $schema=siren.schema.json`,
		Example: "  siren policy schema >siren.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.Out, lanes.Schema)
			return err
		},
	}
}

func newPolicyCheck(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:               "check FILE",
		Short:             "Say everything that is wrong with a policy file",
		Example:           "  siren policy check siren.yaml",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, app.Files("yaml", "yml")),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := lanes.Load(args[0])
			if err != nil {
				return err
			}
			for _, w := range p.Warnings() {
				show.Warn(a.Out, w.Path+": "+w.Message)
			}
			presets := ""
			if n := len(p.Presets); n > 0 {
				presets = ", " + say.Plural(n, "preset")
			}
			now := time.Now() //nolint:forbidigo // a file is checked without Redis, and by this machine's clock
			for _, name := range p.Over(now) {
				show.Warn(a.Out, "schedules: "+name+" is over and doesn't come again: take it out")
			}
			fmt.Fprintf(a.Out, "%s: %s, %s, a budget of %d%s: valid\n", args[0], say.Plural(len(p.Lanes), "lane"),
				say.Plural(len(p.Pools), "pool"), p.Budget, presets)
			for _, s := range p.Schedules {
				if o, comes := s.When().Next(now); comes {
					fmt.Fprintf(a.Out, "schedule %s: %s, next from %s until "+
						"%s\n", s.Name, s.When(), say.Moment(o.Start),
						say.Moment(o.End))
				}
			}
			return nil
		},
	}
}

func newPolicyShow(a *app.App) *cobra.Command {
	var o show.Output
	c := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show the policy in force, or a file's, with its defaults",
		Long: "Show the policy that the leading scaler published, or that of a file, with everything that it " +
			"leaves to the defaults.",
		Example: `  siren policy show
  siren policy show siren.yaml -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: app.UpTo(1, app.Files("yaml", "yml")),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := policyOf(a, cmd, args)
			if err != nil {
				return err
			}
			return o.Print(a.Out, p)
		},
	}
	app.FormFlag(c, &o, "yaml", "json")
	return c
}

// policyOf returns the policy of the file that the arguments name, else the one in force.
func policyOf(a *app.App, cmd *cobra.Command, args []string) (*lanes.Policy, error) {
	if len(args) == 1 {
		return lanes.Load(args[0])
	}
	store, err := a.Store()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	e, err := a.Effective(cmd.Context(), store)
	if err != nil {
		return nil, err
	}
	return &e.Policy, nil
}
