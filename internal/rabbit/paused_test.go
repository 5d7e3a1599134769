package rabbit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

// pausing is the test policy with some of its lanes paused.
func pausing(t testing.TB, names ...string) *lanes.Effective {
	t.Helper()
	e := effective(t)
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
	for name, slot := range map[string]func(*rabbit.Taker) *rabbit.Slot{
		"shared":   (*rabbit.Taker).Shared,
		"shoulder": func(k *rabbit.Taker) *rabbit.Slot { return k.Shoulder("express") },
	} {
		t.Run(name, func(t *testing.T) {
			probe := declared(t)
			k := taker(t, server(t).URL)
			p := publisher(t, server(t).URL)
			k.Follow(pausing(t, "express"))
			enqueue(t, p, "express", "e1")
			s := slot(k)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if d, err := s.Next(ctx); err == nil {
				t.Fatalf("took %s from a paused lane", d.Job.ID)
			}
			if ready, consumers := probe.depth("siren.lane.express"); ready != 1 || consumers != 0 {
				t.Errorf("%d ready, %d consumers; want 1 and none", ready, consumers)
			}
			k.Follow(effective(t))
			d := next(t, s)
			if d.Job.ID != "e1" {
				t.Errorf("took %s, want e1", d.Job.ID)
			}
			settle(t, s, d, ack)
			_, _ = s.Next(ended())
		})
	}
}

// Slots that listen when their lane is paused let go of it, and listen again when it isn't any more.
func TestPauseReachesIdleSlots(t *testing.T) {
	probe := declared(t)
	k := taker(t, server(t).URL)
	p := publisher(t, server(t).URL)
	got := make(chan lanes.Delivery, 2)
	for _, s := range []*rabbit.Slot{k.Shared(), k.Shoulder("express")} {
		go func() {
			d, _ := s.Next(soon(t))
			got <- d
		}()
	}
	listening := func(n int) func() bool {
		return func() bool { return probe.consumers("siren.lane.express") == n }
	}
	until(t, "both listen", listening(2))
	k.Follow(pausing(t, "express"))
	until(t, "nobody listens", listening(0))
	until(t, "one listens to the lane that isn't paused", func() bool { return probe.consumers("siren.lane.standard") == 1 })
	enqueue(t, p, "express", "1", "2")
	if n := probe.ready("siren.lane.express"); n != 2 {
		t.Errorf("%d of 2 jobs wait", n)
	}
	k.Follow(effective(t))
	if a, b := <-got, <-got; a.Job.ID == b.Job.ID {
		t.Errorf("took %q and %q, want both jobs", a.Job.ID, b.Job.ID)
	}
}

// A shoulder stays subscribed while its job runs, so the broker hands it the next one right after the ack. When the pause
// comes in between, that one goes back.
func TestPauseGivesBackWhatWasHandedOver(t *testing.T) {
	probe := declared(t)
	k := taker(t, server(t).URL)
	p := publisher(t, server(t).URL)
	s := k.Shoulder("express")
	enqueue(t, p, "express", "1", "2")
	d := next(t, s)
	settle(t, s, d, ack)
	until(t, "job 2 was handed over", func() bool { return probe.ready("siren.lane.express") == 0 })
	k.Follow(pausing(t, "express"))
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error)
	go func() { _, err := s.Next(ctx); end <- err }()
	until(t, "job 2 is back and nobody listens", func() bool {
		ready, consumers := probe.depth("siren.lane.express")
		return ready == 1 && consumers == 0
	})
	cancel()
	if err := <-end; !errors.Is(err, context.Canceled) {
		t.Errorf("Next: %v", err)
	}
}

// The broker's answer may be under way when the pause comes: the job in it goes back too.
func TestPauseMeetsAJobUnderWay(t *testing.T) {
	probe := declared(t)
	way := newProxy(t, server(t).URL)
	k := taker(t, way.url)
	p := publisher(t, server(t).URL)
	s := k.Shared()
	enqueue(t, p, "express", "1", "2")
	settle(t, s, next(t, s), ack)
	way.stall()
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error)
	go func() { _, err := s.Next(ctx); end <- err }()
	time.Sleep(100 * time.Millisecond) // it has asked for the next job by then
	k.Follow(pausing(t, "express"))
	way.flow()
	until(t, "the slot listens to what isn't paused", func() bool { return probe.consumers("siren.lane.standard") == 1 })
	if ready, consumers := probe.depth("siren.lane.express"); ready != 1 || consumers != 0 {
		t.Errorf("%d ready, %d consumers; want 1 and none", ready, consumers)
	}
	cancel()
	if err := <-end; !errors.Is(err, context.Canceled) {
		t.Errorf("Next: %v", err)
	}
}

// However the pause falls between the arrival of a job and its taking, nothing is taken from then on.
func TestPauseAtAnyMoment(t *testing.T) {
	probe := declared(t)
	k := taker(t, server(t).URL)
	p := publisher(t, server(t).URL)
	slots := []*rabbit.Slot{k.Shared(), k.Shared(), k.Shoulder("express")}
	for round := range 16 {
		k.Follow(effective(t))
		ctx, cancel := context.WithCancel(t.Context())
		took := make(chan lanes.Delivery)
		for _, s := range slots {
			go func() {
				for {
					d, err := s.Next(ctx)
					if err != nil {
						break
					}
					took <- d
					settle(t, s, d, ack)
				}
				took <- lanes.Delivery{}
			}()
		}
		paused := make(chan struct{})
		go func() {
			time.Sleep(time.Duration(round%8) * time.Millisecond)
			k.Follow(pausing(t, "express"))
			close(paused)
		}()
		enqueue(t, p, "express", "1", "2", "3", "4", "5", "6")
		<-paused
		taken := 0
		all := func() bool { return probe.ready("siren.lane.express") == 6-taken }
		// A slot that was past its last look may still hand over what it took.
		until(t, "what wasn't taken waits", func() bool {
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
		until(t, "it still does", all) // a slot may have been handed one, and gave it back
		_, err := probe.ch.QueuePurge(actual("siren.lane.express"), false)
		probe.must(err)
	}
}

// A policy may pause a lane before anything of it is known here.
func TestShoulderWaitsForTheFirstFollow(t *testing.T) {
	declared(t)
	k := rabbit.NewTaker(open(t, server(t).URL, "consume"), publisher(t, server(t).URL), "general")
	enqueue(t, publisher(t, server(t).URL), "express", "e1")
	s := k.Shoulder("express")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if d, err := s.Next(ctx); err == nil {
		t.Fatalf("took %s before any policy was there", d.Job.ID)
	}
	k.Follow(effective(t))
	settle(t, s, next(t, s), ack)
	_, _ = s.Next(ended())
}
