// Package nodes measures what a lane's node costs the lanes, on a RabbitMQ of three nodes.
package nodes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/take"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	rawQueue = "raw"
	every    = 250 * time.Millisecond // a job of each lane
	runs     = 50 * time.Millisecond  // each of them
	workers  = 2
	slots    = 2 // of a worker, and a shoulder
	calm     = 20 * time.Second
	hangs    = 40 * time.Second
	after    = 20 * time.Second
)

const policyText = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m}
pools: [{name: general, lanes: [express, standard, bulk], slots: 2, shoulder: {express: 1}, max: 2}]
budget: 2
broker: {queueType: quorum}
`

// Hung measures the time from a job's confirm to its start, by lane, before, while and after the leader of one lane's
// quorum queue hangs on its node; and the same of a raw queue with a push consumer, whose leader is there too. Workers
// and producers are with the other nodes.
func Hung(ctx context.Context, b *stand.Bench) (figures []report.Figure, err error) {
	policy, err := lanes.Parse([]byte(policyText))
	if err != nil {
		return nil, err
	}
	for _, hung := range []string{"bulk", "express"} {
		f := newTable(hung)
		for run := range b.Runs {
			b.Say("lane %s on a node that hangs, run %d of %d", hung, run+1, b.Runs)
			if err := f.measure(ctx, policy); err != nil {
				return figures, err
			}
		}
		figures = append(figures, f.figures()...)
	}
	return figures, nil
}

// mark is when a job was confirmed and when it began.
type mark struct {
	sent, confirmed, began time.Time
}

// table is the marks of all runs, by lane.
type table struct {
	hung string // the lane
	runs []map[string]map[string]*mark
	from []time.Time // of each run: the leader hangs
}

func newTable(hung string) *table { return &table{hung: hung} }

// lab is one run.
type lab struct {
	*cluster.Cluster
	policy *lanes.Policy
	url    string // of the nodes that don't hang

	mu    sync.Mutex
	marks map[string]map[string]*mark // by lane and id
}

func (l *lab) note(lane, id string, set func(*mark)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.marks[lane] == nil {
		l.marks[lane] = map[string]*mark{}
	}
	if l.marks[lane][id] == nil {
		l.marks[lane][id] = &mark{}
	}
	set(l.marks[lane][id])
}

// measure makes one run.
func (t *table) measure(ctx context.Context, policy *lanes.Policy) (err error) {
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = c.Stop(context.WithoutCancel(ctx)) }()
	l := &lab{Cluster: c, policy: policy, marks: map[string]map[string]*mark{}}
	victim := c.Nodes[0]
	l.url = strings.Join([]string{c.Nodes[1].URL(), c.Nodes[2].URL()}, ",")
	if err := l.declare(ctx); err != nil {
		return err
	}
	leaders := map[string]*cluster.Node{rawQueue: victim}
	for _, q := range policy.Queues() {
		leaders[topology.QueueName(q)] = c.Nodes[2]
		if q.Lane == t.hung {
			leaders[topology.QueueName(q)] = victim
		}
	}
	for queue, node := range leaders {
		if err := c.MoveLeader(ctx, queue, node); err != nil {
			return err
		}
	}
	return t.load(ctx, l, victim)
}

// load has the leader hang under a load.
func (t *table) load(ctx context.Context, l *lab, victim *cluster.Node) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	var serving, sending errgroup.Group
	for range workers {
		serving.Go(func() error { return l.work(working) })
	}
	serving.Go(func() error { return l.consumeRaw(working) })
	producing, enough := context.WithCancel(ctx)
	defer enough()
	for _, lane := range l.policy.Lanes {
		sending.Go(func() error { return l.produce(producing, lane.Name) })
	}
	sending.Go(func() error { return l.produceRaw(producing) })

	err := wait.Pause(ctx, calm)
	t.from = append(t.from, time.Now())
	if err == nil {
		err = victim.Hang()
	}
	if err == nil {
		err = wait.Pause(ctx, hangs)
	}
	if resumed := victim.Resume(); err == nil {
		err = resumed
	}
	if err == nil {
		err = wait.Pause(ctx, after)
	}
	enough()
	if failed := sending.Wait(); err == nil {
		err = failed
	}
	if err == nil {
		err = wait.Pause(ctx, 2*time.Second)
	}
	stop()
	if failed := serving.Wait(); err == nil {
		err = failed
	}
	t.runs = append(t.runs, l.marks)
	return err
}

func (l *lab) connect(name string) (*rabbitlink.Conn, error) {
	return rabbitlink.Open(rabbitlink.Options{URL: l.url, Name: name})
}

// declare makes the queues, with a member on each node.
func (l *lab) declare(ctx context.Context) error {
	conn, err := l.connect("declare")
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := topology.Declare(ctx, conn, l.policy, nil); err != nil {
		return err
	}
	ch, err := conn.Channel(ctx)
	if err != nil {
		return err
	}
	_, err = ch.QueueDeclare(rawQueue, true, false, false, false, amqp.Table{"x-queue-type": lanes.Quorum})
	return err
}

// work is a worker without a ledger.
func (l *lab) work(ctx context.Context) error {
	consume, err := l.connect("consume")
	if err != nil {
		return err
	}
	defer consume.Close()
	publish, err := l.connect("publish")
	if err != nil {
		return err
	}
	defer publish.Close()
	k := take.NewTaker(consume, confirms.NewPublisher(publish, 0), "general")
	k.Follow(&lanes.Effective{Policy: *l.policy})
	all := []*take.Slot{k.Shoulder("express")}
	for range slots {
		all = append(all, k.Shared())
	}
	var serving errgroup.Group
	for _, s := range all {
		serving.Go(func() error {
			for {
				d, err := s.Next(ctx)
				if err != nil {
					return nil
				}
				now := time.Now()
				l.note(d.Lane, d.Job.ID, func(m *mark) {
					if m.began.IsZero() {
						m.began = now
					}
				})
				time.Sleep(runs)
				if err := s.Settle(ctx, d, work.Disposition{Action: work.Ack}); err != nil && ctx.Err() == nil {
					continue // it comes again
				}
			}
		})
	}
	return serving.Wait()
}

// produce enqueues a job of the lane every so often, each by itself.
func (l *lab) produce(ctx context.Context, lane string) error {
	conn, err := l.connect("produce")
	if err != nil {
		return err
	}
	defer conn.Close()
	p := confirms.NewPublisher(conn, 0)
	return each(ctx, func(id string) error {
		now := time.Now()
		l.note(lane, id, func(m *mark) { m.sent = now })
		err := rabbit.Enqueue(context.WithoutCancel(ctx), p, []wire.Entry{{
			Lane: lane, Job: job.Job{ID: id, Kind: "probe", Input: "file:///in"},
		}})[0]
		if err == nil {
			now := time.Now()
			l.note(lane, id, func(m *mark) { m.confirmed = now })
		}
		return nil
	})
}

// each does something every so often, beside what it did before.
func each(ctx context.Context, do func(id string) error) error {
	var all errgroup.Group
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
			all.Go(func() error { return do(fmt.Sprint(i)) })
		case <-ctx.Done():
			return all.Wait()
		}
	}
}

// consumeRaw is a push consumer of the client library alone.
func (l *lab) consumeRaw(ctx context.Context) error {
	conn, err := amqp.Dial(l.Nodes[1].URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(1, 0, false); err != nil {
		return err
	}
	messages, err := ch.Consume(rawQueue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for {
		select {
		case d := <-messages:
			now := time.Now()
			l.note(rawQueue, d.MessageId, func(m *mark) { m.began = now })
			if err := d.Ack(false); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// produceRaw publishes with confirms, by the client library alone.
func (l *lab) produceRaw(ctx context.Context) error {
	conn, err := amqp.Dial(l.Nodes[1].URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	return each(ctx, func(id string) error {
		now := time.Now()
		l.note(rawQueue, id, func(m *mark) { m.sent = now })
		c, err := ch.PublishWithDeferredConfirm("", rawQueue, false, false, amqp.Publishing{
			MessageId: id, DeliveryMode: amqp.Persistent, Body: make([]byte, 300),
		})
		if err != nil {
			return err
		}
		if c.Wait() {
			now := time.Now()
			l.note(rawQueue, id, func(m *mark) { m.confirmed = now })
		}
		return nil
	})
}

// windows are parts of a run, from the fault on.
var windows = []struct {
	name     string
	from, to time.Duration
}{
	{"calm", -calm + 5*time.Second, -time.Second},
	{"0–10 s", 0, 10 * time.Second},
	{"10–40 s", 10 * time.Second, hangs},
	{"resumed", hangs, hangs + after},
}

// figures returns the longest, and the 95th percentile of, waits by lane and window. A job is in the window in which it
// was sent; it waits from its confirm, or, of raw and of the lane that hangs, from when it was sent.
func (t *table) figures() (all []report.Figure) {
	for _, lane := range []string{"express", "standard", "bulk"} {
		for _, w := range windows {
			for _, share := range []float64{0.5, 0.95, 1} {
				f := report.Figure{
					Name: fmt.Sprintf("%s hung: %s, %s, p%.0f", t.hung, lane, w.name, 100*share), Unit: "ms",
				}
				for i, marks := range t.runs {
					f.Siren = append(f.Siren, t.waited(i, marks[lane], w.from, w.to, share))
					if lane == t.hung {
						f.Against = "raw push"
						f.Baseline = append(f.Baseline, t.waited(i, marks[rawQueue], w.from, w.to, share))
					}
				}
				all = append(all, f)
			}
		}
	}
	return all
}

func (t *table) waited(run int, marks map[string]*mark, from, to time.Duration, share float64) float64 {
	var waits []float64
	for _, m := range marks {
		if at := m.sent.Sub(t.from[run]); at >= from && at < to {
			end := m.began
			if end.IsZero() { // never
				end = t.from[run].Add(hangs + after)
			}
			waits = append(waits, float64(end.Sub(m.sent).Microseconds())/1000)
		}
	}
	if len(waits) == 0 {
		return 0
	}
	slices.Sort(waits)
	return waits[min(len(waits)-1, int(share*float64(len(waits))))]
}
