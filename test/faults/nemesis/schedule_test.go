package nemesis

import (
	"testing"
	"time"
)

// The seed alone decides what is broken, and when.
func TestFaultSchedule(t *testing.T) {
	kindsSeen := map[string]bool{}
	faults := Schedule(1, 2*time.Minute, nil)
	again := Schedule(1, 2*time.Minute, nil)
	for i, f := range faults {
		if f != again[i] {
			t.Fatalf("two faults with one seed: %s, %s", f, again[i])
		}
		kindsSeen[f.Kind] = true
	}
	if len(kindsSeen) != len(kinds) {
		t.Errorf("two minutes have only %d of %d kinds of fault", len(kindsSeen), len(kinds))
	}
}
