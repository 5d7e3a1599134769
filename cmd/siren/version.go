package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
)

func newVersion(a *app.App) *cobra.Command {
	var o show.Output
	c := &cobra.Command{
		Use:     "version",
		Short:   "Say which Siren this is",
		Example: "  siren version\n  siren version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{
				"version": app.Version(), "go": runtime.Version(),
				"platform": runtime.GOOS + "/" + runtime.GOARCH,
			}
			if o.Format == "table" {
				_, err := fmt.Fprintf(a.Out, "siren %s (%s, %s)\n", v["version"], v["go"], v["platform"])
				return err
			}
			return o.Print(a.Out, v)
		},
	}
	app.FormFlag(c, &o, "table", "json", "yaml")
	return c
}
