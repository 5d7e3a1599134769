package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// No more jobs are before one than its lane's queue holds, whatever is recorded: a producer that is killed before it
// publishes leaves records without messages, and one of plain AMQP makes none.
func TestExplainJobCountsWhatWaits(t *testing.T) {
	from, _, ledger := sources(t)
	create := func(id string, ago time.Duration) {
		t.Helper()
		ready := moment0.Add(-ago)
		_, err := ledger.CreateAll(t.Context(), []work.Delivery{{
			Job: job.Job{ID: id, Kind: "probe"}, Lane: "standard",
			EnqueuedAt: ready, ReadyAt: ready,
		}})
		must(t, err)
	}
	for i := range 246 {
		create(fmt.Sprint("killed-", i), time.Hour)
	}
	create("first", 2*time.Minute)
	create("second", time.Minute)
	create("just now", -time.Millisecond)
	for _, c := range []struct {
		id                string
		ready, unrecorded int
		stale             bool
		ahead             int
		bound             string
		within            time.Duration
	}{
		{id: "second", ready: 2, ahead: 1, bound: "at most 1 job ", within: 20 * time.Second},
		{id: "just now", ready: 2, ahead: 2, bound: "at most 2 jobs ", within: 30 * time.Second},
		{id: "second", ready: 248, ahead: 247, bound: ": 247 jobs ", within: 42 * time.Minute},
		{id: "second", ready: 300, unrecorded: 52, ahead: 247, bound: "at least 247 jobs ", within: 42 * time.Minute},
		{id: "second", ready: 2, stale: true, ahead: 247, bound: ": 247 jobs ", within: 42 * time.Minute},
		{id: "first", ready: 0, ahead: 0, bound: "at most 0 jobs ", within: time.Second},
	} {
		s := seen(t)
		s.Sources = from
		l := &s.snap.Lanes[1]
		l.Ready, l.Unrecorded, l.Stale = c.ready, c.unrecorded, c.stale
		x, err := s.Job(t.Context(), c.id)
		must(t, err)
		if *x.Ahead != c.ahead || !strings.Contains(x.Says[0], c.bound) {
			t.Errorf("%s of %d: %d ahead, %q; want %d, %q", c.id, c.ready, *x.Ahead, x.Says[0], c.ahead, c.bound)
		}
		if x.Starts == nil || x.Starts.Sub(moment0) > c.within {
			t.Errorf("%s of %d is predicted to start at %v, want within %s of %s", c.id, c.ready, x.Starts, c.within,
				moment0)
		}
	}
}
