package take_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestSharedSlotTakesMostUrgentFirst(t *testing.T) {
	rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, p, "bulk", "b1", "b2")
	rabbittest.Enqueue(t, p, "standard", "s1", "s2")
	rabbittest.Enqueue(t, p, "express", "e1", "e2")

	s := k.Shared()
	var got []string
	for range 6 {
		d := rabbittest.Next(t, s)
		got = append(got, d.Job.ID)
		rabbittest.Settle(t, s, d, rabbittest.Ack)
	}
	if want := []string{"e1", "e2", "s1", "s2", "b1", "b2"}; !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
}

func TestPromotedLaneTakesTurns(t *testing.T) {
	rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	e := rabbittest.Effective(t)
	e.Turns = map[string]string{"bulk": "standard"}
	k.Follow(e)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, p, "bulk", "b1", "b2")
	rabbittest.Enqueue(t, p, "standard", "s1", "s2")

	s := k.Shared()
	var got []string
	for range 4 {
		d := rabbittest.Next(t, s)
		got = append(got, d.Lane)
		rabbittest.Settle(t, s, d, rabbittest.Ack)
	}
	if want := []string{"standard", "bulk", "standard", "bulk"}; !slices.Equal(got, want) {
		t.Errorf("took from %v, want %v", got, want)
	}
}

// Jobs that come at once to a slot that waits: it keeps the most urgent of them and holds none of the others.
func TestIdleSlotWakesAndHoldsOneJobOnly(t *testing.T) {
	probe := rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := k.Shared()
	for round := range 10 {
		got := make(chan work.Delivery, 1)
		go func() {
			d, _ := s.Next(rabbittest.Soon(t))
			got <- d
		}()
		rabbittest.Until(t, "the slot listens to all lanes", func() bool {
			return probe.Consumers("siren.lane.express") == 1 && probe.Consumers("siren.lane.bulk") == 1
		})
		began := time.Now()
		id := fmt.Sprint(round)
		errs := rabbit.Enqueue(rabbittest.Soon(t), p,
			[]wire.Entry{
				{Lane: "bulk", Job: rabbittest.Job("b" + id)},
				{Lane: "standard", Job: rabbittest.Job("s" + id)},
			})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		d := <-got
		if woke := time.Since(began); woke > 10*time.Second {
			t.Errorf("an idle slot woke after %s", woke)
		}
		rabbittest.Until(t, "nobody listens", func() bool { return probe.Consumers("siren.lane.bulk") == 0 })
		rabbittest.Until(t, "the other job is back", func() bool {
			return probe.Ready("siren.lane.bulk")+probe.Ready("siren.lane.standard") == 1
		})
		rabbittest.Settle(t, s, d, rabbittest.Ack)
		rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	}
}

// With every shared slot idle, jobs go to shared slots; only what is too much for them goes to the shoulder.
func TestOverflowGoesToTheShoulder(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	type taken struct {
		shoulder bool
		work.Delivery
	}
	got := make(chan taken, 10)
	ctx, stop := context.WithCancel(t.Context())
	var slots sync.WaitGroup
	wait := func(s *take.Slot, shoulder bool) {
		slots.Go(func() {
			if d, err := s.Next(ctx); err == nil {
				got <- taken{shoulder, d}
			}
			<-ctx.Done()
			_, _ = s.Next(ctx)
		})
	}
	var workers []*take.Taker
	for range 3 {
		workers = append(workers, rabbittest.Taker(t, rabbittest.Server(t).URL))
	}
	wait(workers[0].Shoulder("express"), true) // subscribes first, and still comes last
	rabbittest.Until(t, "the shoulder listens", func() bool { return probe.Consumers("siren.lane.express") == 1 })
	for _, w := range workers {
		wait(w.Shared(), false)
	}
	rabbittest.Until(t, "all listen", func() bool { return probe.Consumers("siren.lane.express") == 4 })

	rabbittest.Enqueue(t, p, "express", "1", "2", "3")
	for range 3 {
		if d := <-got; d.shoulder {
			t.Error("a shoulder took a job while a shared slot was free")
		}
	}
	rabbittest.Enqueue(t, p, "express", "4", "5")
	if d := <-got; !d.shoulder {
		t.Error("the overflow did not go to the shoulder")
	}
	if n := probe.Ready("siren.lane.express"); n != 1 {
		t.Errorf("%d jobs wait, want 1", n)
	}
	stop()
	slots.Wait()
}

