package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
)

// A form that there isn't is refused with those that there are; name is one where the things have names.
func TestFormThatThereIsnt(t *testing.T) {
	for kind, want := range map[string]string{
		"fruit": "say table, wide, json, yaml or name",
		"":      "say table, wide, json or yaml",
	} {
		c := &cobra.Command{
			Use: "x", SilenceErrors: true, SilenceUsage: true,
			RunE: func(*cobra.Command, []string) error {
				return nil
			},
		}
		app.ListFlags(c, &show.Listing{Kind: kind})
		c.SetArgs([]string{"-o", "xml"})
		if err := c.Execute(); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Error(err)
		}
	}
}
