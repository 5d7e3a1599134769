package rabbit_test

import (
	"errors"
	"testing"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

// buried puts jobs to the dead letters.
func buried(t *testing.T, ids ...string) {
	t.Helper()
	enqueue(t, publisher(t, server(t).URL), "standard", ids...)
	s := taker(t, server(t).URL).Shared()
	for range ids {
		settle(t, s, next(t, s), lanes.Disposition{Action: lanes.DeadLetter, Reason: "bad input"})
	}
}

func TestTakeDead(t *testing.T) {
	probe := declared(t)
	buried(t, "1", "2", "3")
	conn := open(t, server(t).URL, "dead")
	oops := errors.New("oops")
	found, err := rabbit.TakeDead(soon(t), conn, "2", func(rabbit.DeadLetter) error { return oops })
	if !found || !errors.Is(err, oops) {
		t.Fatalf("carry failed: found %v, %v", found, err)
	}
	until(t, "all letters are back", func() bool { return probe.ready("siren.dead") == 3 })

	found, err = rabbit.TakeDead(soon(t), conn, "2", func(l rabbit.DeadLetter) error {
		if l.ID != "2" || l.Lane != "standard" || l.Reason != "bad input" {
			t.Errorf("carried %+v", l)
		}
		if n := probe.ready("siren.dead"); n != 1 {
			t.Errorf("%d letters wait meanwhile, want the one behind it", n)
		}
		return nil
	})
	if !found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	until(t, "the others are back", func() bool { return probe.ready("siren.dead") == 2 })
	for range 2 {
		if probe.take("siren.dead").MessageId == "2" {
			t.Error("the letter is still there")
		}
	}
	never := func(rabbit.DeadLetter) error { t.Error("carried a letter that isn't there"); return nil }
	if found, err := rabbit.TakeDead(soon(t), conn, "2", never); found || err != nil {
		t.Errorf("among no letters: found %v, %v", found, err)
	}
	probe.delete("siren.dead")
	if found, err := rabbit.TakeDead(soon(t), conn, "2", never); found || !errors.Is(err, rabbit.ErrUndeclared) {
		t.Errorf("without the queue: found %v, %v", found, err)
	}
}

// The job is seen to, and its letter is left: whoever tries again replays it once more, which is harmless.
func TestTakeDeadOverALostConnection(t *testing.T) {
	probe := declared(t)
	buried(t, "1")
	way := newProxy(t, server(t).URL)
	conn := open(t, way.url, "dead")
	found, err := rabbit.TakeDead(soon(t), conn, "1", func(rabbit.DeadLetter) error {
		way.cut()
		until(t, "the loss is noticed", func() bool { return !conn.Up() })
		return nil
	})
	if !found || err == nil {
		t.Errorf("found %v, %v", found, err)
	}
	until(t, "the letter is back", func() bool { return probe.ready("siren.dead") == 1 })
}