// A worker that is parked again and again, at any moment, loses no job, doubles none and holds none.
func TestParkingLosesNothing(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	slots := []*take.Slot{k.Shared(), k.Shared(), k.Shoulder("express")}
	const jobs = 300
	var mu sync.Mutex
	seen := map[string]int{}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }

	var working sync.WaitGroup
	over, stop := context.WithCancel(t.Context())
	for _, s := range slots {
		working.Go(func() {
			for over.Err() == nil {
				ctx, park := context.WithTimeout(over, rand.N(8*time.Millisecond))
				for {
					d, err := s.Next(ctx)
					if err != nil {
						break
					}
					mu.Lock()
					seen[d.Job.ID]++
					mu.Unlock()
					if err := s.Settle(t.Context(), d, rabbittest.Ack); err != nil {
						t.Error(err)
					}
				}
				park()
			}
			_, _ = s.Next(rabbittest.Ended())
		})
	}
	for i := range jobs {
		rabbittest.Enqueue(t, p, []string{"express", "standard", "bulk"}[i%3], fmt.Sprint(i))
	}
	rabbittest.Until(t, "all jobs were taken", func() bool { return count() == jobs })
	stop()
	working.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("job %s was taken %d times", id, n)
		}
	}
	for _, lane := range []string{"express", "standard", "bulk"} {
		if ready, consumers := probe.Depth("siren.lane." + lane); ready != 0 || consumers != 0 {
			t.Errorf("lane %s: %d ready, %d consumers; want none", lane, ready, consumers)
		}
	}
}

// A plain consumer stays subscribed while its job runs, so the broker sends the next job right after the ack. A Next
// with an ended context gives that back.
func TestPlainConsumerGivesBackWhenParked(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shoulder("express")
	rabbittest.Enqueue(t, p, "express", "1", "2")
	d := rabbittest.Next(t, s)
	if n := probe.Consumers("siren.lane.express"); n != 1 {
		t.Fatalf("%d consumers while the job runs, want 1", n)
	}
	rabbittest.Settle(t, s, d, rabbittest.Ack)
	rabbittest.Until(t, "job 2 was handed over", func() bool { return probe.Ready("siren.lane.express") == 0 })
	if _, err := s.Next(rabbittest.Ended()); !errors.Is(err, context.Canceled) {
		t.Fatalf("Next with an ended context: %v", err)
	}
	rabbittest.Until(t, "job 2 is back and nobody listens", func() bool {
		ready, consumers := probe.Depth("siren.lane.express")
		return ready == 1 && consumers == 0
	})
}

func TestFollowReachesIdleSlots(t *testing.T) {
	probe := rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	e := rabbittest.Effective(t)
	e.NoGuests = []string{"general"}
	k.Follow(e)
	got := make(chan work.Delivery, 1)
	s := k.Shared()
	go func() {
		d, _ := s.Next(rabbittest.Soon(t))
		got <- d
	}()
	rabbittest.Until(t, "the slot listens", func() bool { return probe.Consumers("siren.lane.standard") == 1 })
	rabbittest.Enqueue(t, p, "bulk", "b1")
	if n := probe.Consumers("siren.lane.bulk"); n != 0 {
		t.Fatal("a slot listens to a guest that is shut out")
	}
	e2 := rabbittest.Effective(t)
	e2.Revision = 2
	k.Follow(e2)
	d := <-got
	if d.Job.ID != "b1" {
		t.Errorf("took %q, want b1", d.Job.ID)
	}
	rabbittest.Settle(t, s, d, rabbittest.Ack)
}

