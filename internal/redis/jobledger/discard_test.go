package jobledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A dead job is called off, keeps its error and its time to live, and only a newer copy brings it back. Any other job
// stays as it is.
func TestDiscard(t *testing.T) {
	for from, live := range lives {
		t.Run(string(from), func(t *testing.T) {
			l, raw := redistest.FreshLedger(t)
			d := redistest.Delivery("job", "bulk")
			live(t, l, d)
			was := redistest.Get(t, l, "job")
			err := l.Discard(t.Context(), "job", was.Copy)
			r := redistest.Get(t, l, "job")
			if from != job.Dead {
				var refusal *jobledger.StateError
				if !errors.As(err, &refusal) || refusal.State != from || r.State != from || r.Copy != was.Copy {
					t.Errorf("discarded from %q, %v: %+v", from, err, r)
				}
				return
			}
			if err != nil || r.State != job.Cancelled || r.Copy != was.Copy+1 || r.Error != was.Error ||
				!r.EndedAt.Equal(was.EndedAt) {
				t.Fatalf("%v: %+v", err, r)
			}
			if ttl := raw.TTL(t.Context(), "siren:job:job").Val(); ttl < 23*time.Hour {
				t.Errorf("kept for %s", ttl)
			}
			wantIndexes(t, raw, "job", "siren:jobs")
			if n, err := l.CountDead(t.Context()); n != 0 || err != nil {
				t.Errorf("%d dead jobs, %v", n, err)
			}
			for d.Copy = range 2 { // its messages, should there be any
				redistest.Claim(t, l, d, "w2", work.Settled)
			}
			d.Copy = 2
			redistest.Claim(t, l, d, "w2", work.Granted)
		})
	}
	l, _ := redistest.FreshLedger(t)
	if err := l.Discard(t.Context(), "job", 0); !errors.Is(err, redislink.ErrNotFound) {
		t.Errorf("no record: %v, want ErrNotFound", err)
	}
}

// Whoever has an old letter in hand doesn't call off a job that a newer copy has died of since.
func TestDiscardByAnOldLetter(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	d := redistest.Delivery("job", "bulk")
	d.Copy = 3
	lives[job.Dead](t, l, d)
	var refusal *jobledger.StateError
	if err := l.Discard(t.Context(), "job", 2); !errors.As(err, &refusal) || refusal.Copy != 3 {
		t.Errorf("%v, want a StateError with copy 3", err)
	}
	if n, err := l.CountDead(t.Context()); n != 1 || err != nil {
		t.Errorf("%d dead jobs, %v", n, err)
	}
	redistest.Must(t, l.Discard(t.Context(), "job", 3))
}

// A copy may have other params than the job had: the record knows, also when a worker was faster.
func TestSupersedeWithParams(t *testing.T) {
	for _, faster := range []bool{false, true} {
		l, _ := redistest.FreshLedger(t)
		d := redistest.Delivery("job", "bulk")
		lives[job.Dead](t, l, d)
		d.Copy = 1
		if faster {
			redistest.Claim(t, l, d, "w2", work.Granted)
		}
		_, err := l.Supersede(t.Context(), jobledger.Supersede{
			ID: "job", Lane: "bulk", ReadyAt: time.Now(), Copy: 1, From: []job.State{job.Dead},
			Params: []byte(`{"crf":30}`),
		})
		if faster != (err != nil) {
			t.Errorf("superseded: %v", err)
		}
		if r := redistest.Get(t, l, "job"); string(r.Params) != `{"crf":30}` {
			t.Errorf("faster %v: its params are %s", faster, r.Params)
		}
		_, err = l.Supersede(t.Context(), jobledger.Supersede{
			ID: "job", Lane: "bulk", Copy: 0,
			From: []job.State{job.Dead}, Params: []byte(`{"crf":1}`),
		})
		if r := redistest.Get(t, l, "job"); err == nil || string(r.Params) != `{"crf":30}` {
			t.Errorf("an older copy: %v, params %s", err, r.Params)
		}
	}
}

func TestGetAll(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	lives[job.Dead](t, l, redistest.Delivery("a", "bulk"))
	lives[job.Queued](t, l, redistest.Delivery("b", "bulk"))
	all, err := l.GetAll(t.Context(), []string{"a", "b", "c"})
	if err != nil || len(all) != 2 || all["a"].State != job.Dead || all["b"].State != job.Queued {
		t.Errorf("%v, %v", all, err)
	}
}
