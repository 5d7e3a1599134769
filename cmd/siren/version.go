package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
)

// version is set by the release build (-ldflags "-X main.version=v1.2.3").
var version = ""

// buildVersion is the release, else the commit that was built.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}

func newVersion(a *app.App) *cobra.Command {
	var o show.Output
	c := &cobra.Command{
		Use:     "version",
		Short:   "Say which Siren this is",
		Example: "  siren version\n  siren version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": buildVersion(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
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
