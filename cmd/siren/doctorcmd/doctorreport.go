package doctorcmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/say"
)

// marks are how a terminal shows a severity, and in which colour.
var marks = map[doctor.Severity]struct {
	sign  string
	style show.Style
}{
	doctor.OK: {"✔", show.Green}, doctor.Note: {"·", show.Cyan},
	doctor.Warning: {"!", show.Yellow}, doctor.Error: {"✘", show.Red},
}

// printReport shows a report to a person: what is wrong in full, a note with what it needs, the rest in a line each;
// wide all of it, with the checks' names.
func printReport(w io.Writer, r doctor.Report, wide bool) error {
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
			fmt.Fprintf(w, "%swhy: %s\n", indent, show.Harmless(f.Why))
		}
		if f.Fix != "" {
			fmt.Fprintf(w, "%sfix: %s\n", indent, show.Harmless(f.Fix))
		}
	}
	_, err := fmt.Fprintf(w, "\n%s, %s, %s, %d ok\n",
		say.Plural(r.Errors, "error"), say.Plural(r.Warnings, "warning"), say.Plural(r.Notes, "note"), r.OK)
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
