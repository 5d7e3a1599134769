package jobledger_test

import (
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// The record says which priority the job has in its lane now: what its message had when it was last published or taken.
func TestPriorityOfARecord(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "express")
	expect := func(doing string, want int) {
		t.Helper()
		if r := redistest.Get(t, l, "job"); r.Priority != want || r.Job().Priority != want {
			t.Errorf("%s: priority %d, want %d", doing, r.Priority, want)
		}
	}
	as := func(priority, number int) work.Delivery {
		d.Job.Priority, d.Copy = priority, number
		return d
	}
	lower := func(d work.Delivery) {
		redistest.Must(t, l.Lower(t.Context(), []work.Delivery{redistest.Delivery("nobody", "express"), d}))
	}
	_, err := l.CreateAll(t.Context(), []work.Delivery{as(3, 0)})
	redistest.Must(t, err)
	expect("enqueued", 3)
	lower(as(4, 0))
	expect("put back with more", 3)
	lower(as(1, 1))
	expect("another message of it is put back", 3)
	lower(as(1, 0))
	expect("put back", 1)
	for priority, want := range map[string]int64{"": 1, ":1": 1, ":3": 0} { // the lane's indexes of queued jobs
		if n := raw.ZCard(t.Context(), "siren:queued:express"+priority).Val(); n != want {
			t.Errorf("queued%s: %d, want %d", priority, n, want)
		}
	}
	_, err = l.Supersede(t.Context(), jobledger.Supersede{
		ID: "job", Lane: "bulk", Priority: 2, ReadyAt: time.Now(),
		Copy: 1, From: []job.State{job.Queued},
	})
	redistest.Must(t, err)
	expect("moved", 2)
	lower(as(0, 1))
	expect("put back as an ordinary one", 0)
	c := redistest.Claim(t, l, as(4, 1), "w1", work.Granted)
	expect("taken as it is", 4)
	lower(as(0, 1))
	expect("a running one is put back", 4)
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Retrying, NextAt: time.Now()}))
	lower(as(0, 1))
	expect("put back before its next attempt", 0)
	if _, err := l.Get(t.Context(), "nobody"); err == nil {
		t.Error("a job without a record has one")
	}
}
