package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestDrainIdle(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.at(3 * time.Second)
		r.stop()
		r.endsAt(3 * time.Second)
	})
}

// What fits into the drain time ends as it would have anyway; what doesn't is returned at its end; nothing new begins.
func TestDrain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Shared = []Source{r.broker, r.broker, r.broker, r.broker, r.broker}
		r.handler.will("short", lasts(20*time.Second))
		r.handler.will("long", lasts(time.Hour))
		r.handler.will("bad", fails(21*time.Second, work.BadInput))
		r.handler.will("fails", fails(22*time.Second, work.Transient))
		r.handler.will("deaf", func(context.Context, work.Task) (work.Result, error) {
			time.Sleep(41 * time.Second)
			return work.Result{}, nil
		})
		r.broker.put("standard", "short", "long", "bad", "fails", "deaf", "waits")
		r.start()
		r.at(10 * time.Second)
		r.stop()
		r.at(39 * time.Second)
		for id, want := range map[string]work.Action{"short": work.Ack, "bad": work.DeadLetter, "fails": work.Retry} {
			if got := r.settledOnce(id).disp; got.Action != want {
				t.Errorf("%s: %+v", id, got)
			}
		}
		if hb := r.roster.last(); !hb.Draining || len(hb.Running) != 2 || hb.At.Sub(r.began) != 39*time.Second {
			t.Errorf("the heartbeat meanwhile: %+v", hb)
		}
		r.endsAt(41 * time.Second) // 40 s, but one handler took its time to stop

		long := r.settledOnce("long")
		if long.disp.Action != work.Return || long.at.Sub(r.began) != 40*time.Second {
			t.Errorf("long: after %s %+v", long.at.Sub(r.began), long.disp)
		}
		if got := r.ledger.record("long"); got.state != job.Queued || got.attempts != 0 {
			t.Errorf("long: the record keeps %+v", got)
		}
		if got := r.settledOnce("deaf").disp; got.Action != work.Ack {
			t.Errorf("deaf committed, but: %+v", got)
		}
		if got := r.of("waits"); got != nil {
			t.Errorf("a new job began: %q", got)
		}
		if l := r.w.heartbeat().Lanes["standard"]; l.Started != 5 || l.Finished != 2 || l.Failed != 2 {
			t.Errorf("a returned job neither finished nor failed: %+v", l)
		}
	})
}

// A job that ends within the drain time doesn't let its slot take the next.
func TestDrainEndsWithTheLastJob(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", lasts(12*time.Second))
		r.broker.put("standard", "a", "b", "c", "d")
		r.handler.will("b", lasts(11*time.Second))
		r.start()
		r.at(10 * time.Second)
		r.stop()
		r.endsAt(12 * time.Second)
		if ready, _, _ := r.broker.counts(); ready != 2 {
			t.Errorf("%d jobs left for others, want 2", ready)
		}
	})
}

func TestWithoutDrainTime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Drain = 0
		r.o.Shared = r.o.Shared[:1] // an idle slot may get the job once more, before it hears of the end
		r.handler.will("a", lasts(time.Hour))
		r.broker.put("standard", "a")
		r.start()
		r.at(time.Second)
		r.stop()
		r.endsAt(time.Second)
		if d := r.settledOnce("a").disp; d.Action != work.Return {
			t.Errorf("got %+v", d)
		}
	})
}

// The second signal returns everything at once, whatever the cause says, and also when no first one came.
func TestSecondSignal(t *testing.T) {
	for _, c := range []struct {
		name  string
		first bool
		cause error
	}{
		{"after the first", true, nil},
		{"after the first, with a cause", true, errors.New("terminated signal received")},
		{"alone", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.handler.will("a", lasts(time.Hour))
				r.handler.will("b", lasts(time.Hour))
				r.broker.put("standard", "a", "b", "waits")
				r.start()
				r.at(4 * time.Second)
				if c.first {
					r.stop()
				}
				r.at(5 * time.Second)
				r.kill(c.cause)
				r.endsAt(5 * time.Second)
				for _, id := range []string{"a", "b"} {
					if d := r.settledOnce(id).disp; d.Action != work.Return {
						t.Errorf("%s: %+v", id, d)
					}
					if got := r.ledger.record(id); got.state != job.Queued || got.attempts != 0 {
						t.Errorf("%s: the record keeps %+v", id, got)
					}
				}
				if got := r.of("waits"); got != nil {
					t.Errorf("a new job began: %q", got)
				}
			})
		})
	}
}

// What was taken in the instant of the first signal is run, not dropped; in the instant of the second it is returned.
func TestTakenInTheInstantOfASignal(t *testing.T) {
	for _, second := range []bool{false, true} {
		bubble(t, func(t *testing.T, r *rig) {
			r.broker.late = true
			r.handler.will("a", lasts(3*time.Second))
			r.start()
			r.at(time.Second)
			r.broker.mu.Lock() // a job arrives, and before a slot wakes up the signal comes
			r.broker.ready = append(r.broker.ready,
				work.Delivery{Job: job.Job{ID: "a", Kind: "test"}, Lane: "standard", Attempt: 1})
			if second {
				r.kill(nil)
			}
			r.stop()
			r.broker.mu.Unlock()
			r.over()
			want := work.Ack
			if second {
				want = work.Return
			}
			if d := r.settledOnce("a").disp; d.Action != want {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestDrainWhileParked(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", lasts(10*time.Second))
		r.broker.put("standard", "a")
		r.start()
		r.roster.order(true, false)
		r.at(2 * time.Second)
		r.stop()
		synctest.Wait()
		if hb := r.w.heartbeat(); !hb.Draining || !hb.Parked || len(hb.Running) != 1 {
			t.Errorf("heartbeat %+v", hb)
		}
		r.endsAt(10 * time.Second)
		if d := r.settledOnce("a").disp; d.Action != work.Ack {
			t.Errorf("got %+v", d)
		}
	})
}

func TestSecondSignalWhileParked(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.roster.order(true, false)
		r.at(2 * time.Second)
		r.kill(nil)
		r.endsAt(2 * time.Second)
	})
}

// The order of things at the end: every heartbeat comes before the farewell.
func TestFarewellIsLast(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.at(time.Second)
		r.stop()
		r.over()
		beats, _ := r.roster.heard()
		time.Sleep(time.Minute)
		if after, left := r.roster.heard(); len(after) != len(beats) || len(left) != 1 {
			t.Errorf("%d heartbeats and %d farewells after the end", len(after)-len(beats), len(left))
		}
	})
}

// A job that ends while its worker stops and the ledger can't be told is given back: whoever takes it finds the output,
// and tells.
func TestDrainWhileTheLedgerIsBehind(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		behind := false
		r.o.Behind = func() bool { return behind }
		r.handler.will("before", lasts(time.Second))
		r.handler.will("ends", lasts(5*time.Second))
		r.broker.put("standard", "before", "ends")
		r.start()
		r.at(2 * time.Second)
		behind = true
		r.stop()
		<-r.ended
		if s := r.broker.settles("before"); len(s) != 1 || s[0].disp.Action != work.Ack {
			t.Errorf("one that ended before: %v", s)
		}
		if s := r.broker.settles("ends"); len(s) != 1 || s[0].disp.Action != work.Return {
			t.Errorf("one that ended meanwhile: %v", s)
		}
	})
}
