package worker

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestParking(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", lasts(30*time.Second))
		r.broker.put("standard", "a")
		r.start()
		r.roster.order(true, false)
		r.at(time.Second)
		if waiting, _ := r.broker.takers(); waiting != 0 {
			t.Errorf("%d slots still ask for jobs", waiting)
		}
		r.broker.put("standard", "b", "c")
		r.at(20 * time.Second)
		if got := r.of("b"); got != nil {
			t.Errorf("parked, and took a job: %q", got)
		}
		if hb := r.roster.last(); !hb.Parked || hb.Retired || len(hb.Running) != 1 || hb.Running[0].Job != "a" {
			t.Errorf("heartbeat %+v", hb)
		}
		r.at(30 * time.Second)
		if d := r.settledOnce("a").disp; d.Action != work.Ack {
			t.Errorf("the job that ran: %+v", d)
		}
		r.at(40 * time.Second)
		if n := len(r.of("b")); n != 0 {
			t.Error("parked, and took a job after its own")
		}
		_, calls := r.broker.takers()
		r.roster.order(false, false)
		r.at(41 * time.Second)
		for _, id := range []string{"b", "c"} {
			if d := r.settledOnce(id).disp; d.Action != work.Ack {
				t.Errorf("%s: %+v", id, d)
			}
		}
		if waiting, _ := r.broker.takers(); waiting != 2 || r.w.heartbeat().Parked {
			t.Errorf("unparked, but %d slots ask for jobs", waiting)
		}
		if calls != 2+1 { // one each at first, and once more after the job: it may have something to give back
			t.Errorf("the source was asked %d times until then", calls)
		}
	})
}

// A job that was taken in the instant of parking runs, and the heartbeat says so: the promise to take none ever again
// is not made while it does.
func TestTakenInTheInstantOfParking(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.broker.late = true
		r.handler.will("a", lasts(10*time.Second))
		r.start()
		r.broker.mu.Lock()
		r.broker.ready = append(r.broker.ready, work.Delivery{
			Job: job.Job{ID: "a", Kind: "test"}, Lane: "standard",
			Attempt: 1,
		})
		r.w.gate.order(true, true)
		r.broker.mu.Unlock()
		r.roster.order(true, true)
		r.at(3 * time.Second)
		if hb := r.roster.last(); !hb.Parked || hb.Retired || len(hb.Running) != 1 {
			t.Errorf("while it runs: %+v", hb)
		}
		r.at(12 * time.Second)
		if d := r.settledOnce("a").disp; d.Action != work.Ack {
			t.Errorf("the job: %+v", d)
		}
		if hb := r.roster.last(); !hb.Retired {
			t.Errorf("after it: %+v", hb)
		}
	})
}

func TestRetiring(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.roster.order(false, true) // without being parked before: retiring parks
		r.at(time.Second)
		if hb := r.roster.last(); hb.Parked || hb.Retired {
			t.Errorf("as the order came: %+v", hb)
		}
		r.at(3 * time.Second)
		if hb := r.roster.last(); !hb.Parked || !hb.Retired {
			t.Errorf("soon after: %+v", hb)
		}
		r.roster.order(false, false)
		r.broker.put("standard", "a")
		r.at(20 * time.Second)
		if hb := r.roster.last(); !hb.Parked || !hb.Retired {
			t.Errorf("unparked: %+v", hb)
		}
		r.roster.silent(true)
		r.at(50 * time.Second)
		if got := r.of("a"); got != nil {
			t.Errorf("broke its promise: %q", got)
		}
		r.endsAt(62 * time.Second) // retired at 2 s
		if got := r.of("a"); got != nil {
			t.Errorf("broke its promise at the end: %q", got)
		}
	})
}

// The scaler says how long a retired worker waits to be removed: it knows how long others take to start.
func TestRetiredForAsLongAsOrdered(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.roster.order(true, true)
		r.roster.retireFor(3 * time.Minute)
		r.at(3 * time.Second)
		if hb := r.roster.last(); !hb.Retired {
			t.Fatalf("soon after: %+v", hb)
		}
		r.roster.silent(true)                   // the order can't be heard again
		r.endsAt(3*time.Minute + 2*time.Second) // retired at 2 s
	})
}

// A worker that is killed and started again under its name finds the order to retire. The scaler may have read its
// namesake's promise, and be about to remove it for that: it takes no job in the meantime, not even before its first
// heartbeat.
func TestInheritedRetirement(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.roster.order(true, true)
		r.roster.slow = time.Second
		r.broker.put("standard", "a")
		r.start()
		r.at(5 * time.Second)
		if ready, _, _ := r.broker.counts(); ready != 1 {
			t.Error("it took a job")
		}
		if hb := r.roster.last(); !hb.Retired {
			t.Errorf("it has not promised: %+v", hb)
		}
	})
}

// What holds a worker's first heartbeat up doesn't hold its jobs up for long.
func TestTakesJobsWithoutARoster(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(r *roster)
		by   time.Duration
	}{
		{"that is away", func(r *roster) { r.away = true }, 0},
		{"that hangs", func(r *roster) { r.slow = time.Hour }, beatTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				c.set(r.roster)
				r.broker.put("standard", "a")
				r.start()
				r.at(c.by)
				if s := r.settledOnce("a"); s.disp.Action != work.Ack || s.at.Sub(r.began) != c.by {
					t.Errorf("settled %s after %s", s.disp, s.at.Sub(r.began))
				}
			})
		})
	}
}

