package worker

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// The walk of one job, step by step: the record is always closed before the delivery is settled.
func TestWalk(t *testing.T) {
	for _, c := range []struct {
		name string
		prep func(r *rig)
		want []string
	}{
		{"done", nil, []string{"claim a granted", "handle a", "close a completed", "settle a ack"}},
		{
			"fails",
			func(r *rig) { r.handler.will("a", fails(0, work.Transient)) },
			[]string{"claim a granted", "handle a", "close a retrying", "settle a retry in"},
		},
		{
			"can't succeed",
			func(r *rig) { r.handler.will("a", fails(0, work.BadInput)) },
			[]string{"claim a granted", "handle a", "close a dead", "settle a dead letter: bad input"},
		},
		{
			"a panic costs its job one attempt",
			func(r *rig) {
				r.handler.will("a", func(context.Context, work.Task) (work.Result, error) {
					panic("index out of range")
				})
			},
			[]string{"claim a granted", "handle a", "close a retrying", "settle a retry in"},
		},
		{
			"held by a live worker",
			func(r *rig) { r.ledger.takeOver("a") },
			[]string{"claim a held", "settle a retry in 1s"},
		},
		{
			"completed already",
			func(r *rig) { r.ledger.set("a", func(r *record) { r.state = job.Completed }) },
			[]string{"claim a settled", "settle a ack"},
		},
		{
			"cancelled before it began",
			func(r *rig) { r.ledger.cancel("a") },
			[]string{"claim a settled", "settle a ack"},
		},
		{
			"dead already",
			func(r *rig) { r.ledger.set("a", func(r *record) { r.state = job.Dead }) },
			[]string{"claim a buried", "settle a dead letter: dead already"},
		},
		{
			"its worker vanished once",
			func(r *rig) { r.ledger.set("a", func(r *record) { r.state = job.Running }) },
			[]string{"claim a granted", "handle a", "close a completed", "settle a ack"},
		},
		{
			"its worker crashed too often",
			func(r *rig) { r.ledger.set("a", func(r *record) { r.state, r.crashes = job.Running, 2 }) },
			[]string{"claim a poison", "close a dead", "settle a dead letter: poison"},
		},
		{
			"the ledger is away",
			func(r *rig) { r.ledger.away = true },
			[]string{"claim a unclaimed", "handle a", "close a completed", "settle a ack"},
		},
		{
			"the ledger can't say",
			func(r *rig) { r.ledger.claimErr = errors.New("WRONGTYPE") },
			[]string{"handle a", "close a completed", "settle a ack"},
		},
		{
			"the ledger's answer isn't understood",
			func(r *rig) { r.ledger.odd = "paused" },
			[]string{"claim a paused", "settle a retry in 1s"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				if c.prep != nil {
					c.prep(r)
				}
				r.broker.put("standard", "a")
				r.start()
				got := r.of("a")
				for i := range got { // retries have jitter
					if i < len(c.want) && strings.HasSuffix(c.want[i], "retry in") &&
						strings.HasPrefix(got[i], c.want[i]) {
						got[i] = c.want[i]
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("\n got %q\nwant %q", got, c.want)
				}
			})
		})
	}
}

func TestRecordOfACompletedJob(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", lasts(4*time.Second))
		r.broker.put("standard", "a")
		r.start()
		r.at(4 * time.Second)
		o := r.ledger.record("a").outcome
		if o.State != job.Completed || o.Service != 4*time.Second || len(o.Outputs) != 1 ||
			o.Outputs[0].URL != "file:///out/a" {
			t.Errorf("got %+v", o)
		}
	})
}

func TestRetriesUntilDead(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", fails(0, work.Transient))
		r.broker.put("standard", "a")
		r.start()
		r.at(time.Minute)
		s := r.broker.settles("a")
		if len(s) != 3 {
			t.Fatalf("settled %d times, want one for each attempt: %v", len(s), s)
		}
		for i, mean := range []time.Duration{5 * time.Second, 15 * time.Second} {
			if got := s[i].disp; got.Action != work.Retry || !got.Counted || got.After < mean*3/4 ||
				got.After > mean*5/4 || got.Error != "it went wrong" {
				t.Errorf("attempt %d: %+v", i+1, got)
			}
		}
		want := work.Disposition{Action: work.DeadLetter, Reason: "failed", Error: "it went wrong"}
		if s[2].disp != want {
			t.Errorf("attempt 3: %+v", s[2].disp)
		}
		if got := r.ledger.record("a"); got.state != job.Dead || got.attempts != 3 || got.outcome.Reason != "failed" ||
			got.outcome.Error != "it went wrong" {
			t.Errorf("record %+v", got)
		}
	})
}

