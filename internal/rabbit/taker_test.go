package rabbit_test

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
	"github.com/polyglot-media/siren/lanes"
)

func TestSharedSlotTakesMostUrgentFirst(t *testing.T) {
	declared(t)
	k := taker(t, server(t).URL)
	p := publisher(t, server(t).URL)
	enqueue(t, p, "bulk", "b1", "b2")
	enqueue(t, p, "standard", "s1", "s2")
	enqueue(t, p, "express", "e1", "e2")

	s := k.Shared()
	var got []string
	for range 6 {
		d := next(t, s)
		got = append(got, d.Job.ID)
		settle(t, s, d, ack)
	}
	if want := []string{"e1", "e2", "s1", "s2", "b1", "b2"}; !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
}

func TestPromotedLaneTakesTurns(t *testing.T) {
	declared(t)
	k := taker(t, server(t).URL)
	e := effective(t)
	e.Turns = map[string]string{"bulk": "standard"}
	k.Follow(e)
	p := publisher(t, server(t).URL)
	enqueue(t, p, "bulk", "b1", "b2")
	enqueue(t, p, "standard", "s1", "s2")

	s := k.Shared()
	var got []string
	for range 4 {
		d := next(t, s)
		got = append(got, d.Lane)
		settle(t, s, d, ack)
	}
	if want := []string{"standard", "bulk", "standard", "bulk"}; !slices.Equal(got, want) {
		t.Errorf("took from %v, want %v", got, want)
	}
}

// Jobs that come at once to a slot that waits: it keeps the most urgent of them and holds none of the others.
func TestIdleSlotWakesAndHoldsOneJobOnly(t *testing.T) {
	probe := declared(t)
	k := taker(t, server(t).URL)
	p := publisher(t, server(t).URL)
	s := k.Shared()
	for round := range 10 {
		got := make(chan lanes.Delivery, 1)
		go func() {
			d, _ := s.Next(soon(t))
			got <- d
		}()
		until(t, "the slot listens to all lanes", func() bool {
			return probe.consumers("siren.lane.express") == 1 && probe.consumers("siren.lane.bulk") == 1
		})
		began := time.Now()
		id := fmt.Sprint(round)
		errs := p.EnqueueBatch(soon(t), []rabbit.Entry{{Lane: "bulk", Job: job("b" + id)}, {Lane: "standard", Job: job("s" + id)}})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		d := <-got
		if woke := time.Since(began); woke > 10*time.Second {
			t.Errorf("an idle slot woke after %s", woke)
		}
		until(t, "nobody listens", func() bool { return probe.consumers("siren.lane.bulk") == 0 })
		until(t, "the other job is back", func() bool {
			return probe.ready("siren.lane.bulk")+probe.ready("siren.lane.standard") == 1
		})
		settle(t, s, d, ack)
		settle(t, s, next(t, s), ack)
	}
}

// With every shared slot idle, jobs go to shared slots; only what is too much for them goes to the shoulder.
func TestOverflowGoesToTheShoulder(t *testing.T) {
	probe := declared(t)
	p := publisher(t, server(t).URL)
	type taken struct {
		shoulder bool
		lanes.Delivery
	}
	got := make(chan taken, 10)
	ctx, stop := context.WithCancel(t.Context())
	var slots sync.WaitGroup
	wait := func(s *rabbit.Slot, shoulder bool) {
		slots.Go(func() {
			if d, err := s.Next(ctx); err == nil {
				got <- taken{shoulder, d}
			}
			<-ctx.Done()
			_, _ = s.Next(ctx)
		})
	}
	var workers []*rabbit.Taker
	for range 3 {
		workers = append(workers, taker(t, server(t).URL))
	}
	wait(workers[0].Shoulder("express"), true) // subscribes first, and still comes last
	until(t, "the shoulder listens", func() bool { return probe.consumers("siren.lane.express") == 1 })
	for _, w := range workers {
		wait(w.Shared(), false)
	}
	until(t, "all listen", func() bool { return probe.consumers("siren.lane.express") == 4 })

	enqueue(t, p, "express", "1", "2", "3")
	for range 3 {
		if d := <-got; d.shoulder {
			t.Error("a shoulder took a job while a shared slot was free")
		}
	}
	enqueue(t, p, "express", "4", "5")
	if d := <-got; !d.shoulder {
		t.Error("the overflow did not go to the shoulder")
	}
	if n := probe.ready("siren.lane.express"); n != 1 {
		t.Errorf("%d jobs wait, want 1", n)
	}
	stop()
	slots.Wait()
}

// A worker that is parked again and again, at any moment, loses no job, doubles none and holds none.
func TestParkingLosesNothing(t *testing.T) {
	probe := declared(t)
	p := publisher(t, server(t).URL)
	k := taker(t, server(t).URL)
	slots := []*rabbit.Slot{k.Shared(), k.Shared(), k.Shoulder("express")}
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
					if err := s.Settle(t.Context(), d, ack); err != nil {
						t.Error(err)
					}
				}
				park()
			}
			_, _ = s.Next(ended())
		})
	}
	for i := range jobs {
		enqueue(t, p, []string{"express", "standard", "bulk"}[i%3], fmt.Sprint(i))
	}
	until(t, "all jobs were taken", func() bool { return count() == jobs })
	stop()
	working.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("job %s was taken %d times", id, n)
		}
	}
	for _, lane := range []string{"express", "standard", "bulk"} {
		if ready, consumers := probe.depth("siren.lane." + lane); ready != 0 || consumers != 0 {
			t.Errorf("lane %s: %d ready, %d consumers; want none", lane, ready, consumers)
		}
	}
}

