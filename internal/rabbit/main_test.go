package rabbit_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

// broker is one real RabbitMQ for the whole run. It is started by the first test that needs it, since fuzzing starts this
// binary many times over.
var broker = sync.OnceValues(func() (*procs.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	started = true
	var err error
	if certificates, err = os.MkdirTemp("", "siren-rabbit-"); err != nil {
		return nil, err
	}
	if authority, err = procs.NewAuthority(certificates); err != nil {
		return nil, err
	}
	return procs.StartRabbitMQ(ctx, procs.ServerOptions{TLS: authority})
})

var (
	started      bool
	authority    *procs.Authority // of the broker's certificate, and of its clients'
	certificates string           // folder of the authority's files
)

func TestMain(m *testing.M) {
	status := m.Run()
	if started {
		if s, err := broker(); err == nil {
			if err := s.Stop(context.Background()); err != nil {
				fmt.Fprintln(os.Stderr, "stop RabbitMQ:", err)
				status = 1
			}
		}
		_ = os.RemoveAll(certificates)
	}
	os.Exit(status)
}

func server(t testing.TB) *procs.Server {
	t.Helper()
	s, err := broker()
	if err != nil {
		t.Fatalf("these tests need a RabbitMQ: %v", err)
	}
	return s
}

const policyText = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, promote: {after: 20m, to: standard}}
pools:
  - {name: general, lanes: [express, standard], guests: [bulk], shoulder: {express: 1}, min: 1, max: 3}
  - {name: batch, lanes: [bulk], max: 2}
