package worker

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Shoulder = []Source{newBroker(r.journal)}
		var offline atomic.Bool
		r.o.Online = func() bool { return !offline.Load() }
		r.handler.will("a", lasts(10*time.Second))
		r.handler.will("b", lasts(20*time.Second))
		r.handler.will("x", lasts(20*time.Second))
		r.handler.will("f", fails(0, work.BadInput))
		r.start()
		if beats, _ := r.roster.heard(); len(beats) != 1 {
			t.Errorf("%d heartbeats at the start", len(beats))
		}
		r.broker.put("standard", "a")
		r.o.Shoulder[0].(*broker).put("express", "x")
		r.at(2 * time.Second)
		ready := time.Now()
		r.broker.put("standard", "f", "b")
		r.at(12 * time.Second)

		run := func(id, lane string, shoulder bool, since time.Duration) fleet.Run {
			return fleet.Run{Job: id, Lane: lane, Shoulder: shoulder, Since: r.began.Add(since)}
		}
		want := fleet.Heartbeat{
			Worker: "general-1", Pool: "general", Version: "v1", Revision: 7, At: time.Now(), Began: r.began, Slots: 2,
			Shoulder:   1,
			Subscribed: true,
			Running:    []fleet.Run{run("x", "express", true, 0), run("b", "standard", false, 2*time.Second)},
			Lanes: map[string]fleet.LaneWork{
				"express": {Started: 1, First: 1, Waits: []int64{0}, LastReady: r.began},
				"standard": {
					Started: 3, Finished: 1, Failed: 1, Service: lanes.Duration(10 * time.Second),
					First: 3, Waits: []int64{0, 0, 0}, LastReady: ready,
				},
			},
		}
		if got := r.roster.last(); !reflect.DeepEqual(got, want) {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
		offline.Store(true)
		r.at(13 * time.Second)
		if r.roster.last().Subscribed {
			t.Error("subscribed without a session")
		}
		if beats, _ := r.roster.heard(); len(beats) != 14 {
			t.Errorf("%d heartbeats in 13 s", len(beats))
		}
	})
}

// A slot is taken from Next to Settle: also while its job waits for the ledger or the broker.
func TestHeartbeatWhileSettling(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.broker.refuse = func(work.Delivery, work.Disposition) error {
			time.Sleep(10 * time.Second)
			return nil
		}
		r.broker.put("standard", "a")
		r.start()
		if hb := r.w.heartbeat(); len(hb.Running) != 1 || hb.Lanes["standard"].Finished != 1 {
			t.Errorf("while the broker thinks: %+v", hb)
		}
		r.at(10 * time.Second)
		if hb := r.w.heartbeat(); len(hb.Running) != 0 {
			t.Errorf("afterwards: %+v", hb)
		}
	})
}

