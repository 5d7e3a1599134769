package rabbit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

func TestDeclareIsIdempotent(t *testing.T) {
	for _, queueType := range []string{lanes.Classic, lanes.Quorum} {
		t.Run(queueType, func(t *testing.T) {
			probe := fresh(t)
			p := policy(t)
			p.Broker.QueueType = queueType
			declare(t, p)
			declare(t, p, "old")
			for _, q := range []string{
				"siren.lane.express", "siren.lane.standard", "siren.lane.bulk", "siren.lane.old", "siren.dead",
				"siren.delay.1s", "siren.delay.5s", "siren.delay.15s", "siren.delay.1m", "siren.delay.5m", "siren.delay.15m",
			} {
				probe.depth(q) // fails when it isn't there
			}
			enqueue(t, publisher(t, server(t).URL), "old", "1")
			if n := probe.ready("siren.lane.old"); n != 1 {
				t.Errorf("a job for a former lane: %d in its queue, want 1", n)
			}
			s := taker(t, server(t).URL).Shared()
			enqueue(t, publisher(t, server(t).URL), "bulk", "2")
			settle(t, s, next(t, s), ack)
		})
	}
}

// A wrong lane is never a lost job, and with a new default lane it goes to that one alone.
func TestUnknownLaneGoesToTheDefaultLane(t *testing.T) {
	probe := declared(t)
	p := publisher(t, server(t).URL)
	enqueue(t, p, "expres", "1")
	if n := probe.ready("siren.lane.standard"); n != 1 {
		t.Errorf("%d jobs in the default lane, want 1", n)
	}
	changed := policy(t)
	changed.Lanes[1].Match, changed.Lanes[2].Match = []string{"tier=std"}, nil
	declare(t, changed)
	enqueue(t, p, "expres", "2")
	if old, new := probe.ready("siren.lane.standard"), probe.ready("siren.lane.bulk"); old != 1 || new != 1 {
		t.Errorf("%d in the old default lane and %d in the new one, want 1 and 1", old, new)
	}
	// The same when the old default lane has left the policy.
	gone := policy(t)
	gone.Lanes = gone.Lanes[:2]
	declare(t, gone, "bulk")
	enqueue(t, p, "expres", "3")
	if old, new := probe.ready("siren.lane.bulk"), probe.ready("siren.lane.standard"); old != 1 || new != 2 {
		t.Errorf("%d in the former default lane and %d in the new one, want 1 and 2", old, new)
	}
}

func TestDeclareNamesEveryMismatch(t *testing.T) {
	probe := fresh(t)
	queue := func(name string, args amqp.Table) {
		_, err := probe.ch.QueueDeclare(name, true, false, false, false, args)
		probe.must(err)
	}
	dead := func(more amqp.Table) amqp.Table {
		more["x-dead-letter-exchange"], more["x-dead-letter-routing-key"] = "", "siren.dead"
		return more
	}
	queue("siren.lane.express", dead(amqp.Table{"x-queue-type": "classic", "x-max-priority": int32(5)}))
	queue("siren.lane.bulk", amqp.Table{"x-queue-type": "classic", "x-max-priority": int32(9)})
	queue("siren.dead", amqp.Table{"x-queue-type": "quorum"})
	err := rabbit.Declare(soon(t), open(t, server(t).URL, "declare"), policy(t), nil)
	if err == nil {
		t.Fatal("queues with other arguments were accepted")
	}
	for _, want := range []string{
		`queue "siren.lane.express" exists with x-max-priority 5, but the policy asks for 9; either set broker.queueType`,
		`queue "siren.dead" exists with x-queue-type quorum, but the policy asks for classic; either set broker.queueType: quorum in the policy`,
		`queue "siren.lane.bulk" exists with x-dead-letter-exchange none, but the policy asks for ""; let it drain`,
		`rabbitmqctl delete_queue --if-empty siren.lane.express`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error doesn't say %q:\n%v", want, err)
		}
	}
	var m *rabbit.MismatchError
	if !errors.As(err, &m) || m.Name != "siren.dead" || m.Argument != "x-queue-type" || m.Is != "quorum" || m.Want != "classic" {
		t.Errorf("as a value: %+v", m)
	}
}

func TestDeclareNamesAMismatchedExchange(t *testing.T) {
	probe := fresh(t)
	probe.must(probe.ch.ExchangeDeclare("siren.jobs", "topic", true, false, false, false, nil))
	err := rabbit.Declare(soon(t), open(t, server(t).URL, "declare"), policy(t), nil)
	if err == nil || !strings.Contains(err.Error(), `exchange "siren.jobs" exists with type topic, but the policy asks for direct; delete the exchange`) {
		t.Errorf("error: %v", err)
	}
}

// Dead-lettering by the broker is a safety net only; what it catches can still be told.
func TestSafetyNet(t *testing.T) {
	probe := declared(t)
	enqueue(t, publisher(t, server(t).URL), "bulk", "1")
	d, ok, err := probe.ch.Get("siren.lane.bulk", false)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	probe.must(d.Reject(false))
	until(t, "the job is dead", func() bool { return probe.ready("siren.dead") == 1 })
	l, found := findDead(t, "1")
	if !found || l.Lane != "bulk" || l.Reason != "broker: rejected" || time.Since(l.DeadAt) > time.Minute || l.Err != nil {
		t.Errorf("found %v: %+v", found, l)
	}
}

func TestBacklog(t *testing.T) {
	probe := declared(t)
	p := publisher(t, server(t).URL)
	enqueue(t, p, "bulk", "1", "2", "3")
	probe.delete("siren.lane.standard")
	s := taker(t, server(t).URL).Shoulder("express")
	enqueue(t, p, "express", "4")
	d := next(t, s)

	b := rabbit.NewBacklog(open(t, server(t).URL, "backlog"))
	for range 2 { // the missing queue costs the channel, but not the next answers
		depths, err := b.Depths(soon(t), []string{"express", "standard", "bulk"})
		if err != nil {
			t.Fatal(err)
		}
		if len(depths) != 2 || depths["bulk"] != (lanes.Depth{Ready: 3}) || depths["express"] != (lanes.Depth{Consumers: 1}) {
			t.Errorf("depths %v", depths)
		}
	}
	settle(t, s, d, ack)
	_, _ = s.Next(ended())
}
