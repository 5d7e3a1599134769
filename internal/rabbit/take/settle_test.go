package take_test

import (
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// The guards: a receipt keeps the channel that its delivery came over and settles there or nowhere, and Settle looks at
// that channel before it publishes. Settling by tag on the slot's present channel instead (as amqp091-go's recovery
// does) acknowledges another job: tag 1 of the new session here. Without the look, stale retries and dead letters are
// published.
func TestStaleAckTouchesNothing(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	s := rabbittest.Taker(t, way.URL).Shared()
	rabbittest.Enqueue(t, p, "standard", "1")
	old := rabbittest.Next(t, s)
	way.Cut()
	again := rabbittest.Next(t, s)
	if again.Job.ID != "1" {
		t.Fatalf("after the cut came %q, want job 1 again", again.Job.ID)
	}
	for _, action := range []work.Action{work.Ack, work.Return, work.Retry, work.DeadLetter} {
		if err := s.Settle(rabbittest.Soon(t), old, work.Disposition{Action: action}); !errors.Is(err,
			rabbitlink.ErrStale) {
			t.Errorf("%s of a delivery of an older session: %v, want ErrStale", action, err)
		}
	}
	if n := probe.Ready("siren.delay.1s") + probe.Ready("siren.dead"); n != 0 {
		t.Errorf("a stale settle published %d messages", n)
	}
	rabbittest.Settle(t, s, again, work.Disposition{Action: work.Return})
	last := rabbittest.Next(t, s)
	rabbittest.Settle(t, s, last, rabbittest.Ack)
	if last.Job.ID != "1" || probe.Ready("siren.lane.standard") != 0 {
		t.Errorf("last came %q and %d are left; want job 1 and none", last.Job.ID, probe.Ready("siren.lane.standard"))
	}
}

// The same when the broker itself throws everybody out in mid-job: the job comes again, exactly once, to whoever is
// next.
func TestBrokerClosesConnectionsInMidJob(t *testing.T) {
	rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	shared, shoulder := k.Shared(), k.Shoulder("express")
	rabbittest.Enqueue(t, p, "express", "1", "2")
	one, two := rabbittest.Next(t, shared), rabbittest.Next(t, shoulder)
	if _, err := rabbittest.Server(t).Rabbitmqctl(rabbittest.Soon(t), "close_all_connections", "test"); err != nil {
		t.Fatal(err)
	}
	rabbittest.Until(t, "the loss is noticed", func() bool {
		return errors.Is(shared.Settle(rabbittest.Soon(t), one, work.Disposition{}), rabbitlink.ErrStale)
	})
	for _, d := range []work.Delivery{one, two} {
		if err := shared.Settle(rabbittest.Soon(t), d, rabbittest.Ack); !errors.Is(err, rabbitlink.ErrStale) {
			t.Errorf("job %s: %v, want ErrStale", d.Job.ID, err)
		}
	}
	seen := map[string]int{}
	for _, s := range []*take.Slot{shared, shoulder} {
		d := rabbittest.Next(t, s)
		seen[d.Job.ID]++
		rabbittest.Settle(t, s, d, rabbittest.Ack)
	}
	if seen["1"] != 1 || seen["2"] != 1 {
		t.Errorf("after the cut came %v, want each job once", seen)
	}
	_, _ = shoulder.Next(rabbittest.Ended())
	probe := rabbittest.NewProbe(t, rabbittest.Server(t).URL) // the old one was thrown out too
	if n := probe.Ready("siren.lane.express"); n != 0 {
		t.Errorf("%d jobs are left, want none", n)
	}
}

func TestReturn(t *testing.T) {
	rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	rabbittest.Enqueue(t, p, "standard", "1", "2")
	d := rabbittest.Next(t, s)
	rabbittest.Settle(t, s, d, work.Disposition{Action: work.Return})
	again := rabbittest.Next(t, s)
	if again.Job.ID != "1" || again.Attempt != 1 {
		t.Errorf("after a return came job %s, attempt %d; want job 1 (the front of its lane), attempt 1", again.Job.ID,
			again.Attempt)
	}
	rabbittest.Settle(t, s, again, rabbittest.Ack)
}

func TestRetryComesBackWhenItIsDue(t *testing.T) {
	cases := []struct {
		name    string
		counted bool
		attempt int
	}{
		{"counted", true, 2},
		{"not counted", false, 1},
	}
	probe := rabbittest.Declared(t)
	rabbittest.Forward(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			first := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
			if err := rabbittest.EnqueueOne(rabbittest.Soon(t), p, "express", rabbittest.Job("r"), first); err != nil {
				t.Fatal(err)
			}
			d := rabbittest.Next(t, s)
			due := time.Now().Add(400 * time.Millisecond)
			rabbittest.Settle(t, s, d, work.Disposition{
				Action: work.Retry, After: 400 * time.Millisecond,
				Counted: c.counted, Error: "no luck",
			})
			again := rabbittest.Next(t, s)
			if early := time.Until(due); early > time.Millisecond {
				t.Errorf("came %s too early", early)
			}
			if late := time.Since(due); late > 4*time.Second { // the next delay queue holds for 5 s
				t.Errorf("came %s too late", late)
			}
			if again.Lane != "express" || again.Attempt != c.attempt || !again.EnqueuedAt.Equal(first) {
				t.Errorf("came back as lane %s, attempt %d, enqueued at %s; want express, %d, %s",
					again.Lane, again.Attempt, again.EnqueuedAt, c.attempt, first)
			}
			if again.ReadyAt.Before(due.Truncate(time.Millisecond)) {
				t.Errorf("ready at %s, before it was due (%s)", again.ReadyAt, due)
			}
			rabbittest.Settle(t, s, again, rabbittest.Ack)
		})
	}
	for _, q := range []string{"siren.delay.1s", "siren.lane.express"} {
		if n := probe.Ready(q); n != 0 {
			t.Errorf("%d jobs are left in %s", n, q)
		}
	}
}

