package jobledger_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// lives brings a fresh job into each state, and returns its claim where somebody runs it.
var lives = map[job.State]func(*testing.T, *jobledger.Ledger, work.Delivery) work.Claim{
	job.Queued: func(t *testing.T, l *jobledger.Ledger, d work.Delivery) work.Claim {
		_, err := l.CreateAll(t.Context(), []work.Delivery{d})
		redistest.Must(t, err)
		return work.Claim{}
	},
	job.Running: func(t *testing.T, l *jobledger.Ledger, d work.Delivery) work.Claim {
		c := redistest.Claim(t, l, d, "w1", work.Granted)
		redistest.Must(t, l.Renew(t.Context(), c, job.Progress{Fraction: 0.5}))
		return c
	},
	job.Retrying:  ending(work.Outcome{State: job.Retrying, NextAt: time.Now().Add(time.Hour), Error: "no space"}),
	job.Completed: ending(work.Outcome{State: job.Completed, Outputs: []job.Output{{URL: "file:///out/a.json"}}}),
	job.Dead:      ending(work.Outcome{State: job.Dead, Reason: "bad input", Error: "not a video"}),
	job.Cancelled: func(t *testing.T, l *jobledger.Ledger, d work.Delivery) work.Claim {
		c := redistest.Claim(t, l, d, "w1", work.Granted)
		_, err := l.Cancel(t.Context(), d.Job.ID)
		redistest.Must(t, err)
		return c
	},
}

func ending(o work.Outcome) func(*testing.T, *jobledger.Ledger, work.Delivery) work.Claim {
	return func(t *testing.T, l *jobledger.Ledger, d work.Delivery) work.Claim {
		redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, d, "w1", work.Granted), o))
		return work.Claim{}
	}
}

// wantIndexes expects the job in the named indexes and in no other one.
func wantIndexes(t *testing.T, raw *goredis.Client, id string, want ...string) {
	t.Helper()
	in := map[string]bool{}
	for _, key := range want {
		in[key] = true
	}
	for _, key := range []string{"siren:jobs", "siren:dead", "siren:retrying:bulk", "siren:retrying:express"} {
		_, err := raw.ZScore(t.Context(), key, id).Result()
		if there := err == nil; there != in[key] {
			t.Errorf("job %s in %s: %v, want %v", id, key, there, in[key])
		}
	}
}

func TestSupersede(t *testing.T) {
	ready := time.Now().Add(time.Second).Truncate(time.Millisecond).UTC()
	for from, live := range lives {
		t.Run(string(from), func(t *testing.T) {
			l, raw := redistest.FreshLedger(t)
			d := redistest.Delivery("job", "bulk")
			running := live(t, l, d)
			was := redistest.Get(t, l, "job")
			s := jobledger.Supersede{
				ID: "job", Lane: "express", ReadyAt: ready, Copy: 2,
				From: []job.State{job.Running, from},
			}
			if before, err := l.Supersede(t.Context(), s); err != nil || before != from {
				t.Fatalf("superseded from %q, %v", before, err)
			}
			want := job.Record{
				ID: "job", State: job.Queued, Lane: "express", Kind: d.Job.Kind, Labels: d.Job.Labels,
				Input: d.Job.Input, Output: d.Job.Output,
				EnqueuedAt: was.EnqueuedAt, ReadyAt: ready, Copy: 2, Worker: was.Worker, ClaimedAt: was.ClaimedAt,
				Error: was.Error,
			}
			if !from.Final() { // it goes on
				want.Attempts, want.StartedAt, want.Wait, want.Progress = was.Attempts, was.StartedAt, was.Wait,
					was.Progress
			}
			if r := redistest.Get(t, l, "job"); !reflect.DeepEqual(r, want) {
				t.Errorf("record\n%+v, want\n%+v", r, want)
			}
			if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl != -1 {
				t.Errorf("a queued job expires in %s", ttl)
			}
			wantIndexes(t, raw, "job", "siren:jobs")
			if running.State == work.Granted {
				if err := l.Renew(t.Context(), running, job.Progress{}); !errors.Is(err, work.ErrLost) {
					t.Errorf("renew by the worker of before: %v, want ErrLost", err)
				}
			}
			redistest.Claim(t, l, d, "w2", work.Settled) // the original message
			d.Lane, d.Copy = "express", 2
			if c := redistest.Claim(t, l, d, "w2", work.Granted); c.Attempts != want.Attempts+1 || c.Crashes != 0 {
				t.Errorf("claim %+v", c)
			}
		})
	}
}

