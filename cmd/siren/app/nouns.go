package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/spf13/cobra"
)

// Parent returns a noun's command: bare, it does what its list verb does. The noun may be singular, and its verbs take
// names as -o name prints them: job/ID is ID.
func Parent(use, short string, bare *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: NoSuchVerb, RunE: bare.RunE, Example: bare.Example,
		Annotations: map[string]string{BareVerb: bare.Name()},
	}
	c.Flags().AddFlagSet(bare.Flags())
	c.AddCommand(bare)
	c.AddCommand(verbs...)
	if kind, ok := strings.CutSuffix(use, "s"); ok {
		c.Aliases = []string{kind}
		TakePrefixed(kind+"/", verbs)
	}
	return c
}

// BareVerb is the annotation of a noun that says which of its verbs may be left out.
const BareVerb = "bare"

// TakePrefixed makes the commands drop that prefix from their arguments.
func TakePrefixed(prefix string, cmds []*cobra.Command) {
	for _, c := range cmds {
		run := c.RunE
		c.RunE = func(cmd *cobra.Command, args []string) error {
			names := make([]string, len(args))
			for i, arg := range args {
				names[i] = strings.TrimPrefix(arg, prefix)
			}
			return run(cmd, names)
		}
	}
}

// NoSuchVerb refuses arguments of a noun: they are verbs that it doesn't have.
func NoSuchVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	verbs := make([]string, 0, len(c.Commands()))
	for _, sub := range VisibleCommands(c) {
		verbs = append(verbs, sub.Name())
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), plain.Suggest(args[0], verbs))
}

// VisibleCommands returns the subcommands that are shown, sorted.
func VisibleCommands(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(sub *cobra.Command) bool {
		return !sub.IsAvailableCommand()
	})
}
