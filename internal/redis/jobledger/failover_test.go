package jobledger_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A replica is promoted that lacks the latest writes. The workers and producers which made them make them again, over
// nothing that is newer.
func TestLostTailIsToldAgain(t *testing.T) {
	ctx, pair := t.Context(), redistest.StartPair(t)
	l, other := redistest.LedgerOn(pair.Open(t)), redistest.LedgerOn(pair.Open(t))
	calm := redistest.Policy()
	calm.Timing.Lease = lanes.Duration(time.Minute) // no lease ends by itself
	l.SetPolicy(calm)
	other.SetPolicy(calm)
	later := time.Now().Add(time.Hour)
	retrying := work.Outcome{State: job.Retrying, NextAt: later, Error: "no space"}
	completed := work.Outcome{State: job.Completed, Outputs: []job.Output{{URL: "file:///out/a.json", Bytes: 7}}}
	deliver := func(id string, copied, attempt int) work.Delivery {
		d := redistest.Delivery(id, "bulk")
		d.Copy, d.Attempt = copied, attempt
		return d
	}
	claim := func(l *jobledger.Ledger, d work.Delivery) work.Claim {
		t.Helper()
		return redistest.Claim(t, l, d, "w", work.Granted)
	}
	end := func(l *jobledger.Ledger, c work.Claim, o work.Outcome) {
		t.Helper()
		redistest.Must(t, l.Close(ctx, c, o))
	}

	for _, id := range []string{"queued-before", "dead", "twice", "cancelled", "late", "moved", "taken"} {
		_, err := redistest.Create(ctx, l, redistest.Delivery(id, "bulk").Job, "bulk", time.Now())
		redistest.Must(t, err)
	}
	before := claim(l, deliver("claimed-before", 0, 1))
	again := claim(l, deliver("retried", 0, 1))
	back := claim(l, deliver("returned", 0, 1))
	goesOn := claim(l, deliver("goes-on-before", 0, 1))
	pair.Cut(t)

	end(l, claim(l, deliver("taken", 0, 1)), retrying) // before the others, so it is told again before them
	end(l, claim(l, deliver("moved", 0, 1)), retrying)
	end(l, claim(l, deliver("cancelled", 0, 1)), retrying)
	end(l, claim(l, deliver("late", 0, 1)), completed)
	end(l, claim(l, deliver("twice", 0, 1)), work.Outcome{State: job.Retrying, NextAt: time.Now(), Error: "first"})
	end(other, claim(other, deliver("twice", 0, 2)), completed)
	end(l, before, completed)
	end(l, again, retrying)
	end(l, back, work.Outcome{State: job.Queued})
	end(l, claim(l, deliver("queued-before", 0, 1)), completed)
	end(l, claim(l, deliver("new", 2, 1)), completed)
	end(l, claim(l, deliver("dead", 0, 1)), work.Outcome{State: job.Dead, Reason: "bad input", Error: "not a video"})
	claimedSince := claim(l, deliver("goes-on", 0, 3))
	keyed := job.Job{ID: "keyed", DedupKey: "key", DedupWindow: lanes.Duration(time.Hour)}
	_, err := l.Reserve(ctx, []job.Job{keyed})
	redistest.Must(t, err)
	redistest.Must(t, l.KeepKeys(ctx, []job.Job{keyed}))
	pair.FailOver(t)

	people := redistest.LedgerOn(redistest.Open(t, pair.Replica.URL))
	if r := redistest.Get(t, people, "queued-before"); r.State != job.Queued {
		t.Fatalf("%+v: the tail isn't lost", r)
	}
	for _, id := range []string{"cancelled", "late"} {
		_, err := people.Cancel(ctx, id)
		redistest.Must(t, err)
	}
	_, err = people.Supersede(ctx, jobledger.Supersede{
		ID: "moved", Lane: "express", Copy: 1, From: []job.State{job.Queued, job.Retrying},
	})
	redistest.Must(t, err)
	successor := redistest.Claim(t, people, deliver("taken", 0, 2), "another", work.Granted)

	for _, c := range []work.Claim{goesOn, claimedSince} {
		redistest.Eventually(t, "a running job keeps its claim", func() bool {
			err := l.Renew(ctx, c, job.Progress{Fraction: 0.5})
			if err != nil && !errors.Is(err, lanes.ErrAway) {
				t.Fatal(err)
			}
			return err == nil
		})
		if r := redistest.Get(t, people, c.JobID); r.State != job.Running || r.Worker != "w" || r.StartedAt.IsZero() ||
			r.Progress.Fraction != 0.5 {
			t.Errorf("%+v", r)
		}
		redistest.Claim(t, people, deliver(c.JobID, 0, 1), "another", work.HeldByLive)
	}
	want := map[string]string{
		"claimed-before": "completed 0 1", "queued-before": "completed 0 1", "new": "completed 2 1",
		"twice": "completed 0 2", "dead": "dead 0 1", "retried": "retrying 0 1", "returned": "queued 0 0",
		"cancelled": "cancelled 1 0", "late": "completed 1 1", "moved": "queued 1 0", "taken": "running 0 1",
	}
	for _, c := range []*jobledger.Ledger{l, other} { // no longer than it takes by itself
		redistest.Eventually(t, "it has told the ends again", func() bool { return c.Stats().Restored > 0 })
	}
	for id, want := range want {
		r := redistest.Get(t, people, id)
		got := fmt.Sprint(r.State, " ", r.Copy, " ", r.Attempts)
		either := map[string]bool{ // as the order of cancel and move, and of the end that was told again, would have it
			"cancelled": r.State == job.Cancelled && r.Copy == 1, "moved": r.State == job.Queued && r.Copy == 1,
			"taken": r.State == job.Running && r.Worker == "another",
		}
		if got != want && !either[id] {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
		ttl := pair.Promoted.PTTL(ctx, "siren:job:"+id).Val()
		if (ttl > 0) != r.State.Final() {
			t.Errorf("%s is %s and expires in %s", id, r.State, ttl)
		}
	}
	if r := redistest.Get(t, people, "new"); len(r.Outputs) != 1 || r.Outputs[0].Bytes != 7 || r.Kind != "probe" {
		t.Errorf("%+v", r)
	}
	if n, err := people.CountDead(ctx); err != nil || n != 1 {
		t.Errorf("%d dead jobs are listed, %v", n, err)
	}
	if got := redistest.Retrying(t, people)["bulk"]; got.Count != 1 {
		t.Errorf("%+v jobs are listed as retrying", got)
	}
	if got, want := indexed(t, pair.Promoted), recorded(t, pair.Promoted, people); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the indexes have\n%v\nthe records say\n%v", got, want)
	}
	r, err := people.Reserve(ctx, []job.Job{{ID: "other", DedupKey: "key"}})
	if err != nil || r[0].First != "keyed" {
		t.Errorf("the dedup key is %+v, %v", r, err)
	}
	if ttl := pair.Promoted.PTTL(ctx, "siren:dedup:key").Val(); ttl > time.Hour-time.Second {
		t.Errorf("its window begins anew: %s", ttl)
	}
	end(people, successor, completed)
	end(l, goesOn, completed)
}

