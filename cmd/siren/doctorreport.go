package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

// report is what was found, as JSON and YAML show it.
type doctorReport struct {
	Worst    lanes.Severity  `json:"worst"`
	Errors   int             `json:"errors"`
	Warnings int             `json:"warnings"`
	Notes    int             `json:"notes"`
	OK       int             `json:"ok"`
	Findings []lanes.Finding `json:"findings"`
}

// reportOf counts the findings. Within an area the worst come first.
func reportOf(found []lanes.Finding) doctorReport {
	order := map[string]int{}
	for i, area := range areas {
		order[area.name] = i
	}
	slices.SortStableFunc(found, func(x, y lanes.Finding) int {
		return cmp.Or(cmp.Compare(order[x.Area()], order[y.Area()]), cmp.Compare(y.Severity, x.Severity))
	})
	r := doctorReport{Worst: lanes.Worst(found), Findings: found}
	for _, f := range found {
		*map[lanes.Severity]*int{lanes.Error: &r.Errors, lanes.Warning: &r.Warnings, lanes.Note: &r.Notes, lanes.OK: &r.OK}[f.Severity]++
	}
	return r
}

// marks are how a terminal shows a severity, and in which colour.
var marks = map[lanes.Severity]struct {
	sign  string
	style show.Style
}{
	lanes.OK: {"✔", show.Green}, lanes.Note: {"·", show.Cyan}, lanes.Warning: {"!", show.Yellow}, lanes.Error: {"✘", show.Red},
}

// print shows the report to a person: what is wrong in full, a note with what it needs, the rest in a line each; wide all of it, with the checks' names.
func (r doctorReport) print(w io.Writer, wide bool) error {
	said := ""
	for _, f := range r.Findings {
		if area := f.Area(); area != said {
			if said != "" {
				fmt.Fprintln(w)
			}
			said = area
			fmt.Fprintln(w, title(area))
		}
		mark := fmt.Sprintf("%-8s", f.Severity)
		if show.IsTerminal(w) {
			mark = marks[f.Severity].sign
		}
		name := ""
		if wide {
			name = f.Check + ": "
		}
		fmt.Fprint(w, "  ")
		show.Paint(w, marks[f.Severity].style, mark)
		fmt.Fprintf(w, " %s%s\n", name, show.Harmless(f.What))
		indent := "    "
		if !show.IsTerminal(w) {
			indent = strings.Repeat(" ", 11)
		}
		if f.Why != "" && (wide || f.Severity > lanes.Note) {
			fmt.Fprintf(w, "%swhy:  %s\n", indent, show.Harmless(f.Why))
		}
		if f.Mend != "" {
			fmt.Fprintf(w, "%smend: %s\n", indent, show.Harmless(f.Mend))
		}
	}
	_, err := fmt.Fprintf(w, "\n%s, %s, %s, %d ok\n", say.Plural(r.Errors, "error"), say.Plural(r.Warnings, "warning"), say.Plural(r.Notes, "note"), r.OK)
	return err
}

func title(name string) string {
	for _, area := range areas {
		if area.name == name {
			return area.title
		}
	}
	return name
}
