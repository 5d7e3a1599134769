package main

import (
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completesFor is the name by which kubectl starts the program that completes its plugin siren.
const completesFor = "kubectl_complete-siren"

// asCompleter returns the arguments of a program that was called by this name: as kubectl's completer it is asked for
// what comes next.
func asCompleter(called string, args []string) []string {
	if filepath.Base(called) == completesFor {
		return append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	return args
}

// withoutMarks takes the marks off the word in a flag's text that stands for its value: a shell shows them.
func withoutMarks(root *cobra.Command) {
	eachFlag(root, func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
}

// bashNeeds is the beginning of the script for bash: what the rest of it calls.
const bashNeeds = `# The functions of bash-completion, where the shell doesn't have them yet.
if ! declare -F _get_comp_words_by_ref >/dev/null; then
  for __siren_needs in /usr/share/bash-completion/bash_completion /etc/bash_completion \
    /usr/local/etc/profile.d/bash_completion.sh /opt/homebrew/etc/profile.d/bash_completion.sh; do
    if [ -r "$__siren_needs" ]; then . "$__siren_needs"; break; fi
  done
  unset __siren_needs
fi
declare -F _get_comp_words_by_ref >/dev/null ||
  echo "siren: TAB completes nothing without the package bash-completion: install it, and start a new shell" >&2

`

// addCompletion adds cobra's completion command, whose script for bash loads what it needs. The root has its output
// already.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Long = `Print the script by which a shell completes siren's commands, flags, lanes, pools and jobs; the
help of each shell says where to put it.

As kubectl's plugin (kubectl siren) it is completed by kubectl's own script, once siren is on the
PATH by the name of ` + completesFor + `, too.`
		c.Example = "  source <(siren completion bash)\n" +
			"  ln -s siren bin/kubectl-siren && ln -s siren bin/" + completesFor
		for _, shell := range c.Commands() {
			if shell.Name() == "bash" {
				forBash(shell)
			}
		}
	}
}

// forBash makes the command for bash one that loads bash-completion.
func forBash(c *cobra.Command) {
	rest := c.RunE
	c.Long = `Print the script for bash. It loads the package bash-completion, which has to be installed, where
the shell hasn't done so.`
	c.Example = "  source <(siren completion bash)\n" +
		"  siren completion bash >~/.local/share/bash-completion/completions/siren"
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := io.WriteString(c.OutOrStdout(), bashNeeds); err != nil {
			return err
		}
		return rest(c, args)
	}
}
