package deadcmd

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// On a screen of 80 characters something is read of what jobs died of.
func TestDeadTableFits(t *testing.T) {
	dead := job.Record{
		ID: "0197b2c4-5d6e-7f80-9a1b-2c3d4e5f6071", Kind: "transcode", Lane: "standard", Reason: "bad-input",
		Error: "moov atom not found: the file is cut off",
	}
	for _, states := range [][]job.State{nil, {job.Dead}} {
		var b strings.Builder
		if err := deadTable([]job.Record{dead}, states, time.Now()).Fit(&b, 80); err != nil {
			t.Fatal(err)
		}
		if _, row, _ := strings.Cut(b.String(), "\n"); !strings.Contains(row, "standard  bad-input  moov atom n") {
			t.Errorf("%s", b.String())
		}
	}
}
