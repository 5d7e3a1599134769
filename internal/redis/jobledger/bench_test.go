package jobledger_test

import (
	"fmt"
	"testing"

	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// BenchmarkClaimAndClose measures what the ledger adds to a job that one slot runs.
func BenchmarkClaimAndClose(b *testing.B) {
	l := redistest.LedgerOn(redistest.Open(b, redistest.Shared.URL))
	for i := 0; b.Loop(); i++ {
		c, err := l.Claim(b.Context(), redistest.Delivery(fmt.Sprintf("bench-%d", i), "bulk"), "w",
			redistest.MaxCrashes)
		if err == nil {
			err = l.Close(b.Context(), c, work.Outcome{State: job.Completed})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