// A plain consumer stays subscribed while its job runs, so the broker sends the next job right after the ack. A Next with
// an ended context gives that back.
func TestPlainConsumerGivesBackWhenParked(t *testing.T) {
	probe := declared(t)
	p := publisher(t, server(t).URL)
	s := taker(t, server(t).URL).Shoulder("express")
	enqueue(t, p, "express", "1", "2")
	d := next(t, s)
	if n := probe.consumers("siren.lane.express"); n != 1 {
		t.Fatalf("%d consumers while the job runs, want 1", n)
	}
	settle(t, s, d, ack)
	until(t, "job 2 was handed over", func() bool { return probe.ready("siren.lane.express") == 0 })
	if _, err := s.Next(ended()); !errors.Is(err, context.Canceled) {
		t.Fatalf("Next with an ended context: %v", err)
	}
	until(t, "job 2 is back and nobody listens", func() bool {
		ready, consumers := probe.depth("siren.lane.express")
		return ready == 1 && consumers == 0
	})
}

func TestFollowReachesIdleSlots(t *testing.T) {
	probe := declared(t)
	k := taker(t, server(t).URL)
	p := publisher(t, server(t).URL)
	e := effective(t)
	e.NoGuests = []string{"general"}
	k.Follow(e)
	got := make(chan lanes.Delivery, 1)
	s := k.Shared()
	go func() {
		d, _ := s.Next(soon(t))
		got <- d
	}()
	until(t, "the slot listens", func() bool { return probe.consumers("siren.lane.standard") == 1 })
	enqueue(t, p, "bulk", "b1")
	if n := probe.consumers("siren.lane.bulk"); n != 0 {
		t.Fatal("a slot listens to a guest that is shut out")
	}
	e2 := effective(t)
	e2.Revision = 2
	k.Follow(e2)
	d := <-got
	if d.Job.ID != "b1" {
		t.Errorf("took %q, want b1", d.Job.ID)
	}
	settle(t, s, d, ack)
}

// A lane that isn't declared yet keeps no other lane from being served, and is served once it is there.
func TestMissingQueue(t *testing.T) {
	probe := declared(t)
	probe.delete(actual("siren.lane.express"))
	p := publisher(t, server(t).URL)
	k := taker(t, server(t).URL)
	s := k.Shared()
	enqueue(t, p, "standard", "s1")
	settle(t, s, next(t, s), ack)
	declare(t, policy(t))
	enqueue(t, p, "express", "e1")
	d := next(t, s)
	if d.Lane != "express" {
		t.Errorf("took from %s, want express", d.Lane)
	}
	settle(t, s, d, ack)
}

// Slots that wait for a job notice when their queue is taken from under them, and when their connection is.
func TestIdleSlotsRecover(t *testing.T) {
	cases := []struct {
		name string
		harm func(probe *probe, way *proxy)
	}{
		{"cut", func(_ *probe, way *proxy) { way.cut() }},
		{"queue deleted", func(probe *probe, _ *proxy) {
			probe.delete(actual("siren.lane.express"))
			declare(probe.t, policy(probe.t))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			probe := declared(t)
			way := newProxy(t, server(t).URL)
			k := taker(t, way.url)
			p := publisher(t, server(t).URL)
			listening := func() bool { return probe.consumers("siren.lane.express") == 2 }
			got := make(chan lanes.Delivery, 2)
			var slots sync.WaitGroup
			for _, s := range []*rabbit.Slot{k.Shared(), k.Shoulder("express")} {
				slots.Go(func() {
					d, err := s.Next(t.Context())
					if err != nil {
						t.Error(err)
					}
					got <- d
					settle(t, s, d, ack)
					_, _ = s.Next(ended())
				})
			}
			until(t, "both listen", listening)
			c.harm(probe, way)
			time.Sleep(20 * time.Millisecond)
			until(t, "both listen again", listening)
			enqueue(t, p, "express", "1", "2")
			if a, b := <-got, <-got; a.Job.ID == b.Job.ID {
				t.Errorf("job %s came twice", a.Job.ID)
			}
			slots.Wait()
		})
	}
}

func TestNextWaitsForTheFirstFollow(t *testing.T) {
	declared(t)
	k := rabbit.NewTaker(open(t, server(t).URL, "consume"), publisher(t, server(t).URL), "general")
	p := publisher(t, server(t).URL)
	enqueue(t, p, "standard", "s1")
	s := k.Shared()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if d, err := s.Next(ctx); err == nil {
		t.Fatalf("took %s before any order of lanes was there", d.Job.ID)
	}
	if k.Subscribed() {
		t.Error("subscribed without an order of lanes")
	}
	k.Follow(effective(t))
	settle(t, s, next(t, s), ack)
	if !k.Subscribed() {
		t.Error("not subscribed after a job")
	}
}

// A producer whose clock is an hour ahead doesn't hide for how long the lane's jobs wait.
func TestTimesToComeAreNow(t *testing.T) {
	probe := declared(t)
	probe.publish("siren.jobs", "bulk", amqp.Publishing{
		MessageId: "1", Body: []byte(`{"id":"1","kind":"probe"}`),
		Headers: amqp.Table{"enqueuedAt": inAWhile(time.Hour), "readyAt": inAWhile(time.Hour)},
	})
	s := taker(t, server(t).URL).Shared()
	d := next(t, s)
	if now := time.Now(); d.EnqueuedAt.After(now) || d.ReadyAt.After(now) {
		t.Errorf("enqueued at %s, ready at %s, and taken before that, at %s", d.EnqueuedAt, d.ReadyAt, now)
	}
	settle(t, s, d, ack)
}
