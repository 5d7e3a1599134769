package redis_test

import (
	"fmt"
	"testing"

	"github.com/polyglot-media/siren/lanes"
)

// BenchmarkClaimAndClose is what the ledger adds to a job that one slot runs.
func BenchmarkClaimAndClose(b *testing.B) {
	l := ledgerOn(open(b, shared.URL))
	for i := 0; b.Loop(); i++ {
		c, err := l.Claim(b.Context(), delivery(fmt.Sprintf("bench-%d", i), "bulk"), "w", maxCrashes)
		if err == nil {
			err = l.Close(b.Context(), c, lanes.Outcome{State: lanes.Completed})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
