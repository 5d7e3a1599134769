package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func testRoot() *cobra.Command {
	return newRoot(&app.App{Streams: app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}})
}

// Every command says what it is for in one way, and shows how it is used.
func TestCommands(t *testing.T) {
	each(testRoot(), func(c *cobra.Command) {
		path := c.CommandPath()
		if first := []rune(c.Short + " ")[0]; !unicode.IsUpper(first) || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short %q must begin with a capital and have no full stop", path, c.Short)
		}
		if c.Example == "" {
			t.Errorf("%s: has no Example", path)
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "siren ") {
				t.Errorf("%s: Example %q must begin with two blanks, and show siren", path, line)
			}
		}
		if c.HasParent() && c.Parent() == c.Root() && c.GroupID == "" {
			t.Errorf("%s: has no group", path)
		}
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: usage %q must say something, without a full stop", path, f.Name, f.Usage)
			}
		})
	})
}

// The first help fits a screen, and has every command.
func TestHelpFitsAScreen(t *testing.T) {
	var b bytes.Buffer
	root := testRoot()
	root.SetOut(&b)
	root.SetArgs([]string{"--help"})
	must(t, root.Execute())
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) > 40 {
		t.Errorf("%d lines:\n%s", len(lines), b.String())
	}
	for _, l := range lines {
		if len([]rune(l)) > 100 {
			t.Errorf("%d columns: %s", len([]rune(l)), l)
		}
	}
	for _, c := range app.VisibleCommands(root) {
		if !strings.Contains(b.String(), "\n  "+c.Name()+" ") {
			t.Errorf("%s is missing", c.Name())
		}
	}
}

// The reference is the same on each day and each machine, and forgets commands that are no more.
func TestDocs(t *testing.T) {
	dir, again := t.TempDir(), t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "man"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "man", "siren-gone.1"), nil, 0o644))
	for _, d := range []string{dir, again} {
		root := testRoot()
		root.SetArgs([]string{"docs", d})
		must(t, root.Execute())
	}
	pages, err := os.ReadDir(filepath.Join(dir, "man"))
	must(t, err)
	names := []string{"cli.md"}
	for _, p := range pages {
		names = append(names, filepath.Join("man", p.Name()))
	}
	for _, name := range names {
		one, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		other, err := os.ReadFile(filepath.Join(again, name))
		must(t, err)
		if !bytes.Equal(one, other) {
			t.Errorf("%s differs", name)
		}
	}
	man, err := os.ReadFile(filepath.Join(dir, "man", "siren-jobs-list.1"))
	must(t, err)
	if text := string(man); !strings.Contains(text, `.TH "SIREN-JOBS-LIST" "1" "" "siren" "Siren"`) ||
		strings.Contains(text, "Auto generated") {
		t.Errorf("the man page begins with %.200q", text)
	}
	reference, err := os.ReadFile(filepath.Join(dir, "cli.md"))
	must(t, err)
	for _, want := range []string{
		"| [siren jobs list](#siren-jobs-list) | ", "\n## siren jobs list\n", "--selector",
		"\n  6  somebody else",
	} {
		if !strings.Contains(string(reference), want) {
			t.Errorf("cli.md: no %q", want)
		}
	}
}

// As kubectl's plugin it goes by the name that people type.
func TestNameInKubectl(t *testing.T) {
	var out bytes.Buffer
	code := run("/usr/local/bin/kubectl-siren", []string{"lanes", "--help"}, app.Streams{Out: &out, Err: io.Discard})
	if code != exit.OK || !strings.Contains(out.String(), "\n  kubectl siren lanes [flags]\n") {
		t.Errorf("%d: %s", code, out.String())
	}
}

// Defaults are written as times are elsewhere, and none is shown that is zero.
func TestDefaultTimes(t *testing.T) {
	shown := ""
	each(testRoot(), func(c *cobra.Command) { shown += c.NonInheritedFlags().FlagUsages() })
	for _, long := range []string{"m0s)", "h0m)", "(default 0s)"} {
		if strings.Contains(shown, long) {
			t.Errorf("the help has %s", long)
		}
	}
	for _, want := range []string{"(default 30m)", "(default 1h)", "(default 30s)"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the help lacks %s", want)
		}
	}
}
