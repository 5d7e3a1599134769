package confirms_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

func TestEnqueueOnTheWire(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	began := time.Now().Truncate(time.Millisecond)
	if err := rabbittest.EnqueueOne(rabbittest.Soon(t), p, "express", rabbittest.Job("j1"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	m := probe.Take("siren.lane.express")
	ready, _ := m.Headers["readyAt"].(int64)
	if m.MessageId != "j1" || m.DeliveryMode != 2 || m.ContentType != "application/json" || m.Priority != 0 ||
		m.Timestamp.IsZero() ||
		ready < began.UnixMilli() || m.Headers["enqueuedAt"] != ready || len(m.Headers) != 2 {
		t.Errorf("message %+v", m)
	}
	if want := `{"version":1,"id":"j1","kind":"probe","input":"file:///in"}`; string(m.Body) != want {
		t.Errorf("body %s, want %s", m.Body, want)
	}
}

func TestBatchReportsEachJob(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := confirms.NewPublisher(rabbittest.Open(t, rabbittest.Server(t).URL, "publish"), 7)
	var entries []wire.Entry
	for i := range 1000 {
		entries = append(entries, wire.Entry{Lane: "bulk", Job: rabbittest.Job(fmt.Sprint(i)), Copy: 1})
	}
	entries[10].Job.ID = ""
	entries[500].Job.ID = "with space"
	for i, err := range rabbit.Enqueue(rabbittest.Soon(t), p, entries) {
		if bad := i == 10 || i == 500; bad != (err != nil) {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	if n := probe.Ready("siren.lane.bulk"); n != 998 {
		t.Errorf("%d jobs arrived, want 998", n)
	}
}

// A confirm alone proves nothing: what no queue took is confirmed too, and comes back.
func TestUnroutableIsAnError(t *testing.T) {
	probe := rabbittest.Declared(t)
	probe.Must(probe.Ch.QueueUnbind(rabbittest.Actual("siren.lane.standard"), "", "siren.default", nil))
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	var entries []wire.Entry
	for i := range 1200 { // more than a window of returns
		entries = append(entries, wire.Entry{
			Lane: []string{"bulk", "nowhere", "bulk", "nowhere", "nowhere"}[i%5],
			Job:  rabbittest.Job("same"),
		})
	}
	for i, err := range rabbit.Enqueue(rabbittest.Soon(t), p, entries) {
		if lost := entries[i].Lane == "nowhere"; lost != errors.Is(err, rabbitlink.ErrUndeclared) {
			t.Fatalf("entry %d to lane %s: %v", i, entries[i].Lane, err)
		}
	}
	if n := probe.Ready("siren.lane.bulk"); n != 480 {
		t.Errorf("%d jobs arrived, want 480", n)
	}
}

func TestPublishWithoutTopology(t *testing.T) {
	rabbittest.Fresh(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	for range 3 {
		if err := rabbittest.EnqueueOne(rabbittest.Soon(t), p, "express", rabbittest.Job("1"),
			time.Time{}); !errors.Is(err, rabbitlink.ErrUndeclared) {
			t.Errorf("publish without an exchange: %v, want ErrUndeclared", err)
		}
	}
	rabbittest.Declare(t, rabbittest.Policy(t))
	rabbittest.Enqueue(t, p, "express", "1")
}

// What was unconfirmed when the connection broke is sent again: all arrive, some twice.
func TestBatchAcrossACut(t *testing.T) {
	probe := rabbittest.Declared(t)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	p := rabbittest.Publisher(t, way.URL)
	const jobs = 3000
	var entries []wire.Entry
	for i := range jobs {
		entries = append(entries, wire.Entry{Lane: "bulk", Job: rabbittest.Job(fmt.Sprint(i))})
	}
	var cutting sync.WaitGroup
	cutting.Go(func() {
		rabbittest.Until(t, "the batch is under way", func() bool { return probe.Ready("siren.lane.bulk") > jobs/10 })
		way.Cut()
	})
	if err := errors.Join(rabbit.Enqueue(rabbittest.Soon(t), p, entries)...); err != nil {
		t.Error(err)
	}
	cutting.Wait()
	seen := map[string]bool{}
	for n := probe.Ready("siren.lane.bulk"); n > 0; n-- {
		seen[probe.Take("siren.lane.bulk").MessageId] = true
	}
	if len(seen) != jobs {
		t.Errorf("%d of %d jobs arrived", len(seen), jobs)
	}
}

// Many callers share one window.
func TestConcurrentPublishers(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := confirms.NewPublisher(rabbittest.Open(t, rabbittest.Server(t).URL, "publish"), 4)
	var callers sync.WaitGroup
	for c := range 20 {
		callers.Go(func() {
			for i := range 20 {
				if err := rabbittest.EnqueueOne(t.Context(), p, "bulk", rabbittest.Job(fmt.Sprintf("%d-%d", c, i)),
					time.Time{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if n := probe.Ready("siren.lane.bulk"); n != 400 {
		t.Errorf("%d jobs arrived, want 400", n)
	}
}

// A broker that stops answering: the publish gives up by itself, or with its context, and says that the job may be
// there.
func TestPublishGivesUp(t *testing.T) {
	rabbittest.Declared(t)
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	conn := rabbittest.Open(t, way.URL, "publish")
	p := confirms.NewPublisher(conn, 0)
	p.Patience = 300 * time.Millisecond
	rabbittest.Enqueue(t, p, "bulk", "1")
	way.Stall()

	began := time.Now()
	if err := rabbittest.EnqueueOne(rabbittest.Soon(t), p, "bulk", rabbittest.Job("2"), time.Time{}); !errors.Is(err,
		confirms.ErrUnconfirmed) {
		t.Errorf("no answer: %v, want ErrUnconfirmed", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := rabbittest.EnqueueOne(ctx, p, "bulk", rabbittest.Job("3"), time.Time{}); !errors.Is(err,
		confirms.ErrUnconfirmed) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the context ends: %v, want ErrUnconfirmed and DeadlineExceeded", err)
	}
	// Far more than the sockets' buffers hold, so that writing itself hangs.
	big := job.Job{ID: "big", Kind: "probe", Params: []byte(`{"a":"` + strings.Repeat("x", 60<<10) + `"}`)}
	var entries []wire.Entry
	for range 250 {
		entries = append(entries, wire.Entry{Lane: "bulk", Job: big})
	}
	var unsent, unconfirmed int
	for range 2 {
		for _, err := range rabbit.Enqueue(rabbittest.Soon(t), p, entries) {
			switch {
			case errors.Is(err, confirms.ErrNotSent):
				unsent++
			case errors.Is(err, confirms.ErrUnconfirmed):
				unconfirmed++
			default:
				t.Errorf("a big one: %v", err)
			}
		}
	}
	if unsent == 0 || unconfirmed == 0 {
		t.Errorf("%d not sent, %d unconfirmed; want some of both", unsent, unconfirmed)
	}
	conn.Close()
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("all that took %s", took)
	}
}

// Under a real alarm nothing hangs: not publishing, not closing, not the backlog on its own connection. Afterwards the
// same publisher goes on.
func TestPublishUnderAnAlarm(t *testing.T) {
	rabbittest.Declared(t)
	alarm := func(do string) {
		t.Helper()
		if _, err := rabbittest.Server(t).Rabbitmqctl(context.Background(), "eval", do); err != nil {
			t.Fatal(err)
		}
	}
	conn := rabbittest.Open(t, rabbittest.Server(t).URL, "publish")
	p := confirms.NewPublisher(conn, 0)
	p.Patience = 500 * time.Millisecond
	rabbittest.Enqueue(t, p, "bulk", "1")
	alarm(`rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).`)
	lifted := false
	lift := func() {
		if !lifted {
			lifted = true
			alarm(`rabbit_alarm:clear_alarm({resource_limit, memory, node()}).`)
		}
	}
	defer lift()

	began := time.Now()
	var last error
	for i := range 3 { // the first one may still be confirmed
		last = rabbittest.EnqueueOne(rabbittest.Soon(t), p, "bulk", rabbittest.Job(fmt.Sprint("a", i)), time.Time{})
	}
	if !errors.Is(last, confirms.ErrNotSent) || !strings.Contains(last.Error(), "alarm") {
		t.Errorf("publish under an alarm: %v, want ErrNotSent and the alarm", last)
	}
	if blocked(t, conn) == "" || !conn.Up() {
		t.Error("the connection doesn't know that it is blocked")
	}
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("three publishes took %s", took)
	}
	began = time.Now()
	other := rabbittest.Open(t, rabbittest.Server(t).URL, "publish")
	q := confirms.NewPublisher(other, 0)
	q.Patience = 200 * time.Millisecond
	_ = rabbittest.EnqueueOne(rabbittest.Soon(t), q, "bulk", rabbittest.Job("b"), time.Time{})
	_ = rabbittest.EnqueueOne(rabbittest.Soon(t), q, "bulk", rabbittest.Job("c"), time.Time{})
	other.Close()
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("closing a blocked connection took %s", took)
	}
	if _, err := rabbit.NewBacklog(rabbittest.Open(t, rabbittest.Server(t).URL, "backlog")).Depths(rabbittest.Soon(t),
		rabbittest.Queues("bulk")); err != nil {
		t.Errorf("the backlog under an alarm: %v", err)
	}
	lift()
	rabbittest.Enqueue(t, p, "bulk", "2")
	if blocked(t, conn) != "" {
		t.Error("the connection doesn't know that the alarm is over")
	}
}

// A node that confirms nothing, and raises no alarm, is left for another one: what it hasn't confirmed is published
// there.
func TestPublishLeavesASilentNode(t *testing.T) {
	probe := rabbittest.Declared(t)
	ways := []*rabbittest.Proxy{
		rabbittest.NewProxy(t, rabbittest.Server(t).URL), rabbittest.NewProxy(t, rabbittest.Server(t).URL),
	}
	p := confirms.NewPublisher(rabbittest.Open(t, ways[0].URL+","+ways[1].URL, "publish"), 0)
	p.Quiet = 100 * time.Millisecond
	rabbittest.Enqueue(t, p, "bulk", "1")
	here := ways[0]
	if here.Connections() == 0 {
		here = ways[1]
	}
	here.Stall()
	rabbittest.Enqueue(t, p, "bulk", "2", "3")
	if n := probe.Ready("siren.lane.bulk"); n < 3 || n > 4 { // one may have been tried there first
		t.Errorf("%d jobs arrived, want 3", n)
	}
}

// blocked returns why the broker has stopped the connection from publishing (an alarm), "" when it hasn't.
func blocked(t *testing.T, c *rabbitlink.Conn) string {
	t.Helper()
	s, err := c.Session(rabbittest.Soon(t))
	if err != nil {
		t.Fatal(err)
	}
	why, _ := s.Block()
	return why
}

// A lane whose queue doesn't answer keeps no other lane's jobs waiting, however many wait for it.
func TestPublishPastASilentQueue(t *testing.T) {
	for _, queueType := range []string{lanes.Classic, lanes.Quorum} {
		t.Run(queueType, func(t *testing.T) {
			rabbittest.Only(t, queueType)
			rabbittest.Declared(t)
			p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
			p.Patience = time.Hour
			resume := rabbittest.Suspend(t, "siren.lane.express")
			entries := make([]wire.Entry, 1000)
			for i := range entries {
				entries[i] = wire.Entry{Lane: "express", Job: rabbittest.Job(fmt.Sprint(i))}
			}
			silent := make(chan []error, 1)
			go func() { silent <- rabbit.Enqueue(t.Context(), p, entries) }()
			for i := range 30 {
				rabbittest.Enqueue(t, p, "standard", fmt.Sprint("s", i))
			}
			rabbittest.Enqueue(t, p, "bulk", rabbittest.Numbered(1000)...)
			select {
			case errs := <-silent:
				t.Fatalf("the lane that doesn't answer was confirmed: %v", errs[0])
			default:
			}
			resume()
			if err := errors.Join(<-silent...); err != nil {
				t.Error(err)
			}
		})
	}
}