func TestRetryChoosesTheFittingDelay(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	for after, queue := range map[time.Duration]string{
		0:                "siren.delay.1s",
		time.Second:      "siren.delay.1s",
		2 * time.Second:  "siren.delay.5s",
		15 * time.Second: "siren.delay.15s",
		16 * time.Second: "siren.delay.1m",
		4 * time.Minute:  "siren.delay.5m",
		15 * time.Minute: "siren.delay.15m",
		3 * time.Hour:    "siren.delay.far",
	} {
		rabbittest.Enqueue(t, p, "standard", "1")
		rabbittest.Settle(t, s, rabbittest.Next(t, s), work.Disposition{Action: work.Retry, After: after})
		probe.Take(queue)
	}
}

func TestDeadLetter(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	rabbittest.Enqueue(t, p, "standard", "1", "2", "3")
	for range 3 {
		d := rabbittest.Next(t, s)
		rabbittest.Settle(t, s, d, work.Disposition{
			Action: work.DeadLetter, Reason: "bad input",
			Error: "job " + d.Job.ID + " is no video",
		})
	}
	for range 2 { // looking takes nothing away
		l, found := rabbittest.FindDead(t, "2")
		if !found {
			t.Fatal("the dead letter isn't there")
		}
		if l.ID != "2" || l.Lane != "standard" || l.Reason != "bad input" || l.Error != "job 2 is no video" ||
			l.Attempt != 1 ||
			time.Since(l.DeadAt) > time.Minute || l.EnqueuedAt.IsZero() || l.ReadyAt.IsZero() {
			t.Errorf("dead letter %+v", l)
		}
		if j, _, err := job.Decode(l.Body, ""); err != nil || j.ID != "2" {
			t.Errorf("its body is job %q, %v", j.ID, err)
		}
		rabbittest.Until(t, "all letters are back", func() bool { return probe.Ready("siren.dead") == 3 })
	}
	if _, found := rabbittest.FindDead(t, "nobody"); found {
		t.Error("found a dead letter that isn't there")
	}
}

