package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newDocs makes `siren docs DIR`, by which `make generate` writes the reference of the commands.
func newDocs() *cobra.Command {
	return &cobra.Command{
		Use:               "docs DIR",
		Short:             "Write the reference of the commands: DIR/cli.md and the man pages in DIR/man",
		Example:           "  siren docs docs",
		Hidden:            true,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.Folders,
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[0]
			if err := writeManPages(c.Root(), filepath.Join(dir, "man")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "cli.md"), []byte(reference(c.Root())), 0o644)
		},
	}
}

// reference writes one page about all commands.
func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# The command line\n\n<!-- written by `siren docs`: change the commands and run `make generate` " +
		"-->\n\n" + root.Long + "\n\n| | |\n|---|---|\n")
	each(root, func(c *cobra.Command) {
		if c != root {
			fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"),
				c.Short)
		}
	})
	fmt.Fprintf(&b, "\n## For every command\n\n```\n%s\n%s\n%s\n%s```\n", root.PersistentFlags().FlagUsages(),
		environment, forms, exitCodes)
	each(root, func(c *cobra.Command) {
		if c == root {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\n%s\n```\n", c.CommandPath(), paragraphs(cmp.Or(c.Long, c.Short+".")),
			c.UseLine())
		if c.HasExample() {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", unindented(c.Example))
		}
		if bare := c.Annotations[app.BareVerb]; bare != "" {
			fmt.Fprintf(&b, "\nThe same as [%s %s](#%[3]s-%[2]s), with its flags.\n", c.CommandPath(), bare,
				strings.ReplaceAll(c.CommandPath(), " ", "-"))
			return
		}
		if flags := c.NonInheritedFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n```\n%s```\n", flags.FlagUsages())
		}
	})
	return b.String()
}

// each calls f with the command and all below it that are shown.
func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range app.VisibleCommands(c) {
		each(sub, f)
	}
}

// paragraphs renders a text as Markdown: what is indented becomes a block, shown as it is.
func paragraphs(text string) string {
	parts := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, p := range parts {
		if strings.HasPrefix(p, "  ") {
			parts[i] = "```\n" + unindented(p) + "\n```"
		}
	}
	return strings.Join(parts, "\n\n")
}

// unindented removes the two blanks before each line.
func unindented(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "  "), "\n  ", "\n")
}

// writeManPages writes a page for each command, and removes those of commands that are no more.
func writeManPages(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, root.Name()+"*.1"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	each(root, func(c *cobra.Command) {
		if err == nil {
			err = writeManPage(c, dir)
		}
	})
	return err
}

func writeManPage(c *cobra.Command, dir string) error {
	c.DisableAutoGenTag = true
	defer func(long string) { c.Long = long }(c.Long)
	c.Long = paragraphs(c.Long)
	// A page says the same on whatever day it is written. The package can't leave the date out, so that is done here.
	const noDate = "Jan 0001"
	var page bytes.Buffer
	if err := doc.GenMan(c, &doc.GenManHeader{Section: "1", Date: &time.Time{}, Source: "siren", Manual: "Siren"},
		&page); err != nil {
		return err
	}
	text := bytes.Replace(page.Bytes(), []byte(`"`+noDate+`"`), []byte(`""`), 1)
	return os.WriteFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"), text, 0o644)
}
