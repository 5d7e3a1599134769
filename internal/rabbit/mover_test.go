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
	"github.com/polyglot-media/siren/lanes"
)

// numbered are n job ids.
func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	return ids
}

// waitingIn begins to go through a lane.
func waitingIn(t *testing.T, url, lane string) *rabbit.Waiting {
	t.Helper()
	w, err := rabbit.OpenWaiting(soon(t), open(t, url, "move"), queue(lane))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// drain empties a lane, and is the ids of what was in it.
func (p *probe) drain(lane string) []string {
	p.t.Helper()
	var ids []string
	for {
		d, ok, err := p.ch.Get(actual("siren.lane."+lane), true)
		p.must(err)
		if !ok {
			return ids
		}
		ids = append(ids, d.MessageId)
	}
}

// Jobs come in the queue's order, those that are removed are gone, and the others are back in their order.
func TestWaiting(t *testing.T) {
	probe := declared(t)
	enqueue(t, publisher(t, server(t).URL), "standard", numbered(250)...)
	w := waitingIn(t, server(t).URL, "standard")
	if n, err := w.Count(); n != 250 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	for i, want := range []int{100, 100, 50} {
		batch, err := w.Take(soon(t), 100)
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
	if n := probe.ready("siren.lane.standard"); n != 0 {
		t.Errorf("%d jobs are back before it is closed", n)
	}
	w.Close()
	until(t, "the others are back", func() bool { return probe.ready("siren.lane.standard") == 33+33+16 })
	left := probe.drain("standard")
	if queueType == lanes.Quorum { // what a closed channel held comes back to the front, but in any order
		slices.SortFunc(left, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) // as numbers
	}
	for i, id := range left {
		if want := fmt.Sprint(i/33*100 + i%33*3 + 2); id != want {
			t.Fatalf("left at place %d: %s, want %s (all: %v)", i, id, want, left)
		}
	}
}

// A job that is taken says all that its message does.
func TestWaitingSaysAll(t *testing.T) {
	probe := declared(t)
	body := `{"id":"a","kind":"probe","input":"file:///in","shape":"unknown field"}`
	probe.publish("siren.jobs", "standard", amqp.Publishing{
		MessageId: "a", Body: []byte(body), Headers: amqp.Table{"attempt": int64(2), "replay": int64(4), "error": "so it was"},
	})
	batch, err := waitingIn(t, server(t).URL, "standard").Take(soon(t), 1)
	if err != nil || len(batch) != 1 {
		t.Fatalf("%d jobs, %v", len(batch), err)
	}
	if d := batch[0]; d.Lane != "standard" || d.Job.ID != "a" || string(d.Body) != body || d.Attempt != 2 || d.Replay != 4 || d.Error != "so it was" {
		t.Errorf("it says %+v", d)
	}
}

// An attempt after the first says which it is, and what happened before.
func TestEntryOfALaterAttempt(t *testing.T) {
	declared(t)
	p := publisher(t, server(t).URL)
	for i, e := range []rabbit.Entry{{Attempt: 3, Error: "so it was"}, {Attempt: 1, Error: "so it was"}, {}} {
		e.Lane, e.Job = "standard", job(fmt.Sprint(i))
		if err := errors.Join(p.EnqueueBatch(soon(t), []rabbit.Entry{e})...); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := waitingIn(t, server(t).URL, "standard").Take(soon(t), 3)
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
		fresh(t)
		if _, err := waitingIn(t, server(t).URL, "standard").Count(); !errors.Is(err, rabbit.ErrUndeclared) {
			t.Errorf("count: %v, want ErrUndeclared", err)
		}
		if _, err := waitingIn(t, server(t).URL, "standard").Take(soon(t), 1); !errors.Is(err, rabbit.ErrUndeclared) {
			t.Errorf("take: %v, want ErrUndeclared", err)
		}
	})
	t.Run("called off", func(t *testing.T) {
		declared(t)
		if _, err := waitingIn(t, server(t).URL, "standard").Take(ended(), 1); !errors.Is(err, context.Canceled) {
			t.Errorf("take: %v", err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		probe := declared(t)
		enqueue(t, publisher(t, server(t).URL), "standard", numbered(3)...)
		way := newProxy(t, server(t).URL)
		w := waitingIn(t, way.url, "standard")
		batch, err := w.Take(soon(t), 2)
		if err != nil {
			t.Fatal(err)
		}
		way.cut()
		until(t, "all are back", func() bool { return probe.ready("siren.lane.standard") == 3 })
		if err := w.Remove(batch...); !errors.Is(err, rabbit.ErrStale) {
			t.Errorf("remove: %v, want ErrStale", err)
		}
		if n := probe.ready("siren.lane.standard"); n != 3 {
			t.Errorf("%d jobs are left", n)
		}
	})
}
