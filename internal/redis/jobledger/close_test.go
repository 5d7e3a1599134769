package jobledger_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestCloseAsCompleted(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	c := redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w1", work.Granted)
	outputs := []job.Output{{URL: "file:///out/a.json", Bytes: 512, Type: "application/json"}}
	for range 2 { // told twice, since an answer may get lost
		redistest.Must(t, l.Close(t.Context(), c, work.Outcome{
			State: job.Completed, Outputs: outputs, Warnings: []string{"it is cut off"},
			Service: time.Second,
		}))
	}
	r := redistest.Get(t, l, "job")
	if r.State != job.Completed || !reflect.DeepEqual(r.Outputs, outputs) ||
		!slices.Equal(r.Warnings, []string{"it is cut off"}) || time.Since(r.EndedAt) > time.Minute ||
		!r.LeaseUntil.IsZero() || r.Progress.Fraction != 1 {
		t.Errorf("record %+v", r)
	}
	if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl < 23*time.Hour || ttl > 24*time.Hour {
		t.Errorf("kept for %s, want 24h", ttl)
	}
}

func TestCloseAsRetrying(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	next := time.Now().Add(time.Minute).Truncate(time.Millisecond).UTC()
	redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, d, "w1", work.Granted),
		work.Outcome{State: job.Retrying, NextAt: next, Error: strings.Repeat("é", 5000)}))
	r := redistest.Get(t, l, "job")
	if r.State != job.Retrying || !r.NextAt.Equal(next) || r.Attempts != 1 || len(r.Error) > 5000 ||
		!strings.HasSuffix(r.Error, "é…") {
		t.Errorf("record %+v", r)
	}
	if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl != -1 {
		t.Errorf("a retrying job expires in %s", ttl)
	}
	if d := redistest.Retrying(t, l)["bulk"]; d.Count != 1 || !d.Next.Equal(next) {
		t.Errorf("retrying: %+v", d)
	}
	time.Sleep(2 * time.Millisecond)
	redistest.Claim(t, l, d, "w2", work.Granted)
	if left := redistest.Retrying(t, l); len(left) > 0 {
		t.Errorf("after the claim: %+v", left)
	}
	again := redistest.Get(t, l, "job")
	if !again.StartedAt.Equal(r.StartedAt) || !again.ClaimedAt.After(r.ClaimedAt) ||
		again.ClaimedAt.Sub(again.StartedAt) > time.Minute || r.ClaimedAt.Sub(r.StartedAt).Abs() > time.Millisecond {
		t.Errorf("started %s, claimed %s; with the second attempt %s and %s", r.StartedAt, r.ClaimedAt,
			again.StartedAt, again.ClaimedAt)
	}
}

func TestCloseAsDeadAndReplay(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	c := redistest.Claim(t, l, d, "w1", work.Granted)
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Dead, Reason: "bad input", Error: "not a video"}))
	if r := redistest.Get(t, l, "job"); r.State != job.Dead || r.Reason != "bad input" || r.Error != "not a video" ||
		r.EndedAt.IsZero() {
		t.Errorf("record %+v", r)
	}
	if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl <= 0 {
		t.Errorf("ttl %s", ttl)
	}
	d.Copy = 2
	c = redistest.Claim(t, l, d, "w1", work.Granted)
	if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl != -1 {
		t.Errorf("a running job expires in %s", ttl)
	}
	if n := raw.ZCard(t.Context(), "siren:dead").Val(); n != 0 {
		t.Errorf("%d dead jobs after the replay", n)
	}
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Dead, Reason: "bad input", Error: "not a film"}))
	if c = redistest.Claim(t, l, d, "w1", work.Buried); c.Reason != "bad input" || c.Error != "not a film" {
		// the same replay again
		t.Errorf("the ledger doesn't say what it died of: %+v", c)
	}
}

func TestCloseRefuses(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	c := redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w1", work.Granted)
	if err := l.Close(t.Context(), c, work.Outcome{State: job.Running}); err == nil {
		t.Error("closed as running")
	}
	held := redistest.Claim(t, l, redistest.Delivery("job", "bulk"), "w2", work.HeldByLive)
	if err := l.Close(t.Context(), held, work.Outcome{State: job.Completed}); !errors.Is(err, work.ErrLost) {
		t.Errorf("closed by another worker: %v, want ErrLost", err)
	}
}

