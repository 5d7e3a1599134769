package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/doctor"
)

// report is what was found, as JSON and YAML show it.
type doctorReport struct {
	Worst    doctor.Severity  `json:"worst"`
	Errors   int              `json:"errors"`
	Warnings int              `json:"warnings"`
	Notes    int              `json:"notes"`
	OK       int              `json:"ok"`
	Findings []doctor.Finding `json:"findings"`
}

// reportOf counts the findings. Within an area the worst come first.
func reportOf(found []doctor.Finding) doctorReport {
	order := map[string]int{}
	for i, area := range areas {
		order[area.name] = i
	}
	slices.SortStableFunc(found, func(x, y doctor.Finding) int {
		return cmp.Or(cmp.Compare(order[x.Area()], order[y.Area()]), cmp.Compare(y.Severity, x.Severity))
	})
	r := doctorReport{Worst: doctor.Worst(found), Findings: found}
	for _, f := range found {
		*map[doctor.Severity]*int{doctor.Error: &r.Errors, doctor.Warning: &r.Warnings, doctor.Note: &r.Notes, doctor.OK: &r.OK}[f.Severity]++
	}
	return r
}

// marks are how a terminal shows a severity, and in which colour.
var marks = map[doctor.Severity]struct {
	sign  string
	style show.Style
}{
	doctor.OK: {"✔", show.Green}, doctor.Note: {"·", show.Cyan}, doctor.Warning: {"!", show.Yellow}, doctor.Error: {"✘", show.Red},
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
		if f.Why != "" && (wide || f.Severity > doctor.Note) {
			fmt.Fprintf(w, "%swhy:  %s\n", indent, show.Harmless(f.Why))
		}
		if f.Mend != "" {
			fmt.Fprintf(w, "%smend: %s\n", indent, show.Harmless(f.Mend))
		}
	}
	_, err := fmt.Fprintf(w, "\n%s, %s, %s, %d ok\n", show.Plural(r.Errors, "error"), show.Plural(r.Warnings, "warning"), show.Plural(r.Notes, "note"), r.OK)
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
