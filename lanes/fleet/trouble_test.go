package fleet

import (
	"os"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/enumtest"
)

// troubles is every reason, and whether it means trouble.
var troubles = map[Reason]bool{
	Steady: false, Busy: false, Backlog: false, Reserve: false, Floor: false, Ceiling: false, Budget: false,
	Holding: false, Parking: false, Retiring: false, Rollout: false, Stuck: true, Stale: true, Paused: false,
	Frozen: false, Foreign: true,
}

func TestTrouble(t *testing.T) {
	enumtest.Want(t, "Reason", "Trouble", Reason.Trouble, troubles)
}

// The runbook says of every reason what it means and what to do.
func TestReasonsAreInTheRunbook(t *testing.T) {
	runbook, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	for r := range troubles {
		if !strings.Contains(string(runbook), "\n| "+string(r)+" | ") {
			t.Errorf("docs/runbook.md has no row for %s", r)
		}
	}
}