// Waits are those of first starts of jobs of which it is known when they were ready; the latest 32 of them.
func TestWaits(t *testing.T) {
	waits := func(r *rig) []int64 { return r.w.heartbeat().Lanes["standard"].Waits }
	t.Run("the latest", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			for i := range 40 {
				r.broker.put("standard", fmt.Sprint("j", i))
				time.Sleep(time.Second)
			}
			r.o.Shared = r.o.Shared[:1]
			r.start()
			l := r.w.heartbeat().Lanes["standard"]
			if l.First != 40 || l.Started != 40 || len(l.Waits) != fleet.RecentWaits {
				t.Fatalf("%d first starts of %d, %d waits", l.First, l.Started, len(l.Waits))
			}
			for i, ms := range l.Waits {
				if want := int64(32-i) * 1000; ms != want {
					t.Fatalf("wait %d is %d ms, want %d", i, ms, want)
				}
			}
		})
	})
	t.Run("a readyAt in the future", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.broker.add(work.Delivery{
				Job: job.Job{ID: "a", Kind: "test"}, Lane: "standard", Attempt: 1,
				ReadyAt: r.began.Add(72 * time.Hour),
			})
			r.start()
			if l := r.w.heartbeat().Lanes["standard"]; l.First != 1 || l.Waits[0] != 0 || !l.LastReady.Equal(r.began) {
				t.Errorf("got %+v", l)
			}
		})
	})
	t.Run("a job of a higher priority says nothing of those that it has overtaken", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.broker.add(work.Delivery{
				Job: job.Job{ID: "a", Kind: "test"}, Lane: "standard", Attempt: 1,
				ReadyAt: r.began.Add(-time.Hour),
			})
			r.broker.add(work.Delivery{
				Job: job.Job{ID: "b", Kind: "test", Priority: 1}, Lane: "standard", Attempt: 1,
				ReadyAt: r.began,
			})
			r.start()
			if l := r.w.heartbeat().Lanes["standard"]; l.First != 2 || len(l.Waits) != 2 ||
				!l.LastReady.Equal(r.began.Add(-time.Hour)) {
				t.Errorf("got %+v", l)
			}
		})
	})
	t.Run("no retries", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.handler.will("a", fails(0, work.Transient))
			r.broker.put("standard", "a")
			r.start()
			r.at(time.Minute)
			if l := r.w.heartbeat().Lanes["standard"]; l.Started != 3 || l.First != 1 || len(l.Waits) != 1 {
				t.Errorf("got %+v", l)
			}
		})
	})
	t.Run("no retries, though the ledger is away", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.ledger.away = true
			r.broker.add(work.Delivery{
				Job: job.Job{ID: "a", Kind: "test"}, Lane: "standard", Attempt: 2,
				ReadyAt: time.Now(),
			})
			r.start()
			if l := r.w.heartbeat().Lanes["standard"]; l.Started != 1 || len(l.Waits) != 0 {
				t.Errorf("got %+v", l)
			}
		})
	})
	t.Run("no job that was taken over", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.ledger.set("a", func(r *record) { r.state, r.attempts, r.started = job.Running, 1, true })
			r.broker.put("standard", "a")
			r.start()
			if got := waits(r); len(got) != 0 {
				t.Errorf("got %v", got)
			}
		})
	})
	t.Run("no job that was returned", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.ledger.set("a", func(r *record) { r.state, r.started = job.Queued, true })
			r.broker.put("standard", "a")
			r.start()
			if got := waits(r); len(got) != 0 {
				t.Errorf("got %v", got)
			}
		})
	})
	t.Run("nobody said when it was ready", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.broker.add(work.Delivery{Job: job.Job{ID: "a", Kind: "test"}, Lane: "standard", Attempt: 1})
			r.start()
			if l := r.w.heartbeat().Lanes["standard"]; l.Started != 1 || l.First != 0 || len(l.Waits) != 0 {
				t.Errorf("got %+v", l)
			}
		})
	})
	t.Run("a heartbeat that was sent doesn't change", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.broker.put("standard", "a")
			r.start()
			hb := r.w.heartbeat()
			time.Sleep(time.Second)
			r.broker.put("standard", "b")
			r.at(2 * time.Second)
			if l := hb.Lanes["standard"]; l.First != 1 || len(l.Waits) != 1 {
				t.Errorf("got %+v", l)
			}
		})
	})
}

func TestRosterAway(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.roster.silent(true)
		r.start()
		r.at(time.Minute)
		r.broker.put("standard", "a")
		r.at(time.Minute + time.Second)
		if d := r.settledOnce("a").disp; d.Action != work.Ack {
			t.Errorf("unseen: %+v", d)
		}
		r.roster.silent(false)
		r.at(time.Minute + 2*time.Second)
		if hb := r.roster.last(); hb.Lanes["standard"].Finished != 1 {
			t.Errorf("seen again: %+v", hb)
		}
	})
}

// A login that isn't a worker's is refused from the start: it runs no jobs, whose records would be wrong, until it is
// let in. One that was let in before goes on.
func TestRosterRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.roster.why = lanes.ErrRefused
		r.roster.silent(true)
		r.start()
		r.broker.put("standard", "a")
		r.at(time.Minute)
		if n, _, _ := r.broker.counts(); n != 1 {
			t.Errorf("%d jobs wait, want the one that is there", n)
		}
		r.roster.silent(false)
		r.at(time.Minute + 2*time.Second)
		r.settledOnce("a")
		r.roster.silent(true)
		r.at(2 * time.Minute)
		r.broker.put("standard", "b")
		r.at(2*time.Minute + 2*time.Second)
		if d := r.settledOnce("b").disp; d.Action != work.Ack {
			t.Errorf("refused later: %+v", d)
		}
	})
}

func TestFollowsThePolicy(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var followed []int64
		r.o.Follow = func(e *lanes.Effective) { followed = append(followed, e.Revision) }
		revision := func(n int64, attempts int) {
			e := &lanes.Effective{Revision: n, Policy: parsePolicy(t, testPolicy)}
			e.Policy.Lanes[1].Retry.Attempts = attempts
			r.roster.publish(e)
			r.at(r.passed() + 3*time.Second)
		}
		r.start()
		revision(6, 9) // older
		revision(7, 9) // the same
		if len(followed) != 0 || r.roster.last().Revision != 7 {
			t.Errorf("followed %v, now at %d", followed, r.roster.last().Revision)
		}
		revision(9, 1)
		if len(followed) != 1 || followed[0] != 9 || r.roster.last().Revision != 9 {
			t.Errorf("followed %v, now at %d", followed, r.roster.last().Revision)
		}
		revision(8, 9) // late news
		r.handler.will("a", fails(0, work.Transient))
		r.broker.put("standard", "a")
		r.at(r.passed() + time.Second)
		if d := r.settledOnce("a").disp; d.Action != work.DeadLetter {
			t.Errorf("under the new policy there is one attempt, but: %+v", d)
		}
		if len(followed) != 1 {
			t.Errorf("followed %v", followed)
		}
	})
}
