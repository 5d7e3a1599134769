package lanecmd

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// On a screen of 80 characters the reason of what was done is read, and what a worker runs.
func TestTablesFit(t *testing.T) {
	now := time.Now()
	for want, table := range map[string]*show.Table{
		"lanes.express.startWithin  the match": auditTable([]audit.Entry{{
			At: now, By: "ann@operations-desk-2", Verb: "tune", On: "lanes.express.startWithin", Before: "2s",
			After: "500ms", Reason: "the match tonight", Until: now,
		}}),
		"   2   4  12 jobs wait longer": planTable(fleet.Plan{
			At: now, Pool: "general", From: 2, To: 4, Reason: "grow-now-and-more", Why: "12 jobs wait longer",
		}),
		"taking  express 06ezy": workerTable([]fleet.Heartbeat{{
			Worker: "siren-worker-general-7d9f8b6c5d-x2x4z-and-more-of-it", Pool: "general", At: now, Slots: 2,
			Subscribed: true, Running: []fleet.Run{{Lane: "express", Job: "06ezy", Since: now}},
		}}, now, time.Minute),
	} {
		var b strings.Builder
		if err := table.Fit(&b, 80); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, b.String())
		}
	}
}
