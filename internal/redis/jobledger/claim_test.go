package jobledger_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A claim can meet each of these states.
func TestClaimStates(t *testing.T) {
	completed := work.Outcome{State: job.Completed}
	retrying := work.Outcome{State: job.Retrying, NextAt: time.Now().Add(time.Minute), Error: "no space"}
	dead := work.Outcome{State: job.Dead, Reason: "bad input", Error: "not a video"}
	end := func(o work.Outcome) func(*testing.T, *jobledger.Ledger, work.Delivery) {
		return func(t *testing.T, l *jobledger.Ledger, d work.Delivery) {
			redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, d, "w1", work.Granted), o))
		}
	}
	state := func(s job.State) func(*testing.T, *jobledger.Ledger, work.Delivery) {
		return func(t *testing.T, _ *jobledger.Ledger, d work.Delivery) {
			redistest.Must(t, redistest.Raw(t, redistest.Shared.URL).HSet(t.Context(), "siren:job:"+d.Job.ID, "state",
				string(s)).Err())
		}
	}
	tests := []struct {
		name     string
		prepare  func(*testing.T, *jobledger.Ledger, work.Delivery)
		number   int
		want     work.ClaimState
		attempts int
	}{
		{name: "absent: a foreign job", want: work.Granted, attempts: 1},
		{name: "queued", prepare: func(t *testing.T, l *jobledger.Ledger, d work.Delivery) {
			_, err := redistest.Create(t.Context(), l, d.Job, d.Lane, d.EnqueuedAt)
			redistest.Must(t, err)
		}, want: work.Granted, attempts: 1},
		{name: "running with a live lease", prepare: func(t *testing.T, l *jobledger.Ledger, d work.Delivery) {
			redistest.Claim(t, l, d, "w1", work.Granted)
		}, want: work.HeldByLive, attempts: 1},
		{name: "running with its lease over", prepare: func(t *testing.T, l *jobledger.Ledger, d work.Delivery) {
			redistest.Claim(t, l, d, "w1", work.Granted)
			time.Sleep(redistest.Lease + 20*time.Millisecond)
		}, want: work.Granted, attempts: 2},
		{name: "returned", prepare: end(work.Outcome{State: job.Queued}), want: work.Granted, attempts: 1},
		{name: "retrying", prepare: end(retrying), want: work.Granted, attempts: 2},
		{name: "completed", prepare: end(completed), want: work.Settled},
		{name: "completed, replayed", prepare: end(completed), number: 1, want: work.Settled},
		{name: "dead", prepare: end(dead), want: work.Buried},
		{name: "dead, replayed", prepare: end(dead), number: 1, want: work.Granted, attempts: 1},
		{name: "cancelled", prepare: state(job.Cancelled), want: work.Settled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := redistest.FreshLedger(t)
			d := redistest.Delivery("job", "bulk")
			if tt.prepare != nil {
				tt.prepare(t, l, d)
			}
			d.Copy = tt.number
			c := redistest.Claim(t, l, d, "w2", tt.want)
			if tt.attempts > 0 && c.Attempts != tt.attempts {
				t.Errorf("attempts %d, want %d", c.Attempts, tt.attempts)
			}
			if r := redistest.Get(t, l, "job"); tt.want == work.Granted &&
				(r.State != job.Running || r.Worker != "w2" || !r.NextAt.IsZero() || r.Reason != "") {
				t.Errorf("record after the claim: %+v", r)
			}
		})
	}
}