// Jobs that failed together don't come back together, and the ledger knows when each does.
func TestRetryJitter(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		const jobs = 200
		for range jobs {
			id := job.NewID(time.Now())
			r.handler.will(id, fails(0, work.Transient))
			r.broker.put("standard", id)
		}
		r.start()
		low, high := time.Hour, time.Duration(0)
		for _, s := range r.broker.settled {
			low, high = min(low, s.disp.After), max(high, s.disp.After)
			if next := r.ledger.record(s.job).outcome.NextAt; !next.Equal(s.at.Add(s.disp.After)) {
				t.Fatalf("the ledger says %s, the broker %s", next, s.at.Add(s.disp.After))
			}
		}
		if n := len(r.broker.settled); n != jobs {
			t.Fatalf("%d settled", n)
		}
		if low < 3750*time.Millisecond || high > 6250*time.Millisecond || high-low < time.Second {
			t.Errorf("around 5s: from %s to %s", low, high)
		}
	})
}

func TestMaxRuntime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var causes []work.ErrorKind
		r.handler.will("a", func(ctx context.Context, task work.Task) (work.Result, error) {
			if task.Limits.MaxRuntime != 10*time.Minute {
				t.Errorf("the handler was told %s", task.Limits.MaxRuntime)
			}
			<-ctx.Done()
			causes = append(causes, work.KindOf(context.Cause(ctx)))
			return work.Result{}, work.Fail(work.BadInput, errKilled) // a killed ffprobe looks like that
		})
		r.broker.put("standard", "a")
		r.start()
		r.at(10*time.Minute - time.Millisecond)
		if n := len(r.broker.settles("a")); n != 0 {
			t.Fatal("stopped before its time")
		}
		r.at(10 * time.Minute)
		s := r.settledOnce("a")
		if s.disp.Action != work.Retry || !s.disp.Counted ||
			s.disp.Error != "ran longer than the lane's maxRuntime of 10m" {
			t.Errorf("got %+v", s.disp)
		}
		r.at(31 * time.Minute)
		all := r.broker.settles("a")
		if last := all[len(all)-1].disp; len(all) != 3 || last.Action != work.DeadLetter || last.Reason != "timed out" {
			t.Errorf("at the last attempt: %+v", all)
		}
		if !slices.Equal(causes, []work.ErrorKind{work.TimedOut, work.TimedOut, work.TimedOut}) {
			t.Errorf("the handler's context ended for %v", causes)
		}
	})
}

func TestHeldJobComesBackUncounted(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.ledger.takeOver("a")
		r.broker.put("standard", "a")
		r.start()
		r.at(9500 * time.Millisecond)
		all := r.broker.settles("a")
		if len(all) != 10 {
			t.Errorf("looked at it %d times in 9.5 s", len(all))
		}
		for _, s := range all {
			if s.disp.Counted {
				t.Fatalf("an attempt was counted: %+v", s.disp)
			}
		}
		r.ledger.set("a", func(r *record) { r.state = job.Completed })
		r.at(10 * time.Second)
		all = r.broker.settles("a")
		if last := all[len(all)-1].disp; last.Action != work.Ack {
			t.Errorf("after the other one completed it: %+v", last)
		}
	})
}

// A job that wasn't started in time is dead, and never run; one that was goes on as often as it takes.
func TestExpiry(t *testing.T) {
	put := func(r *rig, id string, in time.Duration) {
		r.broker.add(work.Delivery{
			Job: job.Job{ID: id, Kind: "test", ExpiresAt: time.Now().Add(in)}, Lane: "standard",
			Attempt: 1, ReadyAt: time.Now(),
		})
	}
	t.Run("too late", func(t *testing.T) {
		for _, away := range []bool{false, true} {
			bubble(t, func(t *testing.T, r *rig) {
				r.ledger.away = away
				put(r, "a", 0)
				r.start()
				r.at(time.Second)
				s := r.broker.settles("a")
				if len(s) != 1 || s[0].disp.Action != work.DeadLetter || s[0].disp.Reason != "expired" ||
					r.count("handle a") > 0 {
					t.Fatalf("settled %v, handled %d times", s, r.count("handle a"))
				}
				if want := "it was to start by 2000-01-01T00:00:00Z (expiresAt), but its first free slot came at " +
					"2000-01-01T00:00:00Z"; s[0].disp.Error != want {
					t.Errorf("error %q", s[0].disp.Error)
				}
				if got := r.ledger.record("a"); !away && (got.state != job.Dead || got.outcome.Reason != "expired") {
					t.Errorf("record %+v", got)
				}
			})
		}
	})
	t.Run("in time, and then retried", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.handler.will("a", fails(2*time.Second, work.Transient))
			put(r, "a", time.Second)
			r.start()
			r.at(2 * time.Minute)
			if n := r.count("handle a"); n != 3 {
				t.Errorf("handled %d times, want 3", n)
			}
		})
	})
	t.Run("by the clock of the fleet", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.o.Now = func() time.Time { return time.Now().Add(time.Hour) }
			put(r, "a", time.Minute)
			r.start()
			r.at(time.Second)
			if n := r.count("handle a"); n > 0 {
				t.Errorf("handled %d times", n)
			}
		})
	})
}