// What a ledger keeps to tell it again is bounded.
func TestMemoryIsBounded(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	long := work.Outcome{State: job.Completed, Warnings: []string{string(make([]byte, 1<<20))}}
	for i := range 20 {
		c := redistest.Claim(t, l, redistest.Delivery(fmt.Sprint(i), "bulk"), "w", work.Granted)
		redistest.Must(t, l.Close(t.Context(), c, long))
	}
	if n := jobledger.Kept(l); n < 1 || n > 4 {
		t.Errorf("%d ends of a megabyte are kept", n)
	}
}

// A job whose worker vanished, and whose message doesn't come up, is rescued: whichever of its messages comes first is
// its next start.
func TestRescue(t *testing.T) {
	ctx := t.Context()
	for name, test := range map[string]func(*testing.T, *jobledger.Ledger, work.Claim, work.Delivery){
		"its message comes up": func(t *testing.T, l *jobledger.Ledger, old work.Claim, d work.Delivery) {
			c := redistest.Claim(t, l, d, "next", work.Granted)
			if c.Attempts != 2 || c.Crashes != 1 || c.Token <= old.Token {
				t.Errorf("%+v after %+v", c, old)
			}
			if err := l.Renew(ctx, old, job.Progress{}); !errors.Is(err, work.ErrLost) {
				t.Errorf("the worker that vanished renews: %v", err)
			}
			redistest.Claim(t, l, d, "other message", work.HeldByLive)
			redistest.Must(t, l.Close(ctx, c, work.Outcome{State: job.Completed}))
			redistest.Claim(t, l, d, "other message", work.Settled)
		},
		"its worker is back": func(t *testing.T, l *jobledger.Ledger, old work.Claim, d work.Delivery) {
			redistest.Must(t, l.Renew(ctx, old, job.Progress{Fraction: 0.9}))
			redistest.Claim(t, l, d, "other message", work.HeldByLive)
			if r := redistest.Get(t, l, d.Job.ID); r.State != job.Running || r.Attempts != 1 || r.Crashes != 0 {
				t.Errorf("%+v", r)
			}
		},
		"its worker tells how it ended": func(t *testing.T, l *jobledger.Ledger, old work.Claim, d work.Delivery) {
			redistest.Must(t, l.Close(ctx, old, work.Outcome{State: job.Completed}))
			redistest.Claim(t, l, d, "other message", work.Settled)
		},
		"it crashes its workers": func(t *testing.T, l *jobledger.Ledger, _ work.Claim, d work.Delivery) {
			for range redistest.MaxCrashes - 1 {
				redistest.Claim(t, l, d, "next", work.Granted)
				rescue(t, l, 1)
			}
			c := redistest.Claim(t, l, d, "undertaker", work.Poison)
			redistest.Must(t, l.Close(ctx, c, work.Outcome{State: job.Dead, Reason: "poison"}))
		},
		"it is moved": func(t *testing.T, l *jobledger.Ledger, old work.Claim, d work.Delivery) {
			_, err := l.Supersede(ctx, jobledger.Supersede{
				ID: d.Job.ID, Lane: "express", Copy: 1, From: []job.State{job.Queued},
			})
			redistest.Must(t, err)
			redistest.Claim(t, l, d, "next", work.Settled)
			if err := l.Renew(ctx, old, job.Progress{}); !errors.Is(err, work.ErrLost) {
				t.Errorf("the worker that vanished renews: %v", err)
			}
			d.Copy, d.Lane = 1, "express"
			if c := redistest.Claim(t, l, d, "next", work.Granted); c.Crashes != 1 {
				t.Errorf("%+v", c)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, raw := redistest.FreshLedger(t)
			d := redistest.Delivery("job", "bulk")
			old := redistest.Claim(t, l, d, "w", work.Granted)
			if all, err := l.Lapsed(ctx, time.Now()); err != nil || len(all) != 0 {
				t.Fatalf("%v %v while its lease holds", all, err)
			}
			lapsed := rescue(t, l, 1)
			if rescued, err := l.Rescue(ctx, lapsed); err != nil || rescued[0] {
				t.Errorf("%v %v for the second time", rescued, err)
			}
			if r := redistest.Get(t, l, "job"); r.State != job.Queued || !r.LeaseUntil.IsZero() {
				t.Errorf("%+v", r)
			}
			test(t, l, old, d)
			if got, want := indexed(t, raw), recorded(t, raw, l); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the indexes have\n%v\nthe records say\n%v", got, want)
			}
		})
	}
}

