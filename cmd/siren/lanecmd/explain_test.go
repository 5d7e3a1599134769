package lanecmd

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/operate/explain"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestPrintExplained(t *testing.T) {
	x := explain.Explanation{
		Limits: []string{"pool general: 1 worker is starting"},
		Plans: []fleet.Plan{{
			At: time.Date(2026, 3, 1, 11, 59, 0, 0, time.Local), Pool: "general", From: 0, To: 1,
			Reason: fleet.Floor, Why: "0 → 1: min",
		}},
	}
	var b strings.Builder
	if err := printExplained(&b, x); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nWhat limits it:\n  - pool general: 1 worker",
		"\nThe last plans:\n  " + stamp(x.Plans[0].At) + "  general  Floor: 0 → 1: min\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q isn't in\n%s", want, b.String())
		}
	}
}