func TestRecordOfAForeignJob(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("foreign", "standard")
	d.EnqueuedAt = time.Time{} // a foreign producer doesn't say
	d.ReadyAt = time.Now().Add(-3 * time.Second)
	d.Attempt = 4 // its record was lost
	d.Job.Params, d.Job.Overwrite = json.RawMessage(`{"width":640}`), true
	c := redistest.Claim(t, l, d, "general-1", work.Granted)
	if c.Attempts != 4 || c.Crashes != 0 || c.Token == 0 || c.JobID != "foreign" {
		t.Errorf("claim %+v", c)
	}
	r := redistest.Get(t, l, "foreign")
	if r.Wait < lanes.Duration(3*time.Second) || r.Wait > lanes.Duration(4*time.Second) {
		t.Errorf("wait %s, want about 3s", r.Wait)
	}
	if until := time.Until(r.LeaseUntil); until <= 0 || until > redistest.Lease+time.Minute {
		t.Errorf("lease until %s from now", until)
	}
	if time.Since(r.StartedAt) > time.Minute {
		t.Errorf("started at %s", r.StartedAt)
	}
	if out, err := json.Marshal(r); err != nil || !strings.Contains(string(out), `"params":{"width":640}`) {
		t.Errorf("record in JSON: %s, %v", out, err)
	}
	ready := d.ReadyAt.Truncate(time.Millisecond).UTC()
	want := job.Record{
		ID: "foreign", State: job.Running, Lane: "standard", Kind: "probe", Labels: d.Job.Labels, Input: d.Job.Input,
		Output: d.Job.Output,
		Params: d.Job.Params, Overwrite: true, EnqueuedAt: ready, ReadyAt: ready, StartedAt: r.StartedAt, Wait: r.Wait,
		ClaimedAt: r.StartedAt, Attempt: 4, Attempts: 4,
		Worker: "general-1", LeaseUntil: r.LeaseUntil,
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("record\n%+v, want\n%+v", r, want)
	}
}

// The wait is that of the first start. A job that went through another lane has the lane that it came from last.
func TestWaitIsOfTheFirstStart(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "standard")
	d.ReadyAt = time.Now().Add(-time.Second)
	redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, d, "w1", work.Granted),
		work.Outcome{State: job.Retrying, NextAt: time.Now()}))
	first := redistest.Get(t, l, "job")
	d.ReadyAt, d.Lane = time.Now().Add(-time.Minute), "bulk"
	redistest.Claim(t, l, d, "w2", work.Granted)
	second := redistest.Get(t, l, "job")
	if second.Wait != first.Wait || !second.StartedAt.Equal(first.StartedAt) {
		t.Errorf("wait %s at %s, want %s at %s", second.Wait, second.StartedAt, first.Wait, first.StartedAt)
	}
	if second.Lane != "bulk" || second.ReadyAt.After(first.ReadyAt) {
		t.Errorf("lane %s, ready at %s", second.Lane, second.ReadyAt)
	}
}

func TestOneOfFiftyConcurrentClaimsIsGranted(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	var mu sync.Mutex
	answers := map[work.ClaimState]int{}
	var crowd sync.WaitGroup
	for range 50 {
		crowd.Go(func() {
			c, err := l.Claim(t.Context(), d, "w", redistest.MaxCrashes)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[c.State]++
		})
	}
	crowd.Wait()
	if answers[work.Granted] != 1 || answers[work.HeldByLive] != 49 {
		t.Errorf("answers %v, want one granted and 49 held", answers)
	}
}

func TestTakenOverClaimIsRefused(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	old := redistest.Claim(t, l, d, "w1", work.Granted)
	time.Sleep(redistest.Lease + 20*time.Millisecond)
	successor := redistest.Claim(t, l, d, "w2", work.Granted)
	if successor.Token <= old.Token || successor.Crashes != 1 || successor.Attempts != 2 {
		t.Errorf("successor %+v of %+v", successor, old)
	}
	if err := l.Renew(t.Context(), old, job.Progress{Fraction: 0.9}); !errors.Is(err, work.ErrLost) {
		t.Errorf("renew: %v, want ErrLost", err)
	}
	for _, s := range []job.State{job.Completed, job.Retrying, job.Dead, job.Queued} {
		if err := l.Close(t.Context(), old, work.Outcome{State: s}); !errors.Is(err, work.ErrLost) {
			t.Errorf("close as %s: %v, want ErrLost", s, err)
		}
	}
	if r := redistest.Get(t, l, "job"); r.State != job.Running || r.Worker != "w2" || r.Progress.Fraction != 0 {
		t.Errorf("the old claim wrote over its successor: %+v", r)
	}
	redistest.Must(t, l.Renew(t.Context(), successor, job.Progress{}))
	redistest.Must(t, l.Close(t.Context(), successor, work.Outcome{State: job.Completed}))
}