func TestSupersedeRefuses(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	s := jobledger.Supersede{
		ID: "job", Lane: "express", ReadyAt: time.Now(), Copy: 1,
		From: []job.State{job.Queued, job.Retrying},
	}
	if before, err := l.Supersede(t.Context(), s); !errors.Is(err, redislink.ErrNotFound) || before != "" {
		t.Errorf("no record: %q, %v; want ErrNotFound", before, err)
	}
	refused := func(step string, want jobledger.StateError, text string) {
		t.Helper()
		was := redistest.Get(t, l, "job")
		before, err := l.Supersede(t.Context(), s)
		var refusal *jobledger.StateError
		if !errors.As(err, &refusal) || *refusal != want || err.Error() != text || before != "" {
			t.Errorf("%s: %q, %v; want %q", step, before, err, text)
		}
		if r := redistest.Get(t, l, "job"); !reflect.DeepEqual(r, was) {
			t.Errorf("%s: it has changed all the same: %+v", step, r)
		}
	}
	c := redistest.Claim(t, l, d, "w", work.Granted)
	refused("running", jobledger.StateError{ID: "job", State: job.Running}, "job job is running")
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Queued}))
	_, err := l.Supersede(t.Context(), s)
	redistest.Must(t, err)
	refused("a second copy of the same number", jobledger.StateError{ID: "job", State: job.Queued, Copy: 1},
		"job job is queued, and copy 1 of its message carries it")
	d.Copy = 3
	c = redistest.Claim(t, l, d, "w", work.Granted) // a later copy, faster than its ledger entry
	s.Copy = 3
	refused("run already", jobledger.StateError{ID: "job", State: job.Running, Copy: 3},
		"job job is running, and copy 3 of its message carries it")
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
	refused("completed", jobledger.StateError{ID: "job", State: job.Completed, Copy: 3}, "job job is completed")
}

// Of two messages of a job the older one has nothing to do, whatever the job's state.
func TestOlderMessagesAreSettled(t *testing.T) {
	for state, live := range lives {
		t.Run(string(state), func(t *testing.T) {
			l, _ := redistest.FreshLedger(t)
			d := redistest.Delivery("job", "bulk")
			d.Copy = 2
			live(t, l, d)
			was := redistest.Get(t, l, "job")
			for number := range 2 {
				d.Copy = number
				want := work.Settled
				if state == job.Dead {
					want = work.Buried
				}
				redistest.Claim(t, l, d, "w2", want)
			}
			if r := redistest.Get(t, l, "job"); !reflect.DeepEqual(r, was) || r.Copy < 2 {
				t.Errorf("record\n%+v, was\n%+v", r, was)
			}
		})
	}
}

// A job's copy arrives before the ledger has heard of it.
func TestNewerMessageIsTakenUp(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	lives[job.Queued](t, l, d)
	d.Copy, d.Lane = 1, "express"
	c := redistest.Claim(t, l, d, "w1", work.Granted)
	d.Copy = 2
	redistest.Claim(t, l, d, "w2", work.HeldByLive)
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Retrying, NextAt: time.Now()}))
	if r := redistest.Get(t, l, "job"); r.Copy != 1 || r.Lane != "express" {
		t.Errorf("record %+v", r)
	}
	redistest.Claim(t, l, d, "w2", work.Granted)
	if r := redistest.Get(t, l, "job"); r.Copy != 2 {
		t.Errorf("record %+v", r)
	}
}

// The copy of a retried job is taken before the ledger has heard of it. Were it settled, nothing would be left of a job
// that is queued by its record.
func TestCopyBringsBack(t *testing.T) {
	for _, from := range []job.State{job.Cancelled, job.Dead} {
		t.Run(string(from), func(t *testing.T) {
			l, raw := redistest.FreshLedger(t)
			d := redistest.Delivery("job", "bulk")
			lives[from](t, l, d)
			s := jobledger.Supersede{
				ID: "job", Lane: "express", ReadyAt: time.Now(),
				Copy: redistest.Get(t, l, "job").Copy + 1, From: []job.State{from},
			}
			d.Copy, d.Lane = s.Copy, s.Lane
			c := redistest.Claim(t, l, d, "w2", work.Granted)
			var refusal *jobledger.StateError
			if _, err := l.Supersede(t.Context(), s); !errors.As(err, &refusal) || refusal.Copy != s.Copy {
				t.Errorf("superseded afterwards: %v, want to hear that this copy carries it already", err)
			}
			r := redistest.Get(t, l, "job")
			if r.State != job.Running || r.Attempts != 1 || r.Crashes != 0 || r.Lane != "express" ||
				time.Since(r.StartedAt) > time.Minute || !r.EndedAt.IsZero() {
				t.Errorf("record %+v", r)
			}
			if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl != -1 {
				t.Errorf("a running job expires in %s", ttl)
			}
			wantIndexes(t, raw, "job", "siren:jobs")
			redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
		})
	}
}

