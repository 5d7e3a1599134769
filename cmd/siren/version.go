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
				_, err := fmt.Fprintln(a.Out, versionLine())
				return err
			}
			return o.Print(a.Out, v)
		},
	}
	app.FormFlag(c, &o, "table", "json", "yaml")
	return c
}

// versionLine says in a line which Siren this is.
func versionLine() string {
	return fmt.Sprintf("siren %s (%s, %s/%s)", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
