package take_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// allowing returns the tests' policy in force, with so many priorities in every lane.
func allowing(t testing.TB, highest int) *lanes.Effective {
	t.Helper()
	e := rabbittest.Effective(t)
	for i := range e.Policy.Lanes {
		e.Policy.Lanes[i].Priorities = highest
	}
	if err := e.Policy.Validate(); err != nil {
		t.Fatal(err)
	}
	return e
}

// drive takes n jobs, one after the other, calling before each one's taking.
func drive(t testing.TB, s *take.Slot, n int, before func()) (taken []work.Delivery) {
	t.Helper()
	for range n {
		before()
		d := rabbittest.Next(t, s)
		taken = append(taken, d)
		rabbittest.Settle(t, s, d, rabbittest.Ack)
	}
	return taken
}

func ids(all []work.Delivery) (ids []string) {
	for _, d := range all {
		ids = append(ids, d.Job.ID)
	}
	return ids
}

// Whoever sends with a priority of his own gains nothing: his jobs come after those that waited before them, each once,
// and have waited as long as they have.
func TestPrioritiesThatALaneDoesNotAllowGainNothing(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	const flood = 250
	slots := map[string]func(k *take.Taker) *take.Slot{
		"a shared slot": (*take.Taker).Shared,
		"a shoulder":    func(k *take.Taker) *take.Slot { return k.Shoulder("express") },
	}
	for name, slot := range slots {
		t.Run("a flood before "+name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			var want, floods []string
			for i := range flood {
				floods = append(floods, fmt.Sprint("nine-", i))
				probe.Asking("express", floods[i], 9)
			}
			for i := range 3 {
				want = append(want, fmt.Sprint("ordinary-", i))
				probe.Asking("express", want[i], 0)
			}
			s := slot(rabbittest.Taker(t, rabbittest.Server(t).URL))
			first := rabbittest.Next(t, s)
			if n := probe.Ready("siren.lane.express"); n != flood+2 {
				t.Errorf("%d jobs wait beside the one that was taken, want %d", n, flood+2)
			}
			rabbittest.Settle(t, s, first, rabbittest.Ack)
			taken := append([]work.Delivery{first}, drive(t, s, flood+2, func() {})...)
			if want = append(want, floods...); !slices.Equal(ids(taken), want) {
				t.Errorf("taken: %v, want %v", ids(taken), want)
			}
			for _, d := range taken {
				if d.Job.Priority != 0 || !d.ReadyAt.Equal(rabbittest.Since) || d.Copy != 0 || d.Attempt != 1 {
					t.Fatalf("job %s has priority %d, is ready since %s, copy %d, attempt %d", d.Job.ID, d.Job.Priority,
						d.ReadyAt, d.Copy, d.Attempt)
				}
			}
			if n := probe.Ready("siren.lane.express"); n != 0 {
				t.Errorf("%d messages are left", n)
			}
		})
		t.Run("a trickle before "+name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			var want []string
			for i := range 20 {
				want = append(want, fmt.Sprint("ordinary-", i))
				probe.Asking("express", want[i], 0)
			}
			s, trickle := slot(rabbittest.Taker(t, rabbittest.Server(t).URL)), 0
			taken := drive(t, s, 20, func() {
				probe.Asking("express", fmt.Sprint("nine-", trickle), 9)
				trickle++
			})
			if !slices.Equal(ids(taken), want) {
				t.Errorf("taken: %v, want %v", ids(taken), want)
			}
			drive(t, s, 20, func() {})
		})
	}
}