func TestCancel(t *testing.T) {
	for from, live := range lives {
		t.Run(string(from), func(t *testing.T) {
			l, raw := redistest.FreshLedger(t)
			d := redistest.Delivery("job", "bulk")
			live(t, l, d)
			was := redistest.Get(t, l, "job")
			before, err := l.Cancel(t.Context(), "job")
			r := redistest.Get(t, l, "job")
			if from.Final() {
				var refusal *jobledger.StateError
				if !errors.As(err, &refusal) || *refusal != (jobledger.StateError{
					ID: "job", State: from,
					Copy: was.Copy,
				}) || before != "" || !reflect.DeepEqual(r, was) {
					t.Errorf("cancelled from %q, %v: %+v", before, err, r)
				}
				return
			}
			if err != nil || before != from {
				t.Fatalf("cancelled from %q, %v", before, err)
			}
			if time.Since(r.EndedAt) > time.Minute {
				t.Errorf("ended at %s", r.EndedAt)
			}
			want := was
			want.State, want.EndedAt, want.NextAt, want.Copy = job.Cancelled, r.EndedAt, time.Time{}, was.Copy+1
			if !reflect.DeepEqual(r, want) {
				t.Errorf("record\n%+v, want\n%+v", r, want)
			}
			if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl < 23*time.Hour || ttl > 24*time.Hour {
				t.Errorf("kept for %s, want 24h", ttl)
			}
			wantIndexes(t, raw, "job", "siren:jobs")
			for d.Copy = range 2 { // the other one was made at the same moment, to be put elsewhere
				redistest.Claim(t, l, d, "w2", work.Settled)
			}
		})
	}
	l, _ := redistest.FreshLedger(t)
	if before, err := l.Cancel(t.Context(), "job"); !errors.Is(err, redislink.ErrNotFound) || before != "" {
		t.Errorf("no record: %q, %v; want ErrNotFound", before, err)
	}
}

// The worker of a cancelled job learns of it, stops, and says so.
func TestWorkerOfACancelledJob(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	c := lives[job.Cancelled](t, l, d)
	if err := l.Renew(t.Context(), c, job.Progress{Fraction: 0.9}); !errors.Is(err, work.ErrCancelled) {
		t.Errorf("renew: %v, want ErrCancelled", err)
	}
	for _, s := range []job.State{job.Retrying, job.Dead, job.Queued} {
		if err := l.Close(t.Context(), c, work.Outcome{State: s}); !errors.Is(err, work.ErrCancelled) {
			t.Errorf("close as %s: %v, want ErrCancelled", s, err)
		}
	}
	other := c
	other.Token--
	for _, s := range []job.State{job.Cancelled, job.Completed} {
		if err := l.Close(t.Context(), other, work.Outcome{State: s}); !errors.Is(err, work.ErrCancelled) {
			t.Errorf("close as %s by another worker: %v, want ErrCancelled", s, err)
		}
	}
	was := redistest.Get(t, l, "job")
	if was.LeaseUntil.IsZero() {
		t.Error("it looks as if its worker had confirmed already")
	}
	for range 2 { // told twice, since an answer may get lost
		redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Cancelled}))
	}
	want := was
	want.LeaseUntil = time.Time{}
	if r := redistest.Get(t, l, "job"); !reflect.DeepEqual(r, want) {
		t.Errorf("record\n%+v, want\n%+v", r, want)
	}
	wantIndexes(t, raw, "job", "siren:jobs")
}

// The output was visible before the worker could stop, so the record says completed.
func TestCancelledTooLate(t *testing.T) {
	outputs := []job.Output{{URL: "file:///out/a.json", Bytes: 512}}
	for _, name := range []string{"with a claim", "without one"} {
		t.Run(name, func(t *testing.T) {
			l, raw := redistest.FreshLedger(t)
			c := lives[job.Cancelled](t, l, redistest.Delivery("job", "bulk"))
			if name == "without one" {
				c = work.Claim{State: work.Unclaimed, JobID: "job", Attempts: 1}
			}
			for range 2 {
				redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed, Outputs: outputs}))
			}
			if r := redistest.Get(t, l, "job"); r.State != job.Completed || !r.LeaseUntil.IsZero() ||
				!reflect.DeepEqual(r.Outputs, outputs) {
				t.Errorf("record %+v", r)
			}
			if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl <= 0 {
				t.Errorf("ttl %s", ttl)
			}
		})
	}
}