// An order to retire that is taken back before the worker could promise leaves no trace.
func TestRetireTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.handler.will("a", lasts(10*time.Second))
		r.broker.put("standard", "a")
		r.start()
		r.roster.order(true, true)
		r.at(5 * time.Second)
		if hb := r.roster.last(); !hb.Parked || hb.Retired {
			t.Errorf("with a job: %+v", hb)
		}
		r.roster.order(false, false)
		r.broker.put("standard", "b")
		r.at(7 * time.Second)
		if d := r.settledOnce("b").disp; d.Action != work.Ack {
			t.Errorf("b: %+v", d)
		}
		r.at(2 * time.Minute)
		if hb := r.roster.last(); hb.Parked || hb.Retired {
			t.Errorf("later: %+v", hb)
		}
	})
}

// Parked is a lease that the leader renews through the roster. When the roster falls silent, the worker goes on.
func TestParkedWhileTheRosterIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.roster.order(true, false)
		r.at(10 * time.Second)
		r.broker.put("standard", "a")
		r.roster.silent(true)
		r.at(15 * time.Second)
		if got := r.of("a"); got != nil {
			t.Errorf("a short silence: %q", got)
		}
		r.at(17 * time.Second) // goneAfter is 5 s
		if d := r.settledOnce("a").disp; d.Action != work.Ack {
			t.Errorf("a long silence: %+v", d)
		}
		r.roster.silent(false)
		r.at(19 * time.Second)
		if hb := r.roster.last(); !hb.Parked {
			t.Errorf("back, and ordered to park again: %+v", hb)
		}
	})
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		take, stop := context.WithCancel(t.Context())
		g := newGate(take, 2)
		var slots sync.WaitGroup
		rest := func() { slots.Go(func() { g.rest() }) }
		expect := func(step string, parked, retired bool) {
			t.Helper()
			synctest.Wait()
			if p, r := g.state(); p != parked || r != retired {
				t.Errorf("%s: parked %t, retired %t", step, p, r)
			}
		}
		if !g.rest() {
			t.Error("an open gate let nobody through")
		}
		g.order(true, true)
		expect("nobody rests", true, false)
		rest()
		synctest.Wait()
		g.order(true, true)
		expect("one of two rests", true, false)
		if g.enter().Err() == nil {
			t.Error("a closed gate lets slots take")
		}
		g.order(false, false)
		slots.Wait()
		if g.enter().Err() != nil {
			t.Error("an open gate keeps slots from taking")
		}
		g.order(true, true)
		expect("both have gone", true, false)
		rest()
		rest()
		synctest.Wait()
		g.order(true, true)
		expect("both rest", true, true)
		g.order(false, false)
		expect("unparked", true, true)
		stop()
		slots.Wait()
		if g.rest() {
			t.Error("rest lets slots go on after take has ended")
		}
		expect("stopped", true, true)
	})
	t.Run("stopped slots promise nothing", func(t *testing.T) {
		take, stop := context.WithCancel(t.Context())
		g := newGate(take, 1)
		stop()
		g.order(true, true)
		g.rest()
		g.order(true, true)
		if _, retired := g.state(); retired {
			t.Error("retired without a slot at rest")
		}
	})
}

// Slots come and go as fast as they can while orders change, with sources that hand out jobs as late as they may. Once
// the gate says retired, none is ever taken; and at the end every slot stops.
func TestGateUnderRace(t *testing.T) {
	for range 5 {
		const slots = 4
		take, stop := context.WithCancel(t.Context())
		g := newGate(take, slots)
		var promised atomic.Bool
		var taken, broken atomic.Int64
		var all sync.WaitGroup
		for range slots {
			all.Go(func() {
				for {
					open := g.enter()
					if open.Err() == nil || rand.IntN(2) == 0 {
						if promised.Load() && take.Err() == nil {
							broken.Add(1)
						}
						taken.Add(1)
					}
					runtime.Gosched()
					if open.Err() != nil && !g.rest() {
						return
					}
				}
			})
		}
		for i := 0; !promised.Load(); i++ {
			retire := i > 20 && rand.IntN(5) == 0
			g.order(retire || rand.IntN(2) == 0, retire)
			if _, retired := g.state(); retired {
				promised.Store(true)
			}
			time.Sleep(rand.N(20 * time.Microsecond))
		}
		for range 1000 {
			g.order(rand.IntN(2) == 0, rand.IntN(2) == 0)
		}
		stop()
		all.Wait()
		if broken.Load() > 0 || taken.Load() == 0 {
			t.Fatalf("%d jobs taken after the promise, %d before", broken.Load(), taken.Load())
		}
	}
}

// A source that fails although nobody stops it must not make its slot spin, nor keep the worker from stopping.
func TestSourceAgainstItsContract(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.broker.broken = true
		r.start()
		r.at(10*time.Second + time.Millisecond)
		if _, calls := r.broker.takers(); calls != 2*11 {
			t.Errorf("two slots asked %d times in 10 s", calls)
		}
		r.broker.mu.Lock()
		r.broker.broken = false
		r.broker.mu.Unlock()
		r.broker.put("standard", "a")
		r.at(11 * time.Second)
		if d := r.settledOnce("a").disp; d.Action != work.Ack {
			t.Errorf("once it is well again: %+v", d)
		}
	})
}
