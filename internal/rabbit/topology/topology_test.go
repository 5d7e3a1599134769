package topology_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestDeclareIsIdempotent(t *testing.T) {
	for _, queueType := range []string{lanes.Classic, lanes.Quorum} {
		t.Run(queueType, func(t *testing.T) {
			rabbittest.Only(t, queueType)
			probe := rabbittest.Fresh(t)
			p := rabbittest.Typed(t, queueType)
			rabbittest.Declare(t, p)
			rabbittest.Declare(t, p, "old")
			for _, q := range p.Queues() {
				probe.Depth("siren.lane." + q.String()) // fails when it isn't there
			}
			for _, q := range []string{
				"siren.lane.old", "siren.dead", "siren.delay.1s", "siren.delay.5s", "siren.delay.15s", "siren.delay.1m",
				"siren.delay.5m", "siren.delay.15m", "siren.delay.far",
			} {
				probe.Depth(q)
			}
			rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "old", "1")
			if n := probe.Ready("siren.lane.old"); n != 1 {
				t.Errorf("a job for a former lane: %d in its queue, want 1", n)
			}
			k := rabbittest.Taker(t, rabbittest.Server(t).URL)
			k.Follow(&lanes.Effective{Policy: *p})
			s := k.Shared()
			rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "bulk", "2")
			rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
		})
	}
}

// A lane that changes its queue type gets its jobs in the new queue from then on; what is left in the old one is taken
// first, and no job gets two messages.
func TestLaneChangesItsQueueType(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	publish := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, publish, "standard", "1", "2")
	changed := rabbittest.Policy(t)
	changed.Lanes[1].QueueType = lanes.Quorum
	for range 2 {
		rabbittest.Declare(t, changed, "standard", "express.quorum") // the latter was never there
	}
	rabbittest.Enqueue(t, publish, "standard", "3")
	rabbittest.Enqueue(t, publish, "no-such-lane", "4") // standard is the default lane
	if old, now := probe.Ready("siren.lane.standard"), probe.Ready("siren.lane.standard.quorum"); old != 2 || now != 2 {
		t.Fatalf("%d jobs in the old queue and %d in the new one, want 2 and 2", old, now)
	}
	depths, err := rabbit.NewBacklog(rabbittest.Open(t, rabbittest.Server(t).URL, "backlog")).Depths(rabbittest.Soon(t),
		rabbittest.Queues("standard", "standard.quorum"))
	if err != nil || depths[rabbittest.Queue("standard")].Ready != 2 ||
		depths[rabbittest.Queue("standard.quorum")].Ready != 2 {
		t.Errorf("depths %v, %v", depths, err)
	}
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	k.Follow(&lanes.Effective{Policy: *changed, Former: rabbittest.Queues("standard")})
	s := k.Shared()
	for _, want := range []string{"1", "2", "3", "4"} {
		d := rabbittest.Next(t, s)
		if d.Job.ID != want || d.Lane != "standard" {
			t.Errorf("took job %s of lane %q, want job %s of standard", d.Job.ID, d.Lane, want)
		}
		rabbittest.Settle(t, s, d, rabbittest.Ack)
	}

	// And back: the new one is the old one then, with what comes to it in its worker's hands.
	rabbittest.Enqueue(t, publish, "standard", "5")
	d := rabbittest.Next(t, s)
	rabbittest.Declare(t, rabbittest.Policy(t), "standard.quorum")
	rabbittest.Settle(t, s, d, work.Disposition{Action: work.Return})
	rabbittest.Enqueue(t, publish, "standard", "6")
	rabbittest.Until(t, "one job is in each queue", func() bool {
		return probe.Ready("siren.lane.standard.quorum") == 1 && probe.Ready("siren.lane.standard") == 1
	})
}

// A shoulder takes from both queues of its lane, and a lane that left the policy gets each job once, whatever queues it
// had.
func TestBothQueuesOfALane(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	publish := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, publish, "express", "1")
	changed := rabbittest.Policy(t)
	changed.Lanes[0].QueueType = lanes.Quorum
	rabbittest.Declare(t, changed, "express", "old", "old.quorum")
	rabbittest.Enqueue(t, publish, "express", "2")
	rabbittest.Enqueue(t, publish, "old", "3")
	if n := probe.Ready("siren.lane.old"); n != 1 {
		t.Errorf("%d messages of a former lane's job, want 1", n)
	}
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	k.Follow(&lanes.Effective{Policy: *changed, Former: rabbittest.Queues("express")})
	s := k.Shoulder("express")
	for _, want := range []string{"1", "2"} {
		d := rabbittest.Next(t, s)
		if d.Job.ID != want {
			t.Errorf("took job %s, want %s", d.Job.ID, want)
		}
		rabbittest.Settle(t, s, d, rabbittest.Ack)
	}
}