// A slot that waits is handed such a job at once, and takes it all the same.
func TestPriorityThatALaneDoesNotAllowWakesAnIdleSlot(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	got := make(chan work.Delivery, 1)
	go func() {
		d, _ := s.Next(rabbittest.Soon(t))
		got <- d
	}()
	rabbittest.Until(t, "the slot listens", func() bool { return probe.Consumers("siren.lane.bulk") == 1 })
	probe.Asking("express", "nine", 9)
	d := <-got
	if d.Job.ID != "nine" || d.Job.Priority != 0 {
		t.Errorf("taken: job %q of priority %d", d.Job.ID, d.Job.Priority)
	}
	rabbittest.Settle(t, s, d, rabbittest.Ack)
	if n := probe.Ready("siren.lane.express"); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// Within what the lane allows the broker's order is strict, and what asks for more gets as much.
func TestPrioritiesWithinALane(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	for _, c := range []struct {
		id       string
		priority int
	}{{"zero", 0}, {"one", 1}, {"two", 2}, {"nine", 9}, {"also-one", 1}, {"four", 4}} {
		probe.Asking("express", c.id, c.priority)
	}
	probe.Publish("siren.jobs", "express", amqp.Publishing{Body: []byte(`{"id":"field","kind":"probe","priority":4}`)})
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	k.Follow(allowing(t, 2))
	var told []string
	k.Lowered = func(_ context.Context, jobs []work.Delivery) {
		for _, d := range jobs {
			told = append(told, fmt.Sprint(d.Job.ID, "=", d.Job.Priority))
		}
	}
	var got []string
	for _, d := range drive(t, k.Shared(), 7, func() {}) {
		got = append(got, fmt.Sprint(d.Job.ID, "=", d.Job.Priority))
	}
	if !slices.Equal(told, []string{"nine=2", "four=2"}) {
		t.Errorf("told of %v", told)
	}
	// The field alone tells the broker nothing: it counts from when Siren publishes the job.
	want := []string{"two=2", "nine=2", "four=2", "one=1", "also-one=1", "zero=0", "field=2"}
	if !slices.Equal(got, want) {
		t.Errorf("taken: %v, want %v", got, want)
	}
}

// What Siren publishes keeps the job's priority, through a delay and back, and among the dead; never as more than the
// lane allows then.
func TestPriorityTravelsOn(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	k := rabbittest.Taker(t, rabbittest.Server(t).URL)
	k.Follow(allowing(t, 3))
	s := k.Shared()
	later := allowing(t, 4).Policy // express; the other lanes allow less than when the job was put off
	later.Lanes[1].Priorities, later.Lanes[2].Priorities = 1, 0
	rabbittest.ForwardBy(t, rabbittest.Open(t, rabbittest.Server(t).URL, "forward"),
		rabbittest.Publisher(t, rabbittest.Server(t).URL), &later)
	for _, c := range []struct {
		name, lane, body string
		property         int
		dead, back       int // its priority among the dead, and in its lane again
	}{
		{"the property", "express", `{"id":"j","kind":"probe"}`, 2, 2, 2},
		{"the field", "express", `{"id":"j","kind":"probe","priority":2}`, 0, 2, 2},
		{"the property goes before the field", "express", `{"id":"j","kind":"probe","priority":3}`, 1, 1, 1},
		{"more than is allowed", "express", `{"id":"j","kind":"probe","priority":4}`, 7, 3, 3},
		{"less is allowed meanwhile", "standard", `{"id":"j","kind":"probe"}`, 3, 3, 1},
		{"none is allowed meanwhile", "bulk", `{"id":"j","kind":"probe","priority":3}`, 0, 3, 0},
	} {
		m := amqp.Publishing{Body: []byte(c.body), Priority: uint8(c.property)}
		probe.Publish("siren.jobs", c.lane, m)
		rabbittest.Settle(t, s, rabbittest.Next(t, s),
			work.Disposition{Action: work.Retry, After: time.Millisecond, Counted: true})
		rabbittest.Until(t, "it is back", func() bool { return probe.Ready("siren.lane."+c.lane) == 1 })
		if m := probe.Take("siren.lane." + c.lane); int(m.Priority) != c.back || m.Headers["priority"] != nil {
			t.Errorf("%s: it came back with priority %d and the headers %v, want %d", c.name, m.Priority, m.Headers,
				c.back)
		}
		probe.Publish("siren.jobs", c.lane, m)
		rabbittest.Settle(t, s, rabbittest.Next(t, s), work.Disposition{Action: work.DeadLetter, Reason: "failed"})
		if m := probe.Take("siren.dead"); m.Priority != 0 || m.Headers["priority"] != int64(c.dead) {
			t.Errorf("%s: dead with priority %d and the headers %v, want %d in the header alone", c.name, m.Priority,
				m.Headers, c.dead)
		}
	}
}

// A job that was delayed before there was the header has its priority from the property; without a policy to go by it
// keeps it.
func TestForwarderKeepsOldPriorities(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	probe.Publish("", "siren.delay.1s", amqp.Publishing{
		MessageId: "old", Body: []byte(`{"id":"old","kind":"probe"}`), Priority: 3,
		Headers: amqp.Table{"lane": "express", "dueAt": rabbittest.InAWhile(0)},
	})
	rabbittest.Forward(t)
	rabbittest.Until(t, "it is back", func() bool { return probe.Ready("siren.lane.express") == 1 })
	if m := probe.Take("siren.lane.express"); m.Priority != 3 {
		t.Errorf("it came back with priority %d", m.Priority)
	}
}

// A connection that breaks after the confirm and before the acknowledgement leaves two messages of each job at most,
// and none is lost.
func TestPutBackCutInTheMiddle(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	want := map[string]int{"ordinary": 1}
	for i := range 5 {
		id := fmt.Sprint("nine-", i)
		probe.Asking("express", id, 9)
		want[id] = 2
	}
	probe.Asking("express", "ordinary", 0)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	cut := 0
	consume, err := rabbitlink.Open(rabbitlink.Options{
		URL: way.URL, Name: "consume",
		Log: slog.New(onWarning(func(message string) {
			if strings.Contains(message, "higher priority") { // they are in hand, and about to be published
				cut++
				way.Cut()
			}
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(consume.Close)
	k := take.NewTaker(consume, rabbittest.Publisher(t, rabbittest.Server(t).URL), "general")
	k.Follow(rabbittest.Effective(t))
	got := map[string]int{}
	for _, d := range drive(t, k.Shared(), 11, func() {}) {
		got[d.Job.ID]++
	}
	if cut != 1 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("cut %d times; taken so often: %v, want %v", cut, got, want)
	}
	if n := probe.Ready("siren.lane.express"); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// While nothing can be published, work goes on: jobs are taken as they come.
func TestPutBackWithoutPublishing(t *testing.T) {
	rabbittest.Only(t, lanes.Classic)
	probe := rabbittest.Declared(t)
	probe.Asking("express", "nine", 9)
	probe.Asking("express", "ordinary", 0)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	way.Refuse(true)
	k := take.NewTaker(rabbittest.Open(t, rabbittest.Server(t).URL, "consume"), rabbittest.Publisher(t, way.URL),
		"general")
	k.Pause = 100 * time.Millisecond
	k.Follow(rabbittest.Effective(t))
	taken := drive(t, k.Shared(), 2, func() {})
	if got := ids(taken); !slices.Equal(got, []string{"nine", "ordinary"}) || taken[0].Job.Priority != 0 {
		t.Errorf("taken: %v, the first with priority %d", got, taken[0].Job.Priority)
	}
}

// A quorum lane has no priorities. Where its broker orders by them all the same, what has one is put back; else it
// keeps its place.
func TestPrioritiesOfAQuorumLane(t *testing.T) {
	rabbittest.Only(t, lanes.Quorum)
	probe := rabbittest.Declared(t)
	version, _ := probe.Conn.Properties["version"].(string)
	probe.Asking("express", "ordinary", 0)
	probe.Asking("express", "nine", 9)
	probe.Publish("siren.jobs", "express", amqp.Publishing{Body: []byte(`{"id":"field","kind":"probe","priority":3}`)})
	want := []string{"ordinary", "nine", "field"}
	if !strings.HasPrefix(version, "3.") {
		want = []string{"ordinary", "field", "nine"}
	}
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	taken := drive(t, s, 3, func() {})
	if !slices.Equal(ids(taken), want) {
		t.Errorf("taken: %v, want %v", ids(taken), want)
	}
	for _, d := range taken {
		if d.Job.Priority != 0 {
			t.Errorf("job %s has priority %d", d.Job.ID, d.Job.Priority)
		}
	}
}

// onWarning is a log that calls f with each warning.
type onWarning func(message string)

func (f onWarning) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (f onWarning) WithAttrs([]slog.Attr) slog.Handler           { return f }
func (f onWarning) WithGroup(string) slog.Handler                { return f }
func (f onWarning) Handle(_ context.Context, r slog.Record) error {
	f(r.Message)
	return nil
}
