package rabbit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestBacklogEndsWithItsContext(t *testing.T) {
	rabbittest.Declared(t)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	b := rabbit.NewBacklog(rabbittest.Open(t, way.URL, "backlog"))
	for _, stage := range []string{"while it connects", "while it asks"} {
		if stage == "while it asks" {
			way.Flow()
			if _, err := b.Depths(rabbittest.Soon(t), rabbittest.Queues("bulk")); err != nil {
				t.Fatal(err)
			}
		}
		way.Stall()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		if _, err := b.Depths(ctx, rabbittest.Queues("bulk")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want DeadlineExceeded", stage, err)
		}
		cancel()
		if took := time.Since(began); took > 10*time.Second { // without a context it is half a minute
			t.Errorf("%s it took %s to give up", stage, took)
		}
	}
	way.Flow()
	if _, err := b.Depths(rabbittest.Soon(t), rabbittest.Queues("bulk")); err != nil {
		t.Errorf("once the broker answers again: %v", err)
	}
}

// A node that answers nothing is left for another one.
func TestBacklogLeavesASilentNode(t *testing.T) {
	rabbittest.Declared(t)
	ways := []*rabbittest.Proxy{
		rabbittest.NewProxy(t, rabbittest.Server(t).URL), rabbittest.NewProxy(t, rabbittest.Server(t).URL),
	}
	b := rabbit.NewBacklog(rabbittest.Open(t, ways[0].URL+","+ways[1].URL, "backlog"))
	if _, err := b.Depths(rabbittest.Soon(t), rabbittest.Queues("bulk")); err != nil {
		t.Fatal(err)
	}
	here := ways[0]
	if here.Connections() == 0 {
		here = ways[1]
	}
	here.Stall()
	rabbittest.Until(t, "the other answers", func() bool {
		_, err := b.Depths(rabbittest.Soon(t), rabbittest.Queues("bulk"))
		return err == nil
	})
}

// One lane's queue doesn't answer: the others' are read all the same, and its own again once it does. Nobody says 0.
func TestBacklogPastASilentQueue(t *testing.T) {
	rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, p, "bulk", "1", "2")
	rabbittest.Enqueue(t, p, "express", "3")
	b := rabbit.NewBacklog(rabbittest.Open(t, rabbittest.Server(t).URL, "backlog"))
	away(t, b, rabbitlink.ErrSilent, rabbittest.Suspend(t, "siren.lane.express"))
}

// The same of a queue whose node is down: it isn't one that was never declared.
func TestBacklogPastAQueueThatIsDown(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	rabbittest.Declared(t)
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "bulk", "1", "2")
	b := rabbit.NewBacklog(rabbittest.Open(t, rabbittest.Server(t).URL, "backlog"))
	away(t, b, rabbitlink.ErrDown, rabbittest.Down(t, "siren.lane.express"))
}

// away reads the backlog while the queue of lane express is away, and two jobs wait in lane bulk.
func away(t *testing.T, b *rabbit.Backlog, why error, end func()) {
	t.Helper()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		depths, err := b.Depths(ctx, rabbittest.Queues("express", "standard", "bulk"))
		if _, seen := depths[rabbittest.Queue("express")]; !errors.Is(err, why) ||
			!strings.Contains(err.Error(), "express") || ctx.Err() != nil || seen {
			t.Errorf("%v; want %v about lane express", err, why)
		}
		if len(depths) != 2 || depths[rabbittest.Queue("bulk")].Ready != 2 {
			t.Errorf("depths %v", depths)
		}
		cancel()
	}
	end()
	rabbittest.Until(t, "the queue is seen again", func() bool {
		depths, err := b.Depths(rabbittest.Soon(t), rabbittest.Queues("express", "standard", "bulk"))
		return err == nil && len(depths) == 3
	})
}

func TestBacklog(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, p, "bulk", "1", "2", "3")
	probe.Delete(rabbittest.Actual("siren.lane.standard"))
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shoulder("express")
	rabbittest.Enqueue(t, p, "express", "4")
	d := rabbittest.Next(t, s)

	b := rabbit.NewBacklog(rabbittest.Open(t, rabbittest.Server(t).URL, "backlog"))
	for range 2 { // the missing queue costs the channel, but not the next answers
		depths, err := b.Depths(rabbittest.Soon(t), rabbittest.Queues("express", "standard", "bulk"))
		if err != nil {
			t.Fatal(err)
		}
		if len(depths) != 2 || depths[rabbittest.Queue("bulk")] != (fleet.Depth{Ready: 3}) ||
			depths[rabbittest.Queue("express")] != (fleet.Depth{Consumers: 1}) {
			t.Errorf("depths %v", depths)
		}
	}
	rabbittest.Settle(t, s, d, rabbittest.Ack)
	_, _ = s.Next(rabbittest.Ended())
}
