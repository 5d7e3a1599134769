// Package topology is which exchanges and queues Siren has on RabbitMQ, their names and arguments, what differs by the
// broker's version and a queue's type, and declaring them. It touches no message.
package topology

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/lanes"
)

// The exchanges and queues.
const (
	JobsExchange    = "siren.jobs"    // direct; the routing key is the lane
	DefaultExchange = "siren.default" // takes what no lane wants, to the default lane
	LaneQueuePrefix = "siren.lane."   // begins the names of the lanes' queues
	DeadQueue       = "siren.dead"    // jobs that have failed for good
)

// QueueName returns the queue's name on the broker: siren.lane.bulk, or siren.lane.bulk.quorum.
func QueueName(q lanes.Queue) string { return LaneQueuePrefix + q.String() }

// Declare makes the topology that the policy asks for, or finds it there: it is idempotent and deletes nothing. former
// are queues that the policy doesn't use any more, and that may hold jobs: those of lanes that left it stay declared
// and bound; those of lanes that have another queue type now get no new jobs. It must name the queue of a lane that was
// the default until now, or that one keeps getting a copy of each job with an unknown routing key.
//
// A queue that exists with other arguments is used as it is, a *MismatchError, one whose leader is away keeps the
// others waiting for two seconds, rabbitlink.ErrSilent, and one whose node is down, rabbitlink.ErrDown, keeps its
// bindings: an *OddError with all of them says that the topology is there all the same. A *MismatchError of an exchange
// alone means that nothing after it is bound.
func Declare(ctx context.Context, conn *rabbitlink.Conn, policy *lanes.Policy, former []lanes.Queue) error {
	t := declaration{conn: conn, policy: policy, queues: policy.Queues(), away: map[string]bool{}}
	for _, q := range former {
		bound := slices.IndexFunc(t.queues, func(b lanes.Queue) bool { return b.Lane == q.Lane })
		switch {
		case bound < 0:
			t.queues = append(t.queues, q)
		case t.queues[bound] != q: // two bound to one key would be two copies of each job
			t.left = append(t.left, q)
		}
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	defer func() { t.ch.Close() }()
	if err := t.declareQueues(ctx); err != nil {
		return fmt.Errorf("declare the queues: %w", err)
	}
	if err := t.exchanges(ctx); err != nil {
		return fmt.Errorf("declare the exchanges: %w", errors.Join(append([]error{err}, t.odd...)...))
	}
	if len(t.odd) > 0 {
		return &OddError{t.odd}
	}
	return nil
}

// patience is how long a queue may keep those after it waiting.
const patience = 2 * time.Second

// OddError is queues that aren't as the policy says, don't answer, or are down. All else is declared and bound.
type OddError struct{ Troubles []error }

func (e *OddError) Error() string { return "declare the queues: " + errors.Join(e.Troubles...).Error() }

// Unwrap returns a *MismatchError, an rabbitlink.ErrSilent or an rabbitlink.ErrDown for each of them.
func (e *OddError) Unwrap() []error { return e.Troubles }

type declaration struct {
	conn   *rabbitlink.Conn
	policy *lanes.Policy
	queues []lanes.Queue // the policy's, and those of former lanes
	left   []lanes.Queue // of lanes that use another one now
	ch     *rabbitlink.Channel
	rules  QueueRules
	odd    []error
	away   map[string]bool // queues that odd says of
}

func (t *declaration) open(ctx context.Context) error {
	ch, err := t.conn.Channel(ctx)
	if err != nil {
		return err
	}
	t.ch = ch
	t.ch.Patience = patience
	t.rules = QueueRules{Policy: t.policy, Broker: ReleaseOf(t.ch.Session.Version())}
	return nil
}

// declareQueues declares them all. odd gets every mismatch, and every queue that is there and away; err is what kept it
// from going on.
func (t *declaration) declareQueues(ctx context.Context) (err error) {
	declare := func(name string, args amqp.Table) {
		var m *MismatchError
		if err == nil {
			m, err = t.declare(ctx, name, args)
			err = t.past(ctx, name, err)
		}
		if m != nil {
			t.odd = append(t.odd, m)
		}
	}
	declare(DeadQueue, t.rules.Plain(t.policy.Broker.QueueType))
	for _, b := range Buckets {
		declare(b.Queue, t.rules.Delay())
	}
	for _, q := range t.queues {
		declare(QueueName(q), t.rules.Lane(q))
		if m := t.rules.tooLong(q); m != nil {
			t.odd = append(t.odd, m)
		}
	}
	return err
}

// past goes on past a queue that is there and away: it is odd.
func (t *declaration) past(ctx context.Context, queue string, err error) error {
	if !errors.Is(err, rabbitlink.ErrSilent) && !errors.Is(err, rabbitlink.ErrDown) {
		return err
	}
	if !t.away[queue] {
		t.away[queue] = true
		t.odd = append(t.odd, err)
	}
	return t.open(ctx)
}

// declare declares one queue. One that lets workers hold a job for longer than is asked for does as well.
func (t *declaration) declare(ctx context.Context, name string, args amqp.Table) (*MismatchError, error) {
	for {
		err := t.ch.About(name, func() error {
			_, err := t.ch.QueueDeclare(name, true, false, false, false, args)
			return err
		})
		if rabbitlink.Code(err) != amqp.PreconditionFailed {
			return nil, wrap("queue "+strconv.Quote(name), err)
		}
		m := Mismatch("queue", name, err)
		if err := t.open(ctx); err != nil { // the refusal closed the channel
			return m, err
		}
		if !Longer(m, args) {
			return m, nil
		}
	}
}

// Longer reports whether the only mismatch is that the queue lets workers hold a job for longer than args ask for. Then
// args ask for that, since the broker names one mismatch at a time.
func Longer(m *MismatchError, args amqp.Table) bool {
	want, ok := args[argConsumerTimeout].(int64)
	is, err := strconv.ParseInt(m.Is, 10, 64)
	if !ok || m.Argument != argConsumerTimeout || err != nil || is <= want {
		return false
	}
	args[argConsumerTimeout] = is
	return true
}

func (t *declaration) exchanges(ctx context.Context) error {
	if err := t.exchange(DefaultExchange, amqp.ExchangeFanout, nil); err != nil {
		return err
	}
	// What is new is bound before what was there is unbound: in between, a job may get two copies, never none.
	fallback := t.policy.QueueOf(t.policy.DefaultLane())
	if err := t.bind(ctx, fallback, "", DefaultExchange); err != nil {
		return err
	}
	for _, q := range slices.Concat(t.queues, t.left) {
		if q == fallback {
			continue
		}
		if err := t.unbind(ctx, q, "", DefaultExchange); err != nil {
			return err
		}
	}
	stray := amqp.Table{"alternate-exchange": DefaultExchange}
	if err := t.exchange(JobsExchange, amqp.ExchangeDirect, stray); err != nil {
		return err
	}
	for _, q := range t.queues {
		if err := t.bind(ctx, q, q.Lane, JobsExchange); err != nil {
			return err
		}
	}
	for _, q := range t.left {
		if err := t.unbind(ctx, q, q.Lane, JobsExchange); err != nil {
			return err
		}
	}
	return nil
}

func (t *declaration) exchange(name, kind string, args amqp.Table) error {
	err := t.ch.Call(func() error { return t.ch.ExchangeDeclare(name, kind, true, false, false, false, args) })
	if rabbitlink.Code(err) == amqp.PreconditionFailed {
		return Mismatch("exchange", name, err)
	}
	return wrap("exchange "+strconv.Quote(name), err)
}

func (t *declaration) bind(ctx context.Context, q lanes.Queue, key, exchange string) error {
	err := t.ch.About(QueueName(q), func() error { return t.ch.QueueBind(QueueName(q), key, exchange, false, nil) })
	return t.past(ctx, QueueName(q), wrap(fmt.Sprintf("bind lane %q to %s", q.Lane, exchange), err))
}

// unbind removes a binding. It also succeeds when there is no such binding, or no such queue.
func (t *declaration) unbind(ctx context.Context, q lanes.Queue, key, exchange string) error {
	err := t.ch.About(QueueName(q), func() error { return t.ch.QueueUnbind(QueueName(q), key, exchange, nil) })
	return t.past(ctx, QueueName(q), wrap(fmt.Sprintf("unbind lane %q from %s", q.Lane, exchange), err))
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
