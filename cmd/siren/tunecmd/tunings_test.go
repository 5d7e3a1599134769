package tunecmd

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/lanes"
)

// On a screen of 80 characters the reason of a tuning is read.
func TestTuningTableFits(t *testing.T) {
	now := time.Now()
	var b strings.Builder
	if err := tuningTable(tune.List{At: now, Tunings: []tune.Row{{
		Tuning: lanes.Tuning{
			Field: "lanes.express.startWithin", By: "ann@operations-desk-2", At: now, Until: now.Add(time.Hour),
			Reason: "the match tonight",
		}, File: "2s", InForce: true,
	}}}).Fit(&b, 80); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "yes       the match") {
		t.Errorf("\n%s", b.String())
	}
}
