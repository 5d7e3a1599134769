package rabbit_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
)

// waitingIn begins to go through a lane.
func waitingIn(t *testing.T, url, lane string) *rabbit.Waiting {
	t.Helper()
	w, err := rabbit.OpenWaiting(rabbittest.Soon(t), rabbittest.Open(t, url, "move"), rabbittest.Queue(lane))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// Jobs come in the queue's order, those that are removed are gone, and the others are back in their order.
func TestWaiting(t *testing.T) {
	probe := rabbittest.Declared(t)
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "standard", rabbittest.Numbered(250)...)
	w := waitingIn(t, rabbittest.Server(t).URL, "standard")
	if n, err := w.Count(); n != 250 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	for i, want := range []int{100, 100, 50} {
		batch, err := w.Take(rabbittest.Soon(t), 100)
		if err != nil || len(batch) != want || batch[0].Job.ID != fmt.Sprint(100*i) {
			t.Fatalf("batch %d: %d jobs, %v", i, len(batch), err)
		}
		for k, d := range batch {
			if k%3 < 2 {
				if err := w.Remove(d); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n := probe.Ready("siren.lane.standard"); n != 0 {
		t.Errorf("%d jobs are back before it is closed", n)
	}
	w.Close()
	rabbittest.Until(t, "the others are back", func() bool { return probe.Ready("siren.lane.standard") == 33+33+16 })
	left := probe.Drain("standard")
	if rabbittest.QueueType == lanes.Quorum { // what a closed channel held comes back to the front, but in any order
		// as numbers
		slices.SortFunc(left, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	}
	for i, id := range left {
		if want := fmt.Sprint(i/33*100 + i%33*3 + 2); id != want {
			t.Fatalf("left at place %d: %s, want %s (all: %v)", i, id, want, left)
		}
	}
}

// A job that is taken says all that its message does.
func TestWaitingSaysAll(t *testing.T) {
	probe := rabbittest.Declared(t)
	body := `{"id":"a","kind":"probe","input":"file:///in","shape":"unknown field"}`
	probe.Publish("siren.jobs", "standard", amqp.Publishing{
		MessageId: "a", Body: []byte(body), Headers: amqp.Table{
			"attempt": int64(2), "replay": int64(4),
			"error": "so it was",
		},
	})
	batch, err := waitingIn(t, rabbittest.Server(t).URL, "standard").Take(rabbittest.Soon(t), 1)
	if err != nil || len(batch) != 1 {
		t.Fatalf("%d jobs, %v", len(batch), err)
	}
	if d := batch[0]; d.Lane != "standard" || d.Job.ID != "a" || string(d.Body) != body || d.Attempt != 2 ||
		d.Copy != 4 || d.Error != "so it was" {
		t.Errorf("it says %+v", d)
	}
}

// An attempt after the first says which it is, and what happened before.
func TestEntryOfALaterAttempt(t *testing.T) {
	rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	for i, e := range []wire.Entry{{Attempt: 3, Error: "so it was"}, {Attempt: 1, Error: "so it was"}, {}} {
		e.Lane, e.Job = "standard", rabbittest.Job(fmt.Sprint(i))
		if err := errors.Join(rabbit.Enqueue(rabbittest.Soon(t), p, []wire.Entry{e})...); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := waitingIn(t, rabbittest.Server(t).URL, "standard").Take(rabbittest.Soon(t), 3)
	if err != nil || len(batch) != 3 || batch[0].Attempt != 3 || batch[0].Error != "so it was" {
		t.Fatalf("%+v, %v", batch, err)
	}
	for _, d := range batch[1:] {
		if d.Attempt != 1 || d.Error != "" {
			t.Errorf("a first attempt is %+v", d)
		}
	}
}

func TestWaitingFails(t *testing.T) {
	t.Run("not declared", func(t *testing.T) {
		rabbittest.Fresh(t)
		if _, err := waitingIn(t, rabbittest.Server(t).URL, "standard").Count(); !errors.Is(err,
			rabbitlink.ErrUndeclared) {
			t.Errorf("count: %v, want ErrUndeclared", err)
		}
		if _, err := waitingIn(t, rabbittest.Server(t).URL, "standard").Take(rabbittest.Soon(t), 1); !errors.Is(err,
			rabbitlink.ErrUndeclared) {
			t.Errorf("take: %v, want ErrUndeclared", err)
		}
	})
	t.Run("called off", func(t *testing.T) {
		rabbittest.Declared(t)
		if _, err := waitingIn(t, rabbittest.Server(t).URL, "standard").Take(rabbittest.Ended(), 1); !errors.Is(err,
			context.Canceled) {
			t.Errorf("take: %v", err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		probe := rabbittest.Declared(t)
		rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "standard", rabbittest.Numbered(3)...)
		way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
		w := waitingIn(t, way.URL, "standard")
		batch, err := w.Take(rabbittest.Soon(t), 2)
		if err != nil {
			t.Fatal(err)
		}
		way.Cut()
		rabbittest.Until(t, "all are back", func() bool { return probe.Ready("siren.lane.standard") == 3 })
		if err := w.Remove(batch...); !errors.Is(err, rabbitlink.ErrStale) {
			t.Errorf("remove: %v, want ErrStale", err)
		}
		if n := probe.Ready("siren.lane.standard"); n != 3 {
			t.Errorf("%d jobs are left", n)
		}
	})
}

// A job that is taken from its lane by hand says which priority it asks for.
func TestWaitingSaysThePriority(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	probe.Asking("standard", "j", 3)
	batch, err := waitingIn(t, rabbittest.Server(t).URL, "standard").Take(rabbittest.Soon(t), 1)
	if err != nil || len(batch) != 1 || batch[0].Job.Priority != 3 {
		t.Errorf("it is %+v, %v", batch, err)
	}
}

// Of a queue that doesn't answer nobody says that it is empty, and the error names it.
func TestWaitingOfASilentQueue(t *testing.T) {
	rabbittest.Declared(t)
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "standard", "1")
	rabbittest.Suspend(t, "siren.lane.standard")
	rabbittest.Suspend(t, "siren.dead")
	w := waitingIn(t, rabbittest.Server(t).URL, "standard")
	n, err := w.Count()
	if name := rabbittest.Actual("siren.lane.standard"); !errors.Is(err, rabbitlink.ErrSilent) ||
		!strings.Contains(err.Error(), "rabbitmq-queues quorum_status "+name) {
		t.Errorf("%d wait, %v; want that %s doesn't answer", n, err, name)
	}
	if n, err := rabbit.CountDead(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "count")); !errors.
		Is(err, rabbitlink.ErrSilent) || !strings.Contains(err.Error(), "siren.dead") {
		t.Errorf("%d dead letters, %v; want that siren.dead doesn't answer", n, err)
	}
}

// A queue whose node is down isn't one that was never declared.
func TestWaitingOfAQueueThatIsDown(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	rabbittest.Declared(t)
	rabbittest.Down(t, "siren.lane.standard")
	w := waitingIn(t, rabbittest.Server(t).URL, "standard")
	if n, err := w.Count(); !errors.Is(err, rabbitlink.ErrDown) || errors.Is(err, rabbitlink.ErrUndeclared) ||
		!errors.Is(err, lanes.ErrAway) {
		t.Errorf("%d wait, %v; want that its node is down", n, err)
	}
}