// Redis is emptied after the worker has learned that its job is cancelled.
func TestCancelAndLostData(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	c := lives[job.Cancelled](t, l, d)
	if err := l.Renew(t.Context(), c, job.Progress{}); !errors.Is(err, work.ErrCancelled) {
		t.Errorf("renew: %v, want ErrCancelled", err)
	}
	redistest.Must(t, raw.FlushDB(t.Context()).Err())
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Cancelled}))
	if r := redistest.Get(t, l, "job"); r.State != job.Cancelled || r.Kind != "probe" || r.EndedAt.IsZero() ||
		!r.LeaseUntil.IsZero() {
		t.Errorf("record %+v", r)
	}
	if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl <= 0 {
		t.Errorf("ttl %s", ttl)
	}
	redistest.Claim(t, l, d, "w2", work.Settled)
}

// The answer to a call gets lost, so go-redis makes the call once more.
func TestLostAnswersToOverrides(t *testing.T) {
	_, raw := redistest.Fresh(t)
	p := redistest.StartProxy(t)
	l := redistest.LedgerOn(redistest.Open(t, p.URL))
	supersede := func(id string) (job.State, error) {
		return l.Supersede(t.Context(), jobledger.Supersede{
			ID: id, Lane: "express", ReadyAt: time.Now(), Copy: 1,
			From: []job.State{job.Retrying},
		})
	}
	for _, id := range []string{"warm up", "job"} { // at first Redis learns the scripts
		lives[job.Retrying](t, l, redistest.Delivery(id, "bulk"))
		if id == "job" {
			p.CutNextAnswer()
		}
		if before, err := supersede(id); err != nil || before != job.Retrying {
			t.Errorf("superseded from %q, %v", before, err)
		}
		if id == "job" {
			p.CutNextAnswer()
		}
		if before, err := l.Cancel(t.Context(), id); err != nil || before != job.Queued {
			t.Errorf("cancelled from %q, %v", before, err)
		}
		wantIndexes(t, raw, id, "siren:jobs")
	}
	if moves := [2]string{
		raw.HGet(t.Context(), "siren:job:warm up", "moves").Val(),
		raw.HGet(t.Context(), "siren:job:job", "moves").Val(),
	}; moves[0] != moves[1] {
		t.Errorf("moves %v: an override was done twice", moves)
	}
	if cut := p.Cuts.Load(); cut != 2 {
		t.Errorf("%d answers cut, want 2", cut)
	}
}

// Many jobs are changed in one round trip, each with an answer of its own.
func TestOverrideOfMany(t *testing.T) {
	store, raw := redistest.Fresh(t)
	l := redistest.LedgerOn(store)
	var ids []string
	for i := range 600 {
		ids = append(ids, fmt.Sprintf("job-%03d", i))
		lives[job.Queued](t, l, redistest.Delivery(ids[i], "bulk"))
	}
	redistest.Claim(t, l, redistest.Delivery(ids[1], "bulk"), "w", work.Granted)
	lives[job.Completed](t, l, redistest.Delivery(ids[2], "bulk"))
	ids[3] = "nobody"
	redistest.Must(t, raw.Set(t.Context(), "siren:job:broken", "no hash", 0).Err())
	ids[4] = "broken"
	trips := &redistest.RoundTrips{}
	store.Client().(*goredis.Client).AddHook(trips)
	answers, err := l.CancelAll(t.Context(), ids, job.Queued, job.Retrying)
	redistest.Must(t, err)
	if n := len(trips.Sizes); n > 7 { // three batches, perhaps twice since the script isn't known yet
		t.Errorf("%d round trips for %d jobs", n, len(ids))
	}
	for i, a := range answers {
		var state *jobledger.StateError
		switch {
		case i == 1 && errors.As(a.Err, &state) && state.State == job.Running:
		case i == 2 && errors.As(a.Err, &state) && state.State == job.Completed:
		case i == 3 && errors.Is(a.Err, redislink.ErrNotFound):
		case i == 4 && a.Err != nil && !errors.Is(a.Err, lanes.ErrAway):
		case i > 4 || i == 0:
			if a.Err != nil || a.Before != job.Queued || redistest.Get(t, l, ids[i]).State != job.Cancelled {
				t.Fatalf("%s: %+v", ids[i], a)
			}
		default:
			t.Errorf("%s: %+v", ids[i], a)
		}
	}
	copies := []jobledger.Supersede{
		{ID: ids[0], Lane: "express", Copy: 2, From: []job.State{job.Cancelled}},
		{ID: ids[1], Lane: "express", Copy: 1, From: []job.State{job.Queued}},
	}
	answers, err = l.SupersedeAll(t.Context(), copies)
	redistest.Must(t, err)
	if answers[0].Err != nil || answers[0].Before != job.Cancelled || redistest.Get(t, l, ids[0]).Lane != "express" {
		t.Errorf("%s: %+v", ids[0], answers[0])
	}
	if state := (*jobledger.StateError)(nil); !errors.As(answers[1].Err, &state) {
		t.Errorf("%s: %+v", ids[1], answers[1])
	}
}