func TestCreateIsSetIfAbsent(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	for i, want := range []bool{true, false} {
		if made, err := redistest.Create(t.Context(), l, d.Job, d.Lane, d.EnqueuedAt); err != nil || made != want {
			t.Errorf("create %d: %v, %v", i, made, err)
		}
	}
	if r := redistest.Get(t, l, "job"); r.State != job.Queued || r.Lane != "bulk" || r.Attempts != 0 ||
		!r.EnqueuedAt.Equal(d.EnqueuedAt.Truncate(time.Millisecond)) {
		t.Errorf("record %+v", r)
	}
	batch := []work.Delivery{
		redistest.Delivery("new-1", "bulk"), redistest.Delivery("job", "bulk"),
		redistest.Delivery("new-2", "express"),
	}
	made, err := l.CreateAll(t.Context(), batch)
	if err != nil || !reflect.DeepEqual(made, []bool{true, false, true}) {
		t.Errorf("batch: %v, %v", made, err)
	}
	if made, err := l.CreateAll(t.Context(), nil); err != nil || len(made) != 0 {
		t.Errorf("empty batch: %v, %v", made, err)
	}
}

// A producer's job can be told from its record, and a field that can't be read is as good as none.
func TestRecordNamesItsJob(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	for _, job := range []job.Job{
		{ID: "plain", Kind: "probe"},
		{
			ID: "full", Kind: "transcode", Labels: map[string]string{"a": "b"}, Input: "in", Output: "out",
			Params: json.RawMessage(`{"crf": "<23>"}`), Overwrite: true,
		},
	} {
		_, err := redistest.Create(t.Context(), l, job, "bulk", time.Now())
		redistest.Must(t, err)
		if got := redistest.Get(t, l, job.ID).Job(); !reflect.DeepEqual(got, job) {
			t.Errorf("job %+v, want %+v", got, job)
		}
	}
	if raw.HExists(t.Context(), "siren:job:plain", "params").Val() ||
		raw.HExists(t.Context(), "siren:job:plain", "overwrite").Val() {
		t.Error("fields that say nothing are kept")
	}
	redistest.Must(t, raw.HSet(t.Context(), "siren:job:full", "params", "{").Err())
	if got := redistest.Get(t, l, "full"); got.Params != nil || got.Kind != "transcode" {
		t.Errorf("record %+v", got)
	}
}

func TestWithdraw(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("unpublished", "bulk")
	_, err := redistest.Create(t.Context(), l, d.Job, d.Lane, d.EnqueuedAt)
	redistest.Must(t, err)
	redistest.Must(t, l.Withdraw(t.Context(), "unpublished"))
	redistest.Must(t, l.Withdraw(t.Context(), "unpublished"))
	if _, err := l.Get(t.Context(), "unpublished"); err == nil {
		t.Error("it is still there")
	}
	run := redistest.Delivery("ran", "bulk")
	redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, run, "w", work.Granted),
		work.Outcome{State: job.Queued}))
	redistest.Must(t, l.Withdraw(t.Context(), "ran"))
	redistest.Get(t, l, "ran")
}

// Redis is emptied while a job runs: the worker keeps its claim, and the record comes back.
func TestLostData(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	c := redistest.Claim(t, l, d, "w1", work.Granted)
	redistest.Must(t, raw.FlushDB(t.Context()).Err())
	redistest.Must(t, l.Renew(t.Context(), c, job.Progress{Fraction: 0.5}))
	redistest.Claim(t, l, d, "w2", work.HeldByLive)
	redistest.Must(t, raw.FlushDB(t.Context()).Err())
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Completed}))
	if r := redistest.Get(t, l, "job"); r.State != job.Completed || r.Kind != "probe" || r.Attempts != 1 {
		t.Errorf("record %+v", r)
	}
	redistest.Must(t, raw.FlushDB(t.Context()).Err())
	if again := redistest.Claim(t, l, d, "w2", work.Granted); again.Token <= c.Token {
		t.Errorf("token %d after %d: an old claim could pass for the new one", again.Token, c.Token)
	}
}
