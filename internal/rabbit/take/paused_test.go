package take_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// pausing returns the test policy with some of its lanes paused.
func pausing(t testing.TB, names ...string) *lanes.Effective {
	t.Helper()
	e := rabbittest.Effective(t)
	for _, name := range names {
		found := false
		for i := range e.Policy.Lanes {
			if l := &e.Policy.Lanes[i]; l.Name == name {
				l.Paused, found = true, true
			}
		}
		if !found {
			t.Fatalf("no lane %q", name)
		}
	}
	return e
}

func TestPausedLaneIsNotTaken(t *testing.T) {
	for name, slot := range map[string]func(*take.Taker) *take.Slot{
		"shared":   (*take.Taker).Shared,
		"shoulder": func(k *take.Taker) *take.Slot { return k.Shoulder("express") },
	} {
		t.Run(name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			k := rabbittest.Taker(t, rabbittest.Server(t).URL)
			p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
			k.Follow(pausing(t, "express"))
			rabbittest.Enqueue(t, p, "express", "e1")
			s := slot(k)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if d, err := s.Next(ctx); err == nil {
				t.Fatalf("took %s from a paused lane", d.Job.ID)
			}
			if ready, consumers := probe.Depth("siren.lane.express"); ready != 1 || consumers != 0 {
				t.Errorf("%d ready, %d consumers; want 1 and none", ready, consumers)
			}
			k.Follow(rabbittest.Effective(t))
			d := rabbittest.Next(t, s)
			if d.Job.ID != "e1" {
				t.Errorf("took %s, want e1", d.Job.ID)
			}
			rabbittest.Settle(t, s, d, rabbittest.Ack)
			_, _ = s.Next(rabbittest.Ended())
		})
	}
}

// Slots that listen when their lane is paused let go of it, and listen again when it isn't any more.
func TestPauseReachesIdleSlots(t *testing.T) {
	probe := rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	got := make(chan work.Delivery, 2)
	for _, s := range []*take.Slot{k.Shared(), k.Shoulder("express")} {
		go func() {
			d, _ := s.Next(rabbittest.Soon(t))
			got <- d
		}()
	}
	listening := func(n int) func() bool {
		return func() bool { return probe.Consumers("siren.lane.express") == n }
	}
	rabbittest.Until(t, "both listen", listening(2))
	k.Follow(pausing(t, "express"))
	rabbittest.Until(t, "nobody listens", listening(0))
	rabbittest.Until(t, "one listens to the lane that isn't paused", func() bool {
		return probe.Consumers("siren.lane.standard") == 1
	})
	rabbittest.Enqueue(t, p, "express", "1", "2")
	if n := probe.Ready("siren.lane.express"); n != 2 {
		t.Errorf("%d of 2 jobs wait", n)
	}
	k.Follow(rabbittest.Effective(t))
	if a, b := <-got, <-got; a.Job.ID == b.Job.ID {
		t.Errorf("took %q and %q, want both jobs", a.Job.ID, b.Job.ID)
	}
}

// A shoulder stays subscribed while its job runs, so the broker hands it the next one right after the ack. When the
// pause comes in between, that one goes back.
func TestPauseGivesBackWhatWasHandedOver(t *testing.T) {
	probe := rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := k.Shoulder("express")
	rabbittest.Enqueue(t, p, "express", "1", "2")
	d := rabbittest.Next(t, s)
	rabbittest.Settle(t, s, d, rabbittest.Ack)
	rabbittest.Until(t, "job 2 was handed over", func() bool { return probe.Ready("siren.lane.express") == 0 })
	k.Follow(pausing(t, "express"))
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error)
	go func() { _, err := s.Next(ctx); end <- err }()
	rabbittest.Until(t, "job 2 is back and nobody listens", func() bool {
		ready, consumers := probe.Depth("siren.lane.express")
		return ready == 1 && consumers == 0
	})
	cancel()
	if err := <-end; !errors.Is(err, context.Canceled) {
		t.Errorf("Next: %v", err)
	}
}

// The broker's answer may be under way when the pause comes: the job in it goes back too.
func TestPauseMeetsAJobUnderWay(t *testing.T) {
	probe := rabbittest.Declared(t)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	k := rabbittest.Taker(t, way.URL)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := k.Shared()
	rabbittest.Enqueue(t, p, "express", "1", "2")
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	way.Stall()
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error)
	go func() { _, err := s.Next(ctx); end <- err }()
	time.Sleep(100 * time.Millisecond) // it has asked for the next job by then
	k.Follow(pausing(t, "express"))
	way.Flow()
	rabbittest.Until(t, "the slot listens to what isn't paused", func() bool {
		return probe.Consumers("siren.lane.standard") == 1
	})
	if ready, consumers := probe.Depth("siren.lane.express"); ready != 1 || consumers != 0 {
		t.Errorf("%d ready, %d consumers; want 1 and none", ready, consumers)
	}
	cancel()
	if err := <-end; !errors.Is(err, context.Canceled) {
		t.Errorf("Next: %v", err)
	}
}

// However the pause falls between the arrival of a job and its taking, nothing is taken from then on.
func TestPauseAtAnyMoment(t *testing.T) {
	probe := rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	slots := []*take.Slot{k.Shared(), k.Shared(), k.Shoulder("express")}
	for round := range 16 {
		k.Follow(rabbittest.Effective(t))
		ctx, cancel := context.WithCancel(t.Context())
		took := make(chan work.Delivery)
		for _, s := range slots {
			go func() {
				for {
					d, err := s.Next(ctx)
					if err != nil {
						break
					}
					took <- d
					rabbittest.Settle(t, s, d, rabbittest.Ack)
				}
				took <- work.Delivery{}
			}()
		}
		paused := make(chan struct{})
		go func() {
			time.Sleep(time.Duration(round%8) * time.Millisecond)
			k.Follow(pausing(t, "express"))
			close(paused)
		}()
		rabbittest.Enqueue(t, p, "express", "1", "2", "3", "4", "5", "6")
		<-paused
		taken := 0
		all := func() bool { return probe.Ready("siren.lane.express") == 6-taken }
		// A slot that was past its last look may still hand over what it took.
		rabbittest.Until(t, "what wasn't taken waits", func() bool {
			for {
				select {
				case <-took:
					taken++
					continue
				default:
				}
				return all()
			}
		})
		cancel()
		for over := 0; over < len(slots); {
			if d := <-took; d.Job.ID == "" {
				over++
			} else {
				t.Errorf("round %d: took %s after the pause", round, d.Job.ID)
			}
		}
		rabbittest.Until(t, "it still does", all) // a slot may have been handed one, and gave it back
		_, err := probe.Ch.QueuePurge(rabbittest.Actual("siren.lane.express"), false)
		probe.Must(err)
	}
}

// A policy may pause a lane before anything of it is known here.
func TestShoulderWaitsForTheFirstFollow(t *testing.T) {
	rabbittest.Declared(t)
	k := take.NewTaker(rabbittest.Open(t, rabbittest.Server(t).URL, "consume"),
		rabbittest.Publisher(t, rabbittest.Server(t).URL), "general")
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "express", "e1")
	s := k.Shoulder("express")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if d, err := s.Next(ctx); err == nil {
		t.Fatalf("took %s before any policy was there", d.Job.ID)
	}
	k.Follow(rabbittest.Effective(t))
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	_, _ = s.Next(rabbittest.Ended())
}
