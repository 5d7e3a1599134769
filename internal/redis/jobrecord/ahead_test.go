package jobrecord_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestAhead(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	first := redistest.Fill(t, l, 1500) // of each lane 500, four jobs a second
	redistest.Claim(t, l, redistest.Delivery("job-000", "express"), "w", work.Granted)
	_, err := l.Supersede(t.Context(), jobledger.Supersede{
		ID: "job-001", Lane: "express", ReadyAt: first.Add(time.Minute), Copy: 1, From: []job.State{job.Queued},
	})
	redistest.Must(t, err)
	redistest.Must(t, raw.Del(t.Context(), "siren:job:job-003").Err())
	_, err = l.Compare(t.Context(), "express", time.Time{}, nil) // the entry that it leaves is found
	redistest.Must(t, err)
	for id, want := range map[string]int{
		"job-004":  0,  // standard; 1 was moved away
		"job-013":  3,  // 4, 7 and 10
		"job-012":  2,  // express: 6 and 9; 0 runs, 3 is gone
		"job-001":  78, // moved to express: 6 to 237
		"job-1499": 499,
		"nobody":   0,
	} {
		if n := redistest.Ahead(t, l, id); n != want {
			t.Errorf("%s: %d ahead, want %d", id, n, want)
		}
	}
	// of 6 and 9 the first was there when the lane was counted
	p, err := l.Ahead(t.Context(), "job-012", first.Add(1800*time.Millisecond))
	if want := (jobrecord.Place{Known: 1, Newer: 1}); err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
}

// All jobs of a batch were enqueued in the same millisecond.
func TestAheadOfManyAtOnce(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	var batch []work.Delivery
	now := time.Now()
	for i := range 5000 {
		d := redistest.Delivery(fmt.Sprint(i), "bulk")
		d.EnqueuedAt, d.ReadyAt = now, now
		batch = append(batch, d)
	}
	_, err := l.CreateAll(t.Context(), batch)
	redistest.Must(t, err)
	for _, nth := range []int{0, 3, 499, 500, 1699, 4999} {
		p, err := l.Ahead(t.Context(), fmt.Sprint(nth), now.Add(time.Minute))
		if err != nil || p.Known != nth {
			t.Errorf("%d: %+v, %v", nth, p, err)
		}
	}
}

// The count follows what the broker does: the highest priority first, and the oldest of it.
func TestAheadByPriority(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	now := time.Now().Add(-time.Hour)
	var order []work.Delivery
	for i := range 60 {
		d := redistest.Delivery(fmt.Sprint(i), "bulk")
		d.Job.Priority = i * 7 % 5
		d.ReadyAt = now.Add(time.Duration(i*11%60) * time.Second)
		order = append(order, d)
	}
	_, err := l.CreateAll(t.Context(), order)
	redistest.Must(t, err)
	slices.SortFunc(order, func(a, b work.Delivery) int {
		if d := b.Job.Priority - a.Job.Priority; d != 0 {
			return d
		}
		return a.ReadyAt.Compare(b.ReadyAt)
	})
	for want, d := range order {
		p, err := l.Ahead(t.Context(), d.Job.ID, time.Now())
		if higher := want - want%12; err != nil || p.Known != want || p.Higher != higher { // twelve of each priority
			t.Errorf("%s of priority %d: %+v ahead, %v; want %d, %d of them of a higher priority", d.Job.ID,
				d.Job.Priority, p, err, want, higher)
		}
	}
}