// rescue waits until so many leases are over, and rescues their jobs.
func rescue(t *testing.T, l *jobledger.Ledger, jobs int) (lapsed []job.Record) {
	t.Helper()
	redistest.Eventually(t, "the leases are over", func() bool {
		var err error
		lapsed, err = l.Lapsed(t.Context(), time.Now())
		redistest.Must(t, err)
		return len(lapsed) == jobs
	})
	rescued, err := l.Rescue(t.Context(), lapsed)
	redistest.Must(t, err)
	for i, done := range rescued {
		if !done {
			t.Errorf("%+v isn't rescued", lapsed[i])
		}
	}
	return lapsed
}

// The index of running jobs forgets those whose records are gone, and learns of those that an older version claimed.
func TestRunningIsIndexed(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	ctx := t.Context()
	redistest.Claim(t, l, redistest.Delivery("gone", "bulk"), "w", work.Granted)
	redistest.Must(t, raw.Del(ctx, "siren:job:gone").Err())
	redistest.Claim(t, l, redistest.Delivery("old", "bulk"), "w", work.Granted)
	redistest.Must(t, raw.ZRem(ctx, "siren:running", "old").Err())
	_, err := l.Enlist(ctx)
	redistest.Must(t, err)
	rescue(t, l, 1)
	if left := raw.ZCard(ctx, "siren:running").Val(); left != 0 {
		t.Errorf("%d entries are left", left)
	}
}
