package rabbit_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// buried puts jobs to the dead letters.
func buried(t *testing.T, ids ...string) {
	t.Helper()
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "standard", ids...)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	for range ids {
		rabbittest.Settle(t, s, rabbittest.Next(t, s), work.Disposition{Action: work.DeadLetter, Reason: "bad input"})
	}
}

func idsOf(all []wire.DeadLetter) []string {
	ids := make([]string, len(all))
	for i, l := range all {
		ids[i] = l.ID
	}
	return ids
}

// eachQueueType runs a test with queues of both types.
func eachQueueType(t *testing.T, test func(t *testing.T, probe *rabbittest.Probe)) {
	for _, queueType := range []string{lanes.Classic, lanes.Quorum} {
		t.Run(queueType, func(t *testing.T) {
			probe := rabbittest.Fresh(t)
			p := rabbittest.Policy(t)
			p.Broker.QueueType = queueType
			rabbittest.Declare(t, p)
			t.Cleanup(func() { rabbittest.Fresh(t) }) // other tests go on with the default type
			test(t, probe)
		})
	}
}

// What was removed is gone, what was given back or just taken is there again.
func TestDeadLetters(t *testing.T) {
	eachQueueType(t, func(t *testing.T, probe *rabbittest.Probe) {
		ids := rabbittest.Numbered(20)
		buried(t, ids...)
		conn := rabbittest.Open(t, rabbittest.Server(t).URL, "dead")
		if n, err := rabbit.CountDead(rabbittest.Soon(t), conn); n != 20 || err != nil {
			t.Errorf("%d letters, %v", n, err)
		}
		d := rabbittest.Letters(t, conn)
		first, err := d.Take(rabbittest.Soon(t), 8)
		if err != nil || !slices.Equal(idsOf(first), ids[:8]) {
			t.Fatalf("took %v, %v", idsOf(first), err)
		}
		if l := first[0]; l.Lane != "standard" || l.Reason != "bad input" || l.Err != nil || l.Job.Kind != "probe" ||
			time.Since(l.DeadAt) > time.Minute {
			t.Errorf("a letter is %+v", l)
		}
		if err := d.Remove(first[1], first[4]); err != nil {
			t.Fatal(err)
		}
		rest, err := d.Take(rabbittest.Soon(t), 100)
		if err != nil || !slices.Equal(idsOf(rest), ids[8:]) {
			t.Fatalf("took %v, %v", idsOf(rest), err)
		}
		if n, _ := rabbit.CountDead(rabbittest.Soon(t), conn); n != 0 {
			t.Errorf("%d letters are in the queue, and all of them are out", n)
		}
		if err := d.GiveBack(); err != nil {
			t.Fatal(err)
		}
		again, err := d.Take(rabbittest.Soon(t), 100) // at once: the broker does one thing after the other
		if err != nil || len(again) != 18 {
			t.Fatalf("took %v, %v", idsOf(again), err)
		}
		if err := d.Remove(again[0]); err != nil || again[0].ID != "0" {
			t.Fatalf("remove %s: %v", again[0].ID, err)
		}
		d.Close()
		rabbittest.Until(t, "what wasn't removed is back", func() bool { return probe.Ready("siren.dead") == 17 })
		if _, found := rabbittest.FindDead(t, "4"); found {
			t.Error("a letter that was removed is there")
		}
	})
}

// A letter that was made of a job's record was never taken: removing it touches nothing, least of all the channel.
func TestRemoveALetterThatWasNeverTaken(t *testing.T) {
	probe := rabbittest.Declared(t)
	buried(t, "1", "2")
	d := rabbittest.Letters(t, rabbittest.Open(t, rabbittest.Server(t).URL, "dead"))
	taken, err := d.Take(rabbittest.Soon(t), 2)
	if err != nil || len(taken) != 2 {
		t.Fatal(taken, err)
	}
	if err := d.Remove(wire.DeadLetter{ID: "of a record"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Take(rabbittest.Soon(t), 1); err != nil { // the broker answers: the channel is open
		t.Fatal(err)
	}
	if err := d.Remove(taken[0]); err != nil {
		t.Fatal(err)
	}
	d.Close()
	rabbittest.Until(t, "the other is back", func() bool { return probe.Ready("siren.dead") == 1 })
}

func TestDeadLettersFail(t *testing.T) {
	probe := rabbittest.Declared(t)
	buried(t, "1", "2")
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	conn := rabbittest.Open(t, way.URL, "dead")
	d := rabbittest.Letters(t, conn)
	taken, err := d.Take(rabbittest.Soon(t), 2)
	if err != nil || len(taken) != 2 {
		t.Fatal(taken, err)
	}
	ctx, cancel := context.WithCancel(rabbittest.Soon(t))
	cancel()
	if _, err := d.Take(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
	way.Cut()
	rabbittest.Until(t, "the loss is noticed", func() bool { return !conn.Up() })
	if err := d.Remove(taken[0]); err == nil {
		t.Error("removed over a connection that is lost")
	}
	if err := d.GiveBack(); err == nil {
		t.Error("gave back over a connection that is lost")
	}
	if _, err := d.Take(rabbittest.Soon(t), 1); err == nil {
		t.Error("took over a connection that is lost")
	}
	rabbittest.Until(t, "both letters are back", func() bool { return probe.Ready("siren.dead") == 2 })

	probe.Delete("siren.dead")
	if _, err := rabbittest.Letters(t, conn).Take(rabbittest.Soon(t), 1); !errors.Is(err, rabbitlink.ErrUndeclared) {
		t.Errorf("without the queue: %v", err)
	}
	if _, err := rabbit.CountDead(rabbittest.Soon(t), conn); !errors.Is(err, rabbitlink.ErrUndeclared) {
		t.Errorf("without the queue: %v", err)
	}
}

// A letter has all that its message has, as JSON can have it, whoever put it there.
func TestForeignDeadLetters(t *testing.T) {
	rabbittest.Only(t, lanes.Classic) // quorum queues of 4.3 take the priority for more urgent than none, others don't
	probe := rabbittest.Declared(t)
	now := time.Now().Truncate(time.Second)
	probe.Publish("", "siren.dead", amqp.Publishing{
		MessageId: "other", Body: []byte(`{"id":"own","kind":"probe"}`),
		Priority: 3, Headers: amqp.Table{
			"raw": []byte{0xff}, "text": []byte("text"), "list": []any{amqp.Table{"n": int32(1)}}, "when": now,
		},
	})
	probe.Publish("", "siren.dead", amqp.Publishing{
		MessageId: "fresh", Body: []byte(`{"id":"own","kind":3}`),
		Headers: amqp.Table{"reason": "not a job"},
	})
	all, err := rabbittest.Letters(t, rabbittest.Open(t, rabbittest.Server(t).URL, "dead")).Take(rabbittest.Soon(t), 10)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	if l := all[0]; l.ID != "own" || l.Job.ID != "own" || l.Err != nil || l.Reason != "" || l.Job.Priority != 3 {
		t.Errorf("a job by a stranger: %+v", l)
	}
	h := all[0].Headers
	if h["text"] != "text" || h["list"].([]any)[0].(map[string]any)["n"] != int32(1) ||
		!h["when"].(time.Time).Equal(now) || len(h["raw"].([]byte)) != 1 {
		t.Errorf("its headers: %v", h)
	}
	if l := all[1]; l.ID != "fresh" || l.Err == nil || l.Job.ID != "own" {
		t.Errorf("no job, under an id that is another's: %+v", l)
	}
}
