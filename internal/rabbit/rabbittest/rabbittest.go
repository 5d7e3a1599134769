// Package rabbittest is what the tests of internal/rabbit's rooms share: a private broker for each of them, a probe
// that looks at it past the code under test, and a proxy that cuts and stalls.
package rabbittest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// broker is one real RabbitMQ for the whole run. It is started by the first test that needs it, since fuzzing starts
// this binary many times over.
var broker = sync.OnceValues(func() (*servers.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	started = true
	var err error
	if certificates, err = os.MkdirTemp("", "siren-rabbit-"); err != nil {
		return nil, err
	}
	if Authority, err = servers.NewAuthority(certificates); err != nil {
		return nil, err
	}
	return servers.StartRabbitMQ(ctx, servers.Options{TLS: Authority})
})

var (
	started      bool
	Authority    *servers.Authority // of the broker's certificate, and of its clients'
	certificates string             // folder of the authority's files
)

func Main(m *testing.M) {
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

func Server(t testing.TB) *servers.Server {
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

func Policy(t testing.TB) *lanes.Policy {
	t.Helper()
	return Typed(t, QueueType)
}

// QueueType is the type of the queues: `make test-matrix` runs these tests on both.
var QueueType = cmp.Or(os.Getenv("SIREN_TEST_QUEUE_TYPE"), lanes.Classic)

// Only begins a test about one queue type, whatever the others are run on.
func Only(t testing.TB, its string) {
	all := QueueType
	QueueType = its
	t.Cleanup(func() { QueueType = all })
}

func Effective(t testing.TB) *lanes.Effective {
	return &lanes.Effective{Revision: 1, Policy: *Policy(t)}
}

// Fresh begins a test on a broker without any Siren queue. The test fails if it leaves a goroutine behind.
func Fresh(t testing.TB) *Probe {
	t.Helper()
	s := Server(t)
	before := goleak.IgnoreCurrent()
	// of a broker that was restarted
	watcher := goleak.IgnoreAnyFunction("github.com/polyglot-media/siren/internal/procs.(*Process).watch")
	t.Cleanup(func() { goleak.VerifyNone(t, before, watcher) })
	p := NewProbe(t, s.URL)
	for _, lane := range []string{"express", "standard", "bulk", "old"} {
		p.Delete("siren.lane." + lane)
		p.Delete("siren.lane." + lane + ".quorum")
	}
	for _, d := range []string{"1s", "5s", "15s", "1m", "5m", "15m", "far"} {
		p.Delete("siren.delay." + d)
	}
	p.Delete("siren.dead")
	for _, x := range []string{"siren.jobs", "siren.default"} {
		p.Must(p.Ch.ExchangeDelete(x, false, false))
	}
	return p
}

// Declared begins a test like Fresh, with the topology of the test policy.
func Declared(t testing.TB) *Probe {
	t.Helper()
	p := Fresh(t)
	Declare(t, Policy(t))
	return p
}

func Declare(t testing.TB, p *lanes.Policy, former ...string) {
	t.Helper()
	conn := Open(t, Server(t).URL, "declare")
	err := rabbitlink.ErrSilent
	for errors.Is(err, rabbitlink.ErrSilent) { // or the machine is slow
		err = topology.Declare(Soon(t), conn, p, Queues(former...))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Queue returns the queue with that name; of the lanes, the one of the tests' queue type.
func Queue(name string) lanes.Queue {
	if QueueType == lanes.Quorum {
		name = strings.TrimSuffix(name, ".quorum") + ".quorum"
	}
	return lanes.ParseQueue(name)
}

// Actual returns the name of a queue of the tests' queue type: a lane's queue has its type in its name.
func Actual(name string) string {
	if lane, ok := strings.CutPrefix(name, "siren.lane."); ok {
		return "siren.lane." + Queue(lane).String()
	}
	return name
}

func Queues(names ...string) (all []lanes.Queue) {
	for _, name := range names {
		all = append(all, Queue(name))
	}
	return all
}

// Soon returns a context for what should take a moment.
func Soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func Ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func Open(t testing.TB, url, name string) *rabbitlink.Conn {
	t.Helper()
	c, err := rabbitlink.Open(rabbitlink.Options{URL: url, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func Publisher(t testing.TB, url string) *confirms.Publisher {
	return confirms.NewPublisher(Open(t, url, "publish"), 0)
}

func Taker(t testing.TB, url string) *take.Taker {
	k := take.NewTaker(Open(t, url, "consume"), Publisher(t, Server(t).URL), "general")
	k.Follow(Effective(t))
	return k
}

func Job(id string) job.Job { return job.Job{ID: id, Kind: "probe", Input: "file:///in"} }

// Enqueue puts jobs into a lane and waits for their confirms.
func Enqueue(t testing.TB, p *confirms.Publisher, lane string, ids ...string) {
	t.Helper()
	entries := make([]wire.Entry, len(ids))
	for i, id := range ids {
		entries[i] = wire.Entry{Lane: lane, Job: Job(id)}
	}
	if err := errors.Join(rabbit.Enqueue(Soon(t), p, entries)...); err != nil {
		t.Fatal(err)
	}
}

// EnqueueOne puts one job into a lane.
func EnqueueOne(ctx context.Context, p *confirms.Publisher, lane string, job job.Job, enqueuedAt time.Time) error {
	return rabbit.Enqueue(ctx, p, []wire.Entry{{Lane: lane, Job: job, EnqueuedAt: enqueuedAt}})[0]
}

// Next takes a job that must be there, or come soon.
func Next(t testing.TB, s *take.Slot) work.Delivery {
	t.Helper()
	d, err := s.Next(Soon(t))
	if err != nil {
		t.Fatalf("no job came: %v", err)
	}
	return d
}

func Settle(t testing.TB, s *take.Slot, d work.Delivery, disp work.Disposition) {
	t.Helper()
	if err := s.Settle(Soon(t), d, disp); err != nil {
		t.Fatal(err)
	}
}

var Ack = work.Disposition{Action: work.Ack}

// Until waits for something that happens in the background.
func Until(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// Typed returns the policy with that type for all queues.
func Typed(t testing.TB, queueType string) *lanes.Policy {
	t.Helper()
	p, err := lanes.Parse([]byte(policyText + "broker: {queueType: " + queueType + "}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// LockedBuffer is a log that several goroutines write.
type LockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *LockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *LockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// FindDead looks for a letter, and leaves all of them where they are.
func FindDead(t *testing.T, id string) (wire.DeadLetter, bool) {
	t.Helper()
	d := Letters(t, Open(t, Server(t).URL, "dead"))
	defer d.Close()
	all, err := d.Take(Soon(t), 1000)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(l wire.DeadLetter) bool { return l.ID == id })
	if i < 0 {
		return wire.DeadLetter{}, false
	}
	return all[i], true
}

func Ctl(t testing.TB, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := Server(t).Rabbitmqctl(ctx, args...); err != nil {
		t.Fatal(err)
	}
}

// User makes a user of the broker for the test.
func User(t *testing.T, name, configure, write, read string) {
	t.Helper()
	for _, args := range [][]string{{"add_user", name, "secret"}, {"set_permissions", name, configure, write, read}} {
		if _, err := Server(t).Rabbitmqctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _ = Server(t).Rabbitmqctl(context.Background(), "delete_user", name) })
}

// Forward runs a forwarder for the rest of the test, over the given URL or else straight to the broker.
func Forward(t *testing.T, url ...string) (stop func()) {
	t.Helper()
	if len(url) == 0 {
		url = []string{Server(t).URL}
	}
	return ForwardOver(t, Open(t, url[0], "forward"), Publisher(t, url[0]))
}

func ForwardOver(t *testing.T, consume *rabbitlink.Conn, p *confirms.Publisher) (stop func()) {
	t.Helper()
	return ForwardBy(t, consume, p, nil)
}

func ForwardBy(t *testing.T, consume *rabbitlink.Conn, p *confirms.Publisher, policy *lanes.Policy) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := rabbit.Forward(ctx, consume, p, func() *lanes.Policy { return policy }); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

func InAWhile(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }

// Numbered returns n job ids.
func Numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	return ids
}

// Letters begins to go through siren.dead.
func Letters(t *testing.T, conn *rabbitlink.Conn) *rabbit.DeadLetters {
	t.Helper()
	d, err := rabbit.OpenDead(Soon(t), conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// Since is what the tests' messages say that they have been ready since.
var Since = time.UnixMilli(1_700_000_000_000)
