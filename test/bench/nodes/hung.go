package nodes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/wait"
)

const (
	rawQueue = "raw"
	workers  = 2
	calm     = 20 * time.Second
	hangs    = 40 * time.Second
	after    = 20 * time.Second
)

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

// table is the marks of all runs, by lane.
type table struct {
	hung string // the lane
	runs []map[string]map[string]*mark
	from []time.Time // of each run: the leader hangs
}

func newTable(hung string) *table { return &table{hung: hung} }

// measure makes one run.
func (t *table) measure(ctx context.Context, policy *lanes.Policy) (err error) {
	l, err := newLab(ctx, policy, 250*time.Millisecond)
	if err != nil {
		return err
	}
	defer l.close(ctx)
	victim := l.Nodes[0]
	l.url = strings.Join([]string{l.Nodes[1].URL(), l.Nodes[2].URL()}, ",")
	if err := l.declare(ctx); err != nil {
		return err
	}
	if err := l.declareRaw(ctx); err != nil {
		return err
	}
	leaders := map[string]*cluster.Node{rawQueue: victim}
	for _, q := range policy.Queues() {
		leaders[topology.QueueName(q)] = l.Nodes[2]
		if q.Lane == t.hung {
			leaders[topology.QueueName(q)] = victim
		}
	}
	for queue, node := range leaders {
		if err := l.MoveLeader(ctx, queue, node); err != nil {
			return err
		}
	}
	return t.load(ctx, l, victim)
}

// load has the leader hang under a load.
func (t *table) load(ctx context.Context, l *lab, victim *cluster.Node) error {
	working := []func(context.Context) error{l.consumeRaw}
	for range workers {
		w, err := l.newWorker(l.started)
		if err != nil {
			return err
		}
		working = append(working, w.work)
	}
	err := l.loaded(ctx, working, []func(context.Context) error{l.produceRaw}, func() error {
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
		return err
	})
	t.runs = append(t.runs, l.marks)
	return err
}

// declareRaw makes the queue of the push consumer.
func (l *lab) declareRaw(ctx context.Context) error {
	conn, err := l.connect("declare")
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel(ctx)
	if err != nil {
		return err
	}
	_, err = ch.QueueDeclare(rawQueue, true, false, false, false, amqp.Table{"x-queue-type": lanes.Quorum})
	return err
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
	return l.each(ctx, func(id string) error {
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
