package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"
)

// output is the -o flag of commands that show something.
type output struct {
	format string
}

func (o *output) flag(c *cobra.Command) {
	c.Flags().StringVarP(&o.format, "output", "o", "table", "table, json or yaml")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// print shows v as JSON or YAML, or calls table for the table.
func (o *output) print(w io.Writer, v any, table func() *table) error {
	switch o.format {
	case "table", "":
		return table().print(w)
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case "yaml":
		out, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(out)
		return err
	default:
		return exit(exitUsage, fmt.Errorf("-o %q: say table, json or yaml", o.format))
	}
}

// table is aligned columns under a header. Columns named in right are aligned to the right.
type table struct {
	header []string
	right  map[int]bool
	rows   [][]string
	empty  string // said instead of a table without rows
}

func newTable(header ...string) *table { return &table{header: header, right: map[int]bool{}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) error {
	if len(t.rows) == 0 && t.empty != "" {
		_, err := fmt.Fprintln(w, t.empty)
		return err
	}
	_, err := io.WriteString(w, t.String())
	return err
}

func (t *table) String() string {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], visible(c))
		}
	}
	var b strings.Builder
	for _, row := range append([][]string{t.header}, t.rows...) {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-visible(c))
			if t.right[i] {
				line.WriteString(pad + c + "  ")
			} else {
				line.WriteString(c + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// visible is a cell's width on the terminal: escape sequences take none.
func visible(s string) int {
	n, escape := 0, false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}

// colour wraps s in a terminal colour where w is a terminal and NO_COLOR isn't set.
func colour(w io.Writer, code, s string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

const (
	green  = "32"
	red    = "31"
	yellow = "33"
	dim    = "2"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// watch shows again every interval until ctx ends; on a terminal each time in the same place.
func watch(ctx context.Context, w io.Writer, interval time.Duration, show func(io.Writer) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		var b strings.Builder
		if err := show(&b); err != nil {
			return err
		}
		if isTerminal(w) {
			fmt.Fprint(w, "\x1b[H\x1b[2J")
		}
		fmt.Fprint(w, b.String())
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// short is a duration as a person reads it at a glance: 0s, 240ms, 3.2s, 75s, 4m10s, 3h5m.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
}

// age is how long ago t was; "-" for no time.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return short(max(0, now.Sub(t)))
}

// bar is a progress bar of n cells.
func bar(fraction float64, n int) string {
	full := min(n, max(0, int(fraction*float64(n)+0.5)))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", n-full) + "]"
}

// clip is s cut to n characters.
func clip(s string, n int) string {
	s = strings.ReplaceAll(s, "\n", " ")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
