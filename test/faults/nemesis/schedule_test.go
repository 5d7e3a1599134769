package nemesis

import (
	"strings"
	"testing"
	"time"
)

// The seed alone decides what is broken, and when.
func TestFaultSchedule(t *testing.T) {
	for _, several := range []bool{false, true} {
		kindsSeen := map[string]bool{}
		faults := Schedule(1, 3*time.Minute, several, nil)
		again := Schedule(1, 3*time.Minute, several, nil)
		for i, f := range faults {
			if f != again[i] {
				t.Fatalf("two faults with one seed: %s, %s", f, again[i])
			}
			kindsSeen[f.Kind] = true
			if several && strings.HasSuffix(f.Target, "/redis") {
				t.Errorf("%s: there is no such link", f)
			}
		}
		if want := len(KindNames(several)); len(kindsSeen) != want {
			t.Errorf("several nodes %t: three minutes have only %d of %d kinds of fault", several, len(kindsSeen), want)
		}
	}
}
