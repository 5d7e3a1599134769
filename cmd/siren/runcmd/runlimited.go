package runcmd

import (
	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/worker/sandbox"
)

// NewRunLimited makes the command by which handlers start their programs: it lowers its own priority and limits, then
// becomes the program.
func NewRunLimited() *cobra.Command {
	return &cobra.Command{
		Use:                "run-limited -- PROGRAM [ARG …]",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return sandbox.RunLimited(args) },
	}
}