// What can't even be told by name is dead-lettered under a fresh id, with its body as it came.
func TestDeadLetterWithoutUsableID(t *testing.T) {
	for name, body := range map[string]string{
		"no id":        `{"kind":"probe"}`,
		"not JSON":     `<job/>`,
		"odd id":       `{"id":"../../etc","kind":"probe"}`,
		"endless id":   `{"id":"` + string(make64k()) + `","kind":"probe"}`,
		"empty":        ``,
		"wrong fields": `{"id":7,"kind":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			probe.Publish("siren.jobs", "bulk", amqp.Publishing{Body: []byte(body)})
			s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
			d := rabbittest.Next(t, s)
			if d.Err == nil || string(d.Body) != body || d.Lane != "bulk" {
				t.Fatalf("delivered as lane %s, %d bytes, error %v", d.Lane, len(d.Body), d.Err)
			}
			rabbittest.Settle(t, s, d, work.Disposition{Action: work.DeadLetter, Reason: "no id", Error: d.Err.Error()})
			l := probe.Take("siren.dead")
			if len(l.MessageId) != len(job.NewID(time.Now())) || string(l.Body) != body ||
				l.Headers["reason"] != "no id" {
				t.Errorf("dead letter %q with headers %v", l.MessageId, l.Headers)
			}
		})
	}
}

func make64k() []byte {
	b := make([]byte, 60<<10)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

// When a retry can't be published, the job goes back to its lane after a pause, at no cost to it.
func TestFailedMoveReturnsTheJob(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	broken := rabbittest.Publisher(t, way.URL)
	broken.Patience = 200 * time.Millisecond
	k := take.NewTaker(rabbittest.Open(t, rabbittest.Server(t).URL, "consume"), broken, "general")
	k.Pause = 300 * time.Millisecond
	k.Follow(rabbittest.Effective(t))
	s := k.Shared()
	rabbittest.Enqueue(t, p, "standard", "1")
	d := rabbittest.Next(t, s)
	way.Refuse(true)
	began := time.Now()
	err := s.Settle(rabbittest.Soon(t), d, work.Disposition{Action: work.Retry, After: time.Second, Counted: true})
	if !errors.Is(err, confirms.ErrNotSent) {
		t.Errorf("settle: %v, want ErrNotSent", err)
	}
	if took := time.Since(began); took < 500*time.Millisecond || took > 20*time.Second {
		t.Errorf("it took %s; want the patience and the pause", took)
	}
	again := rabbittest.Next(t, s)
	if again.Job.ID != "1" || again.Attempt != 1 {
		t.Errorf("came back as job %s, attempt %d", again.Job.ID, again.Attempt)
	}
	rabbittest.Settle(t, s, again, rabbittest.Ack)
	if n := probe.Ready("siren.delay.1s"); n != 0 {
		t.Errorf("%d jobs are delayed", n)
	}
}

// A job that the broker has dead-lettered once carries x-death; it must not travel on (3.10 drops such a job in
// silence).
func TestForeignHeaders(t *testing.T) {
	probe := rabbittest.Declared(t)
	probe.Publish("siren.jobs", "standard", amqp.Publishing{
		MessageId: "f1", // stands in for the id
		Body:      []byte(`{"kind":"probe","colour":"red"}`),
		Priority:  7,
		Headers: amqp.Table{
			"enqueuedAt": "1700000000000", "readyAt": float64(1700000001000), "attempt": int32(3), "replay": int8(1),
			"x-death": []any{amqp.Table{"queue": "siren.lane.standard", "count": int64(1)}}, "tenant": "acme",
		},
	})
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	d := rabbittest.Next(t, s)
	if d.Err != nil || d.Job.ID != "f1" || d.Attempt != 3 || d.Copy != 1 || len(d.Unknown) != 1 ||
		d.EnqueuedAt.UnixMilli() != 1700000000000 || d.ReadyAt.UnixMilli() != 1700000001000 {
		t.Errorf("delivered as %+v", d)
	}
	rabbittest.Settle(t, s, d, work.Disposition{Action: work.Retry, After: time.Second, Counted: true})
	m := probe.Take("siren.delay.1s")
	for name := range m.Headers {
		if name == "x-death" || name == "tenant" {
			t.Errorf("header %q travelled on", name)
		}
	}
	if m.Headers["attempt"] != int64(4) || m.Headers["lane"] != "standard" || m.MessageId != "f1" || m.Priority != 0 {
		t.Errorf("retried as %q, priority %d, headers %v", m.MessageId, m.Priority, m.Headers)
	}
}

func TestSettleOfSomethingElse(t *testing.T) {
	rabbittest.Declared(t)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	if err := s.Settle(rabbittest.Soon(t), work.Delivery{}, rabbittest.Ack); err == nil {
		t.Error("a delivery without a receipt was settled")
	}
}