// A wrong lane is never a lost job, and with a new default lane it goes to that one alone.
func TestUnknownLaneGoesToTheDefaultLane(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, p, "expres", "1")
	if n := probe.Ready("siren.lane.standard"); n != 1 {
		t.Errorf("%d jobs in the default lane, want 1", n)
	}
	changed := rabbittest.Policy(t)
	changed.Lanes[1].Match, changed.Lanes[2].Match = []string{"tier=std"}, nil
	rabbittest.Declare(t, changed)
	rabbittest.Enqueue(t, p, "expres", "2")
	if old, new := probe.Ready("siren.lane.standard"), probe.Ready("siren.lane.bulk"); old != 1 || new != 1 {
		t.Errorf("%d in the old default lane and %d in the new one, want 1 and 1", old, new)
	}
	// The same when the old default lane has left the policy.
	gone := rabbittest.Policy(t)
	gone.Lanes = gone.Lanes[:2]
	rabbittest.Declare(t, gone, "bulk")
	rabbittest.Enqueue(t, p, "expres", "3")
	if old, new := probe.Ready("siren.lane.bulk"), probe.Ready("siren.lane.standard"); old != 1 || new != 2 {
		t.Errorf("%d in the former default lane and %d in the new one, want 1 and 2", old, new)
	}
}

// A quorum queue that a RabbitMQ 3.x made, on whatever comes after its upgrade: it is used, loses no job to a limit of
// deliveries, and gives back to its front. On 4.0 and newer it lacks a consumer timeout of its own, which 4.3 notices
// and 4.0 doesn't.
func TestQuorumQueueFromBeforeAnUpgrade(t *testing.T) {
	rabbittest.Only(t, lanes.Quorum)
	probe := rabbittest.Fresh(t)
	_, err := probe.Ch.QueueDeclare("siren.lane.standard.quorum", true, false, false, false, amqp.Table{
		"x-queue-type": "quorum", "x-delivery-limit": int32(math.MaxInt32), "x-dead-letter-exchange": "",
		"x-dead-letter-routing-key": "siren.dead",
	})
	probe.Must(err)
	err = topology.Declare(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "declare"),
		rabbittest.Policy(t), nil)
	var m *topology.MismatchError
	switch version := rabbittest.Server(t).Version(); {
	case strings.HasPrefix(version, "RabbitMQ 3."), strings.HasPrefix(version, "RabbitMQ 4.0."):
		if err != nil {
			t.Error(err)
		}
	case !errors.As(err, &m) || m.Name != "siren.lane.standard.quorum" || m.Argument != "x-consumer-timeout" ||
		m.Is != "none":
		t.Errorf("after an upgrade: %v", err)
	}
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	rabbittest.Enqueue(t, p, "standard", "1", "2")
	for range 50 { // without an argument it would be over after 21 (or, by rejects alone, on 4.3)
		d := rabbittest.Next(t, s)
		if d.Job.ID != "1" {
			t.Fatalf("job %s came before job 1 was done", d.Job.ID)
		}
		rabbittest.Settle(t, s, d, work.Disposition{Action: work.Return})
	}
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	rabbittest.Settle(t, s, rabbittest.Next(t, s), rabbittest.Ack)
	if n := probe.Ready("siren.dead"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestDeclareNamesEveryMismatch(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Fresh(t)
	queue := func(name string, args amqp.Table) {
		_, err := probe.Ch.QueueDeclare(name, true, false, false, false, args)
		probe.Must(err)
	}
	dead := func(more amqp.Table) amqp.Table {
		more["x-dead-letter-exchange"], more["x-dead-letter-routing-key"] = "", "siren.dead"
		return more
	}
	queue("siren.lane.express", dead(amqp.Table{"x-queue-type": "classic", "x-max-priority": int32(5)}))
	queue("siren.lane.bulk", amqp.Table{"x-queue-type": "classic", "x-max-priority": int32(9)})
	queue("siren.dead", amqp.Table{"x-queue-type": "quorum"})
	err := topology.Declare(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "declare"),
		rabbittest.Policy(t), nil)
	if err == nil {
		t.Fatal("nothing is said about queues with other arguments")
	}
	for _, want := range []string{
		`queue "siren.lane.express" exists with x-max-priority 5, but the policy asks for 9; `,
		`queue "siren.dead" exists with x-queue-type quorum, but the policy asks for classic; ` +
			`either set broker.queueType: quorum in the policy`,
		`rabbitmqctl delete_queue --if-empty siren.dead`,
		`queue "siren.lane.bulk" exists with x-dead-letter-exchange none, but the policy asks for ""; ` +
			"`siren lanes migrate bulk --to …`",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error doesn't say %q:\n%v", want, err)
		}
	}
	// they are used all the same
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "express", "1")
	if n := probe.Ready("siren.lane.express"); n != 1 {
		t.Errorf("%d jobs in the queue with other arguments, want 1", n)
	}
	var m *topology.MismatchError
	if !errors.As(err, &m) || m.Name != "siren.dead" || m.Argument != "x-queue-type" || m.Is != "quorum" ||
		m.Want != "classic" {
		t.Errorf("as a value: %+v", m)
	}
}