budget: 5
`

func policy(t testing.TB) *lanes.Policy {
	t.Helper()
	return typed(t, queueType)
}

// queueType is the type of the queues: `make test-matrix` runs these tests on both.
var queueType = cmp.Or(os.Getenv("SIREN_TEST_QUEUE_TYPE"), lanes.Classic)

// only is a test about one queue type, whatever the others are run on.
func only(t testing.TB, its string) {
	all := queueType
	queueType = its
	t.Cleanup(func() { queueType = all })
}

func effective(t testing.TB) *lanes.Effective {
	return &lanes.Effective{Revision: 1, Policy: *policy(t)}
}

// fresh is a test on a broker without any Siren queue. It also sees to it that the test leaves no goroutine behind.
func fresh(t testing.TB) *probe {
	t.Helper()
	s := server(t)
	before := goleak.IgnoreCurrent()
	watcher := goleak.IgnoreAnyFunction("github.com/polyglot-media/siren/internal/procs.(*process).watch") // of a broker that was restarted
	t.Cleanup(func() { goleak.VerifyNone(t, before, watcher) })
	p := newProbe(t, s.URL)
	for _, lane := range []string{"express", "standard", "bulk", "old"} {
		p.delete("siren.lane." + lane)
		p.delete("siren.lane." + lane + ".quorum")
	}
	for _, d := range []string{"1s", "5s", "15s", "1m", "5m", "15m", "far"} {
		p.delete("siren.delay." + d)
	}
	p.delete("siren.dead")
	for _, x := range []string{"siren.jobs", "siren.default"} {
		p.must(p.ch.ExchangeDelete(x, false, false))
	}
	return p
}

// declared is fresh with the topology of the test policy.
func declared(t testing.TB) *probe {
	t.Helper()
	p := fresh(t)
	declare(t, policy(t))
	return p
}

func declare(t testing.TB, p *lanes.Policy, former ...string) {
	t.Helper()
	if err := rabbit.Declare(soon(t), open(t, server(t).URL, "declare"), p, queues(former...)); err != nil {
		t.Fatal(err)
	}
}

// queue is the one with that name; of the lanes, the one of the tests' queue type.
func queue(name string) lanes.Queue {
	if queueType == lanes.Quorum {
		name = strings.TrimSuffix(name, ".quorum") + ".quorum"
	}
	return lanes.ParseQueue(name)
}

// actual is the name of a queue of the tests' queue type: that of a lane says of which type it is.
func actual(name string) string {
	if lane, ok := strings.CutPrefix(name, "siren.lane."); ok {
		return "siren.lane." + queue(lane).String()
	}
	return name
}

func queues(names ...string) (all []lanes.Queue) {
	for _, name := range names {
		all = append(all, queue(name))
	}
	return all
}

// soon is a context for what should take a moment.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func open(t testing.TB, url, name string) *rabbit.Conn {
	t.Helper()
	c, err := rabbit.Open(rabbit.Options{URL: url, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func publisher(t testing.TB, url string) *rabbit.Publisher {
	return rabbit.NewPublisher(open(t, url, "publish"), 0)
}

func taker(t testing.TB, url string) *rabbit.Taker {
	k := rabbit.NewTaker(open(t, url, "consume"), publisher(t, server(t).URL), "general")
	k.Follow(effective(t))
	return k
}

func job(id string) lanes.Job { return lanes.Job{ID: id, Kind: "probe", Input: "file:///in"} }

// enqueue puts jobs into a lane and waits for their confirms.
func enqueue(t testing.TB, p *rabbit.Publisher, lane string, ids ...string) {
	t.Helper()
	entries := make([]rabbit.Entry, len(ids))
	for i, id := range ids {
		entries[i] = rabbit.Entry{Lane: lane, Job: job(id)}
	}
	if err := errors.Join(p.EnqueueBatch(soon(t), entries)...); err != nil {
		t.Fatal(err)
	}
}

// next takes a job that must be there, or come soon.
func next(t testing.TB, s *rabbit.Slot) lanes.Delivery {
	t.Helper()
	d, err := s.Next(soon(t))
	if err != nil {
		t.Fatalf("no job came: %v", err)
	}
	return d
}

func settle(t testing.TB, s *rabbit.Slot, d lanes.Delivery, disp lanes.Disposition) {
	t.Helper()
	if err := s.Settle(soon(t), d, disp); err != nil {
		t.Fatal(err)
	}
}

var ack = lanes.Disposition{Action: lanes.Ack}

// probe looks at the broker directly, past the code under test.
type probe struct {
	t    testing.TB
	conn *amqp.Connection
	ch   *amqp.Channel
}

func newProbe(t testing.TB, url string) *probe {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return &probe{t, conn, ch}
}

func (p *probe) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *probe) delete(queue string) {
	p.t.Helper()
	_, err := p.ch.QueueDelete(queue, false, false, false)
	p.must(err)
}

// depth is what is ready in a queue, and who listens.
func (p *probe) depth(queue string) (ready, consumers int) {
	p.t.Helper()
	q, err := p.ch.QueueDeclarePassive(actual(queue), true, false, false, false, nil)
	p.must(err)
	return q.Messages, q.Consumers
}

func (p *probe) ready(queue string) int {
	p.t.Helper()
	n, _ := p.depth(queue)
	return n
}

func (p *probe) consumers(queue string) int {
	p.t.Helper()
	_, n := p.depth(queue)
	return n
}

// take removes the next message of a queue. It leaves out the headers that brokers add.
func (p *probe) take(queue string) (d amqp.Delivery) {
	p.t.Helper()
	if strings.HasPrefix(queue, "siren.delay.") {
		d = p.consume(queue)
	} else {
		var ok bool
		var err error
		d, ok, err = p.ch.Get(actual(queue), true)
		p.must(err)
		if !ok {
			p.t.Fatalf("%s is empty", queue)
		}
	}
	maps.DeleteFunc(d.Headers, func(name string, _ any) bool { return name == "x-delivery-count" || name == "x-acquired-count" })
	return d
}

// consume is take for a queue with a single active consumer: basic.get is refused on a quorum queue with one.
func (p *probe) consume(queue string) amqp.Delivery {
	p.t.Helper()
	p.must(p.ch.Qos(1, 0, false))
	deliveries, err := p.ch.Consume(queue, "take", false, false, false, false, nil)
	p.must(err)
	defer func() { p.must(p.ch.Cancel("take", false)) }()
	select {
	case d := <-deliveries:
		p.must(d.Ack(false))
		return d
	case <-time.After(5 * time.Second):
		p.t.Fatalf("%s is empty", queue)
		return amqp.Delivery{}
	}
}

// publish sends a foreign message.
func (p *probe) publish(exchange, key string, m amqp.Publishing) {
	p.t.Helper()
	p.must(p.ch.Confirm(false))
	c, err := p.ch.PublishWithDeferredConfirmWithContext(soon(p.t), exchange, key, false, false, m)
	p.must(err)
	if ok, err := c.WaitContext(soon(p.t)); err != nil || !ok {
		p.t.Fatalf("publish: confirmed %t, %v", ok, err)
	}
}

// until waits for something that happens in the background.
func until(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
