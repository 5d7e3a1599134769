package facts

import (
	"slices"
	"testing"
	"time"
)

// What recurs is kept for as long as it did; what came once isn't.
func TestPeaks(t *testing.T) {
	var p Peaks
	begin := time.Unix(1_000_000, 0)
	var recurring []int
	for i, need := range []int{9, 0, 0, 0, 4, 0, 6, 0, 0, 0, 0, 0} { // two in each span
		p = p.With(begin.Add(time.Duration(i)*time.Second), need, 2*time.Second)
		recurring = append(recurring, p.Recurring())
	}
	if want := []int{0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 0, 0}; !slices.Equal(recurring, want) {
		t.Errorf("%v, not %v", recurring, want)
	}
}