// A settle that fails brings the job again. Nothing may then run twice, and nothing be forgotten.
func TestSettleFails(t *testing.T) {
	once := func(action work.Action) func(work.Delivery, work.Disposition) error {
		done := false
		return func(_ work.Delivery, disp work.Disposition) error {
			if done || disp.Action != action {
				return nil
			}
			done = true
			return errors.New("the session is over")
		}
	}
	t.Run("ack", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.broker.refuse = once(work.Ack)
			r.broker.put("standard", "a")
			r.start()
			r.expect("a", "claim a granted", "handle a", "close a completed", "settle a ack", "claim a settled",
				"settle a ack")
		})
	})
	t.Run("dead letter", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.broker.refuse = once(work.DeadLetter)
			r.handler.will("a", fails(0, work.NotAllowed))
			r.broker.put("standard", "a")
			r.start()
			if n := r.count("handle a"); n != 1 {
				t.Errorf("it ran %d times", n)
			}
			if _, _, dead := r.broker.counts(); dead != 1 {
				t.Errorf("%d dead letters", dead)
			}
			if got := r.ledger.record("a"); got.outcome.Reason != "not allowed" {
				t.Errorf("the record forgot the reason: %+v", got)
			}
		})
	})
}

// A message that isn't a job is recorded, but never at the expense of a job that bears the same id.
func TestMalformedMessage(t *testing.T) {
	unreadable := errors.New("the message is not a JSON object")
	for _, c := range []struct {
		name, id, reason string
		err              error
		state            job.State // of another job with that id
	}{
		{"no id", "", "no id", job.ErrNoID, ""},
		{"an id of its own", "a", "not a job", unreadable, ""},
		{"the id of a completed job", "a", "not a job", unreadable, job.Completed},
		{"the id of a waiting job", "a", "not a job", unreadable, job.Queued},
		{"the id of a job whose worker is gone", "a", "not a job", unreadable, job.Running},
		{"the id of a dead job", "a", "not a job", unreadable, job.Dead},
		{"no id at all", "a/../b", "not a job", unreadable, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				if c.state != "" {
					r.ledger.set(c.id, func(r *record) { r.state = c.state })
				}
				before := r.ledger.record(c.id)
				r.broker.add(work.Delivery{
					Job: job.Job{ID: c.id}, Lane: "standard", Attempt: 1, Body: []byte("{"),
					Err: c.err,
				})
				r.start()
				if got := r.ledger.record(c.id); c.state != "" && !reflect.DeepEqual(got, before) {
					t.Errorf("the other job's record: %+v", got)
				}
				if _, _, dead := r.broker.counts(); dead != 1 {
					t.Fatalf("%d dead letters", dead)
				}
				id := r.broker.dead[0].Job.ID
				if id == c.id || !job.ValidID(id) {
					t.Errorf("buried as %q", id)
				}
				if bears := r.broker.dead[0].Bears; bears != "" && bears != c.id || (bears != "") != job.ValidID(c.id) {
					t.Errorf("it is said to bear %q", bears)
				}
				if got := r.ledger.record(id); got.state != job.Dead || got.outcome.Reason != c.reason ||
					got.outcome.Error == "" {
					t.Errorf("recorded as %+v", got)
				}
				r.expect(id, "claim "+id+" granted", "close "+id+" dead", "settle "+id+" dead letter: "+c.reason)
			})
		})
	}
	t.Run("its letter can't be published at first", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			var tries atomic.Int32 // two slots settle at once
			r.broker.refuse = func(work.Delivery, work.Disposition) error {
				if tries.Add(1) <= 3 {
					time.Sleep(5 * time.Second)
					return errors.New("a memory alarm")
				}
				return nil
			}
			r.broker.add(work.Delivery{
				Job: job.Job{ID: "a"}, Lane: "standard", Attempt: 1, Body: []byte("{"),
				Err: unreadable,
			})
			r.broker.add(work.Delivery{
				Job: job.Job{ID: "b"}, Lane: "standard", Attempt: 1, Body: []byte("{"),
				Err: unreadable,
			})
			r.start()
			r.at(time.Minute)
			if _, _, dead := r.broker.counts(); dead != 2 || len(r.ledger.records) != 2 {
				t.Errorf("%d dead letters, and records %v: want one each of two messages", dead,
					slices.Collect(maps.Keys(r.ledger.records)))
			}
			if n := r.count("close " + job.IDOf("a", []byte("{")) + " dead"); n != 1 {
				t.Errorf("closed %d times", n)
			}
		})
	})
	t.Run("the ledger can't say", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.ledger.claimErr = errors.New("OOM")
			r.broker.add(work.Delivery{Lane: "standard", Err: job.ErrNoID})
			r.start()
			if _, _, dead := r.broker.counts(); dead != 1 {
				t.Errorf("%d dead letters", dead)
			}
		})
	})
}
