package tally

import (
	"math"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/work"
)

// Cores are counted while jobs run; idle time doesn't count, and a small change isn't told.
func TestComputing(t *testing.T) {
	now := time.Unix(5000, 0)
	tally := New(func() time.Time { return now })
	says := func(step string, want float64) {
		t.Helper()
		var hb fleet.Heartbeat
		tally.Report(&hb)
		if math.Abs(hb.Computing-want) > 0.01 {
			t.Errorf("%s: %v cores, want %v", step, hb.Computing, want)
		}
	}
	run := func(seconds int, cores float64) {
		free := tally.Occupy(work.Delivery{}, false)
		for range seconds {
			now = now.Add(time.Second)
			tally.Compute(time.Duration(cores * float64(time.Second)))
			var hb fleet.Heartbeat
			tally.Report(&hb)
		}
		free()
	}
	says("nothing ran", 0)
	run(4, 1.5)
	says("after a job", 1.5)
	now = now.Add(time.Hour)
	says("and an hour of nothing", 1.5)
	run(4, 1.4)
	says("a small change", 1.5)
	run(30, 0.5)
	var hb fleet.Heartbeat
	tally.Report(&hb)
	if hb.Computing < 0.5 || hb.Computing > 0.61 {
		t.Errorf("after a while with less: %v cores, want about 0.5", hb.Computing)
	}
}
