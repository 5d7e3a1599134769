package lanecmd

import (
	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/lanes"
)

func NewPresets(a *app.App) *cobra.Command {
	short := "Show the presets that jobs may name"
	o := show.Listing{Kind: "preset"}
	var file string
	list := &cobra.Command{
		Use: "list", Short: short, Args: cobra.NoArgs,
		Example: "  siren presets\n  siren presets -o wide\n  siren presets --policy siren.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
				p, err := presetsOf(a, cmd, file)
				if err != nil {
					return nil, nil, err
				}
				all := p.AllPresets()
				return all, presetTable(all), nil
			})
		},
	}
	app.ListFlags(list, &o)
	policyFlag(list, &file)
	return app.Parent("presets", short, list, newPresetsShow(a))
}

func newPresetsShow(a *app.App) *cobra.Command {
	var o show.Output
	var file string
	c := &cobra.Command{
		Use:               "show NAME@VERSION",
		Short:             "Show a preset with its kind and params",
		Example:           "  siren presets show web@1\n  siren presets show web@1 -o json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompletePresets),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := presetsOf(a, cmd, file)
			if err != nil {
				return err
			}
			n, err := p.Preset(args[0])
			if err != nil {
				return operate.NotFound.With(err)
			}
			return o.Print(a.Out, n)
		},
	}
	app.FormFlag(c, &o, "yaml", "json")
	policyFlag(c, &file)
	return c
}

// policyFlag adds --policy.
func policyFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "policy", "", "policy file with the presets (default the policy in force)")
	app.CompleteFlag(c, "policy", app.Files("yaml", "yml"))
}

// presetsOf returns the policy of the file, else the one in force.
func presetsOf(a *app.App, cmd *cobra.Command, file string) (*lanes.Policy, error) {
	if file == "" {
		return policyOf(a, cmd, nil)
	}
	return policyOf(a, cmd, []string{file})
}

func presetTable(all []lanes.NamedPreset) *show.Table {
	col := show.Col
	t := show.NewTable(col("PRESET"), col("KIND"), col("STATUS"), col("PARAMS").Clipped(80), col("FROM").Wide(),
		col("ABOUT").Wide())
	t.Spare("ABOUT", "FROM", "STATUS", "KIND")
	for _, n := range all {
		status, style := "offered", show.Green
		if n.Retired {
			status, style = "retired", show.Dim
		}
		t.Add(n.Name, n.Kind, status, string(n.Params), n.From, n.About)
		t.Paint("STATUS", style)
	}
	return t
}
