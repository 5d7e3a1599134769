package take_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// Queues whose process doesn't answer, as that of a leader on a node that hangs.

// A queue that doesn't answer keeps no job of another lane waiting, whatever the slot was doing; once it answers, its
// own jobs come.
func TestOneLaneDoesNotAnswer(t *testing.T) {
	for _, c := range []struct {
		name    string
		silent  string
		healthy []string
		while   string // what the slot does when the queue stops answering
		share   bool   // all lanes have the same channels
	}{
		{"the most urgent lane, while the slot listens", "express", []string{"standard", "bulk"}, "listens", false},
		{"the least urgent lane, while the slot listens", "bulk", []string{"express", "standard"}, "listens", false},
		{"the most urgent lane, while a job runs", "express", []string{"standard", "bulk"}, "runs", false},
		{"the least urgent lane, while a job runs", "bulk", []string{"standard", "express"}, "runs", false},
		{"lanes that share channels, while the slot listens", "express", []string{"standard", "bulk"}, "listens", true},
		{"lanes that share channels, while a job runs", "bulk", []string{"standard", "express"}, "runs", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			k := rabbittest.Taker(t, rabbittest.Server(t).URL)
			k.Patience = 200 * time.Millisecond
			if c.share {
				k.Channels = 2
			}
			p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
			s := k.Shared()
			take := func(lane, id string) {
				t.Helper()
				d := rabbittest.Next(t, s)
				if d.Lane != lane || d.Job.ID != id {
					t.Fatalf("took job %s of lane %s, want %s of %s", d.Job.ID, d.Lane, id, lane)
				}
				rabbittest.Settle(t, s, d, rabbittest.Ack)
			}
			next := make(chan work.Delivery, 1)
			listen := func() {
				go func() {
					d, _ := s.Next(rabbittest.Soon(t))
					next <- d
				}()
				rabbittest.Until(t, "the slot listens to all lanes", func() bool {
					return probe.Consumers("siren.lane.express") == 1 && probe.Consumers("siren.lane.bulk") == 1
				})
			}
			rabbittest.Enqueue(t, p, "standard", "first")
			take("standard", "first")
			if c.while == "listens" {
				listen()
			}
			resume := rabbittest.Suspend(t, "siren.lane."+c.silent)
			for i, lane := range c.healthy {
				id := fmt.Sprint(lane, i)
				rabbittest.Enqueue(t, p, lane, id)
				if c.while == "listens" && i == 0 {
					if d := <-next; d.Lane != lane {
						t.Fatalf("took a job of lane %s, want %s", d.Lane, lane)
					} else {
						rabbittest.Settle(t, s, d, rabbittest.Ack)
					}
					continue
				}
				take(lane, id)
			}
			resume()
			rabbittest.Enqueue(t, p, c.silent, "last")
			take(c.silent, "last")
			_, _ = s.Next(rabbittest.Ended())
		})
	}
}

// A queue that stops answering while a slot listens to it gives its jobs as soon as it answers again, and keeps none.
func TestListensOnToASilentQueue(t *testing.T) {
	probe := rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	k.Patience = 200 * time.Millisecond
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	slots := []*take.Slot{k.Shared(), k.Shared(), k.Shoulder("express")}
	ctx, stop := context.WithCancel(rabbittest.Soon(t))
	got := make(chan work.Delivery)
	done := make(chan struct{})
	for _, s := range slots {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				d, err := s.Next(ctx)
				if err != nil {
					return
				}
				got <- d
				rabbittest.Settle(t, s, d, rabbittest.Ack)
			}
		}()
	}
	rabbittest.Until(t, "all listen", func() bool { return probe.Consumers("siren.lane.express") == 3 })
	resume := rabbittest.Suspend(t, "siren.lane.express")
	for i := range 10 {
		rabbittest.Enqueue(t, p, "standard", fmt.Sprint("s", i))
		<-got
	}
	resume()
	rabbittest.Enqueue(t, p, "express", rabbittest.Numbered(20)...)
	seen := map[string]bool{}
	for len(seen) < 20 {
		d := <-got
		if seen[d.Job.ID] {
			t.Errorf("job %s came twice", d.Job.ID)
		}
		seen[d.Job.ID] = true
	}
	stop()
	for range slots {
		<-done
	}
	if ready, consumers := probe.Depth("siren.lane.express"); ready != 0 || consumers != 0 {
		t.Errorf("%d jobs wait, and %d consumers; want none", ready, consumers)
	}
}