// A lane that isn't declared yet keeps no other lane from being served, and is served once it is there.
func TestMissingQueue(t *testing.T) {
	probe := rabbittest.Declared(t)
	probe.Delete(rabbittest.Actual("siren.lane.express"))
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	s := k.Shared()
	rabbittest.Enqueue(t, p, "standard", "s1")
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	rabbittest.Declare(t, rabbittest.Policy(t))
	rabbittest.Enqueue(t, p, "express", "e1")
	d := rabbittest.Next(t, s)
	if d.Lane != "express" {
		t.Errorf("took from %s, want express", d.Lane)
	}
	rabbittest.Settle(t, s, d, rabbittest.Ack)
}

// Slots that wait for a job notice when their queue is taken from under them, and when their connection is.
func TestIdleSlotsRecover(t *testing.T) {
	cases := []struct {
		name string
		harm func(probe *rabbittest.Probe, way *rabbittest.Proxy)
	}{
		{"cut", func(_ *rabbittest.Probe, way *rabbittest.Proxy) { way.Cut() }},
		{"queue deleted", func(probe *rabbittest.Probe, _ *rabbittest.Proxy) {
			probe.Delete(rabbittest.Actual("siren.lane.express"))
			rabbittest.Declare(probe.T, rabbittest.Policy(probe.T))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
			k := rabbittest.Taker(t, way.URL)
			p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
			listening := func() bool { return probe.Consumers("siren.lane.express") == 2 }
			got := make(chan work.Delivery, 2)
			var slots sync.WaitGroup
			for _, s := range []*take.Slot{k.Shared(), k.Shoulder("express")} {
				slots.Go(func() {
					d, err := s.Next(t.Context())
					if err != nil {
						t.Error(err)
					}
					got <- d
					rabbittest.Settle(t, s, d, rabbittest.Ack)
					_, _ = s.Next(rabbittest.Ended())
				})
			}
			rabbittest.Until(t, "both listen", listening)
			c.harm(probe, way)
			time.Sleep(20 * time.Millisecond)
			rabbittest.Until(t, "both listen again", listening)
			rabbittest.Enqueue(t, p, "express", "1", "2")
			if a, b := <-got, <-got; a.Job.ID == b.Job.ID {
				t.Errorf("job %s came twice", a.Job.ID)
			}
			slots.Wait()
		})
	}
}

func TestNextWaitsForTheFirstFollow(t *testing.T) {
	rabbittest.Declared(t)
	k := take.NewTaker(rabbittest.Open(t, rabbittest.Server(t).URL, "consume"),
		rabbittest.Publisher(t, rabbittest.Server(t).URL), "general")
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, p, "standard", "s1")
	s := k.Shared()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if d, err := s.Next(ctx); err == nil {
		t.Fatalf("took %s before any order of lanes was there", d.Job.ID)
	}
	if k.Subscribed() {
		t.Error("subscribed without an order of lanes")
	}
	k.Follow(rabbittest.Effective(t))
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	if !k.Subscribed() {
		t.Error("not subscribed after a job")
	}
}

// A producer whose clock is an hour ahead doesn't hide for how long the lane's jobs wait.
func TestTimesToComeAreNow(t *testing.T) {
	probe := rabbittest.Declared(t)
	probe.Publish("siren.jobs", "bulk", amqp.Publishing{
		MessageId: "1", Body: []byte(`{"id":"1","kind":"probe"}`),
		Headers: amqp.Table{"enqueuedAt": rabbittest.InAWhile(time.Hour), "readyAt": rabbittest.InAWhile(time.Hour)},
	})
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	d := rabbittest.Next(t, s)
	if now := time.Now(); d.EnqueuedAt.After(now) || d.ReadyAt.After(now) {
		t.Errorf("enqueued at %s, ready at %s, and taken before that, at %s", d.EnqueuedAt, d.ReadyAt, now)
	}
	rabbittest.Settle(t, s, d, rabbittest.Ack)
}