func TestRenewKeepsTheClaim(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	c := redistest.Claim(t, l, d, "w1", work.Granted)
	for i := range 5 {
		time.Sleep(redistest.Lease / 3)
		redistest.Must(t, l.Renew(t.Context(), c, job.Progress{Fraction: float64(i) / 10, Note: "encoding"}))
	}
	redistest.Claim(t, l, d, "w2", work.HeldByLive)
	if r := redistest.Get(t, l, "job"); r.Progress != (job.Progress{Fraction: 0.4, Note: "encoding"}) {
		t.Errorf("progress %+v", r.Progress)
	}
}

func TestCancelledJobIsToldApart(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	c := redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w1", work.Granted)
	redistest.Must(t, raw.HSet(t.Context(), "siren:job:job", "state", string(job.Cancelled)).Err())
	if err := l.Renew(t.Context(), c, job.Progress{}); !errors.Is(err, work.ErrCancelled) {
		t.Errorf("renew: %v, want ErrCancelled", err)
	}
	if err := l.Close(t.Context(), c, work.Outcome{State: job.Retrying}); !errors.Is(err, work.ErrCancelled) {
		t.Errorf("close: %v, want ErrCancelled", err)
	}
}

func TestVanishingWorkersPoisonAJob(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "standard")
	var last work.Claim
	for crashes := range redistest.MaxCrashes {
		last = redistest.Claim(t, l, d, "w", work.Granted)
		if last.Crashes != crashes || last.Attempts != crashes+1 {
			t.Errorf("%+v, want %d crashes", last, crashes)
		}
		time.Sleep(redistest.Lease + 20*time.Millisecond)
	}
	c := redistest.Claim(t, l, d, "undertaker", work.Poison)
	if c.Crashes != redistest.MaxCrashes || c.Attempts != redistest.MaxCrashes {
		t.Errorf("%+v, want %d crashes of as many attempts", c, redistest.MaxCrashes)
	}
	if err := l.Renew(t.Context(), last, job.Progress{}); !errors.Is(err, work.ErrLost) {
		t.Errorf("the last worker lives on and renews: %v, want ErrLost", err)
	}
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{
		State: job.Dead, Reason: "poison",
		Error: "its workers vanished",
	}))
	if r := redistest.Get(t, l, "job"); r.State != job.Dead || r.Reason != "poison" ||
		r.Crashes != redistest.MaxCrashes || r.EndedAt.IsZero() {
		t.Errorf("record %+v", r)
	}
	redistest.Claim(t, l, d, "w", work.Buried)
	d.Copy = 1
	if c := redistest.Claim(t, l, d, "w", work.Granted); c.Crashes != 0 || c.Attempts != 1 {
		t.Errorf("replayed %+v, want a clean slate", c)
	}
}

// The poisoned job stays poison until somebody closes it.
func TestUndertakerVanishesToo(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "express")
	for range 2 {
		redistest.Claim(t, l, d, "w", work.Granted)
		// its lease is over
		redistest.Must(t, raw.HSet(t.Context(), "siren:job:job", "lease", 1, "crashes", redistest.MaxCrashes-1).Err())
		first := redistest.Claim(t, l, d, "undertaker", work.Poison)
		second := redistest.Claim(t, l, d, "second undertaker", work.Poison)
		if err := l.Close(t.Context(), first, work.Outcome{State: job.Dead}); !errors.Is(err, work.ErrLost) {
			t.Errorf("close by the first: %v, want ErrLost", err)
		}
		redistest.Must(t, l.Close(t.Context(), second, work.Outcome{State: job.Dead, Reason: "poison"}))
		d.Copy++
	}
}

func TestReturnCostsNothing(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	for range 3 {
		c := redistest.Claim(t, l, d, "w1", work.Granted)
		if c.Attempts != 1 || c.Crashes != 0 {
			t.Fatalf("%+v, want the first attempt and no crash", c)
		}
		redistest.Must(t, l.Renew(t.Context(), c, job.Progress{Fraction: 0.5}))
		redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Queued}))
		if err := l.Renew(t.Context(), c, job.Progress{}); !errors.Is(err, work.ErrLost) {
			t.Errorf("renew after the return: %v, want ErrLost", err)
		}
	}
	r := redistest.Get(t, l, "job")
	if r.State != job.Queued || r.Attempts != 0 || !r.LeaseUntil.IsZero() || r.Progress.Fraction != 0 {
		t.Errorf("record %+v", r)
	}
	if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl != -1 {
		t.Errorf("a queued job expires in %s", ttl)
	}
}