// A queue that nobody can listen to doesn't keep a slot from stopping, nor its connection from closing.
func TestStopsWhileAllAreSilent(t *testing.T) {
	probe := rabbittest.Declared(t)
	conn := rabbittest.Open(t, rabbittest.Server(t).URL, "consume")
	k := take.NewTaker(conn, rabbittest.Publisher(t, rabbittest.Server(t).URL), "general")
	k.Patience = 200 * time.Millisecond
	k.Follow(rabbittest.Effective(t))
	s := k.Shared()
	ctx, stop := context.WithCancel(rabbittest.Soon(t))
	done := make(chan error)
	go func() {
		_, err := s.Next(ctx)
		done <- err
	}()
	rabbittest.Until(t, "it listens", func() bool { return probe.Consumers("siren.lane.express") == 1 })
	for _, lane := range []string{"express", "standard", "bulk"} {
		defer rabbittest.Suspend(t, "siren.lane."+lane)()
	}
	stop()
	if err := <-done; err == nil {
		t.Error("a job came")
	}
	conn.Close()
}

// A queue whose node is down is called that, and keeps no job of another lane waiting.
func TestOneLaneIsDown(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	rabbittest.Declared(t)
	var said rabbittest.LockedBuffer
	conn, err := rabbitlink.Open(rabbitlink.Options{
		URL: rabbittest.Server(t).URL, Name: "consume", Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, p, "express", "1")
	up := rabbittest.Down(t, "siren.lane.express")
	k := take.NewTaker(conn, p, "general")
	k.Follow(rabbittest.Effective(t))
	s := k.Shared()
	for _, lane := range []string{"standard", "express"} {
		if lane == "express" {
			up()
		} else {
			rabbittest.Enqueue(t, p, lane, "2")
		}
		d := rabbittest.Next(t, s)
		if d.Lane != lane {
			t.Errorf("took a job of lane %s, want %s", d.Lane, lane)
		}
		rabbittest.Settle(t, s, d, rabbittest.Ack)
	}
	_, _ = s.Next(rabbittest.Ended())
	if n := strings.Count(said.String(), `msg="a lane's queue is on a node that is down;`); n != 1 ||
		strings.Contains(said.String(), "isn't there") {
		t.Errorf("it is said %d times:\n%s", n, said.String())
	}
}

// A node that answers for no queue at all, while another one does, is left for that.
func TestLeavesANodeThatAnswersForNothing(t *testing.T) {
	rabbittest.Declared(t)
	here, there := rabbittest.NewProxy(t, rabbittest.Server(t).URL), rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	var said rabbittest.LockedBuffer
	conn, err := rabbitlink.Open(rabbitlink.Options{
		URL: here.URL + "," + there.URL, Name: "consume", Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	k := take.NewTaker(conn, rabbittest.Publisher(t, rabbittest.Server(t).URL), "general")
	k.Patience = 200 * time.Millisecond
	k.Follow(rabbittest.Effective(t))
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := k.Shared()
	rabbittest.Enqueue(t, p, "standard", "1")
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	if here.Connections() == 0 {
		here = there
	}
	here.Stall()
	rabbittest.Enqueue(t, p, "standard", "2")
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	if !strings.Contains(said.String(), "none of its queues answers") &&
		!strings.Contains(said.String(), "it opens no channel") { // whichever is noticed first
		t.Errorf("it didn't leave by itself:\n%s", said.String())
	}
	_, _ = s.Next(rabbittest.Ended())
}

// The broker goes away while a slot listens, and doesn't come back: the slot stops all the same when it is told to.
func TestStopsWithoutABroker(t *testing.T) {
	probe := rabbittest.Declared(t)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	k := rabbittest.Taker(t, way.URL)
	for round := range 4 { // the channels close one after the other: whoever looks meanwhile sees some that are open
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := k.Shared().Next(ctx)
			ended <- err
		}()
		rabbittest.Until(t, "the slot listens to all lanes", func() bool {
			return probe.Consumers("siren.lane.express") == 1 && probe.Consumers("siren.lane.bulk") == 1
		})
		way.Refuse(true)
		way.Cut()
		time.Sleep(time.Duration(round) * time.Millisecond)
		stop()
		select {
		case <-ended:
		case <-rabbittest.Soon(t).Done():
			t.Fatalf("round %d: the slot waits for a broker that is gone", round)
		}
		way.Refuse(false)
	}
}