func TestDeclareNamesAMismatchedExchange(t *testing.T) {
	probe := rabbittest.Fresh(t)
	probe.Must(probe.Ch.ExchangeDeclare("siren.jobs", "topic", true, false, false, false, nil))
	err := topology.Declare(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "declare"),
		rabbittest.Policy(t), nil)
	if err == nil || !strings.Contains(err.Error(),
		`exchange "siren.jobs" exists with type topic, but the policy asks for direct; delete the exchange`) {
		t.Errorf("error: %v", err)
	}
}

// Dead-lettering by the broker is a safety net only; what it catches can still be told.
func TestSafetyNet(t *testing.T) {
	probe := rabbittest.Declared(t)
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "bulk", "1")
	d, ok, err := probe.Ch.Get(rabbittest.Actual("siren.lane.bulk"), false)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	probe.Must(d.Reject(false))
	rabbittest.Until(t, "the job is dead", func() bool { return probe.Ready("siren.dead") == 1 })
	l, found := rabbittest.FindDead(t, "1")
	if !found || l.Lane != "bulk" || l.Reason != "broker: rejected" || time.Since(l.DeadAt) > time.Minute ||
		l.Err != nil {
		t.Errorf("found %v: %+v", found, l)
	}
}

// A queue whose leader is away keeps no other from being declared and bound.
func TestDeclarePastASilentQueue(t *testing.T) {
	probe := rabbittest.Declared(t)
	resume := rabbittest.Suspend(t, "siren.lane.express")
	probe.Delete(rabbittest.Actual("siren.lane.bulk"))
	err := topology.Declare(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "declare"),
		rabbittest.Policy(t), nil)
	var odd *topology.OddError
	if !errors.As(err, &odd) || len(odd.Troubles) != 1 || !errors.Is(err, rabbitlink.ErrSilent) ||
		!strings.Contains(err.Error(), "siren.lane.express") {
		t.Errorf("%v; want that the queue of lane express doesn't answer", err)
	}
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "bulk", "1")
	if n := probe.Ready("siren.lane.bulk"); n != 1 {
		t.Errorf("%d jobs wait in lane bulk, want 1", n)
	}
	resume()
	rabbittest.Declare(t, rabbittest.Policy(t))
}

// A queue whose node is down keeps no other from being declared and bound, and is told of once.
func TestDeclarePastAQueueThatIsDown(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	up := rabbittest.Down(t, "siren.lane.express")
	probe.Delete(rabbittest.Actual("siren.lane.bulk"))
	err := topology.Declare(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "declare"),
		rabbittest.Policy(t), nil)
	var odd *topology.OddError
	if !errors.As(err, &odd) || len(odd.Troubles) != 1 || !errors.Is(err, rabbitlink.ErrDown) ||
		!strings.Contains(err.Error(), "siren.lane.express") {
		t.Errorf("%v; want that the queue of lane express is down", err)
	}
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "bulk", "1")
	if n := probe.Ready("siren.lane.bulk"); n != 1 {
		t.Errorf("%d jobs wait in lane bulk, want 1", n)
	}
	up()
	rabbittest.Declare(t, rabbittest.Policy(t))
}
