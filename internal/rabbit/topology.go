package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// The exchanges and queues.
const (
	jobsExchange    = "siren.jobs"    // direct; the routing key is the lane
	defaultExchange = "siren.default" // takes what no lane wants, to the default lane
	laneQueuePrefix = "siren.lane."
	delayPrefix     = "siren.delay."
	deadQueue       = "siren.dead"
)

// priorityLevels is x-max-priority of a classic lane queue. It can't be changed once a queue exists.
const priorityLevels = 9

// queueName is the queue's name on the broker: siren.lane.bulk, or siren.lane.bulk.quorum.
func queueName(q lanes.Queue) string { return laneQueuePrefix + q.String() }

// bucket is one delay queue.
type bucket struct {
	queue string
	reach time.Duration // the longest that a job is held in one go
}

// buckets are the delay queues, shortest first.
var buckets = []bucket{
	{delayPrefix + "1s", time.Second},
	{delayPrefix + "5s", 5 * time.Second},
	{delayPrefix + "15s", 15 * time.Second},
	{delayPrefix + "1m", time.Minute},
	{delayPrefix + "5m", 5 * time.Minute},
	{delayPrefix + "15m", 15 * time.Minute},
}

// fitting is the first bucket that reaches as far as the wait; the last one for what is longer and goes round again.
func fitting(wait time.Duration) bucket {
	for _, b := range buckets {
		if wait <= b.reach {
			return b
		}
	}
	return buckets[len(buckets)-1]
}

// Declare makes the topology that the policy asks for, or finds it there: it is idempotent and deletes nothing.
// former are queues that the policy doesn't use any more, and that may hold jobs: those of lanes that left it stay declared and bound;
// those of lanes that have another queue type now get no new jobs. It must name the queue of a lane that was the default until now, or
// that one keeps getting a copy of each job with an unknown routing key.
//
// A queue that exists with other arguments is used as it is. Each of them is a *MismatchError, and all are joined in the error. That of an
// exchange is one as well, but then nothing after it is bound.
func Declare(ctx context.Context, conn *Conn, policy *lanes.Policy, former []lanes.Queue) error {
	t := topology{conn: conn, policy: policy, queues: policy.Queues()}
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
	defer func() { t.ch.close() }()
	odd, err := t.declareQueues(ctx)
	if err != nil {
		return fmt.Errorf("declare the queues: %w", err)
	}
	if err := t.exchanges(); err != nil {
		return fmt.Errorf("declare the exchanges: %w", errors.Join(err, odd))
	}
	return wrap("declare the queues", odd)
}

type topology struct {
	conn   *Conn
	policy *lanes.Policy
	queues []lanes.Queue // the policy's, and those of former lanes
	left   []lanes.Queue // of lanes that use another one now
	ch     *channel
	rules  queueRules
}

func (t *topology) open(ctx context.Context) error {
	ch, err := t.conn.channel(ctx)
	if err != nil {
		return err
	}
	t.ch = ch
	t.rules = queueRules{policy: t.policy, quorumLimits: major(t.ch.session.version()) >= 4}
	return nil
}

// declareQueues declares them all. odd is every mismatch; err is what kept it from going on.
func (t *topology) declareQueues(ctx context.Context) (odd, err error) {
	var mismatches []error
	declare := func(name string, args amqp.Table) {
		var m *MismatchError
		if err == nil {
			m, err = t.declare(ctx, name, args)
		}
		if m != nil {
			mismatches = append(mismatches, m)
		}
	}
	declare(deadQueue, t.rules.plain(t.policy.Broker.QueueType))
	for _, b := range buckets {
		declare(b.queue, t.rules.delay())
	}
	for _, q := range t.queues {
		declare(queueName(q), t.rules.lane(q))
		if m := t.rules.tooLong(q); m != nil {
			mismatches = append(mismatches, m)
		}
	}
	return errors.Join(mismatches...), err
}

// declare declares one queue. One that lets workers hold a job for longer than is asked for does as well.
func (t *topology) declare(ctx context.Context, name string, args amqp.Table) (*MismatchError, error) {
	for {
		err := t.ch.call(func() error {
			_, err := t.ch.QueueDeclare(name, true, false, false, false, args)
			return err
		})
		if code(err) != amqp.PreconditionFailed {
			return nil, wrap("queue "+strconv.Quote(name), err)
		}
		m := mismatch("queue", name, err)
		if err := t.open(ctx); err != nil { // the refusal closed the channel
			return m, err
		}
		if !longer(m, args) {
			return m, nil
		}
	}
}

// longer is whether the mismatch is only that the queue lets workers hold a job for longer than args ask for. Then args ask for that, since
// the broker names one mismatch at a time.
func longer(m *MismatchError, args amqp.Table) bool {
	want, ok := args[argConsumerTimeout].(int64)
	is, err := strconv.ParseInt(m.Is, 10, 64)
	if !ok || m.Argument != argConsumerTimeout || err != nil || is <= want {
		return false
	}
	args[argConsumerTimeout] = is
	return true
}

func (t *topology) exchanges() error {
	if err := t.exchange(defaultExchange, amqp.ExchangeFanout, nil); err != nil {
		return err
	}
	// What is new is bound before what was there is unbound: in between, a job may get two copies, never none.
	fallback := t.policy.QueueOf(t.policy.DefaultLane())
	if err := t.bind(fallback, "", defaultExchange); err != nil {
		return err
	}
	for _, q := range slices.Concat(t.queues, t.left) {
		if q == fallback {
			continue
		}
		if err := t.unbind(q, "", defaultExchange); err != nil {
			return err
		}
	}
	if err := t.exchange(jobsExchange, amqp.ExchangeDirect, amqp.Table{"alternate-exchange": defaultExchange}); err != nil {
		return err
	}
	for _, q := range t.queues {
		if err := t.bind(q, q.Lane, jobsExchange); err != nil {
			return err
		}
	}
	for _, q := range t.left {
		if err := t.unbind(q, q.Lane, jobsExchange); err != nil {
			return err
		}
	}
	return nil
}

func (t *topology) exchange(name, kind string, args amqp.Table) error {
	err := t.ch.call(func() error { return t.ch.ExchangeDeclare(name, kind, true, false, false, false, args) })
	if code(err) == amqp.PreconditionFailed {
		return mismatch("exchange", name, err)
	}
	return wrap("exchange "+strconv.Quote(name), err)
}

func (t *topology) bind(q lanes.Queue, key, exchange string) error {
	err := t.ch.call(func() error { return t.ch.QueueBind(queueName(q), key, exchange, false, nil) })
	return wrap(fmt.Sprintf("bind lane %q to %s", q.Lane, exchange), err)
}

// unbind also succeeds when there is no such binding, or no such queue.
func (t *topology) unbind(q lanes.Queue, key, exchange string) error {
	err := t.ch.call(func() error { return t.ch.QueueUnbind(queueName(q), key, exchange, nil) })
	return wrap(fmt.Sprintf("unbind lane %q from %s", q.Lane, exchange), err)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// The arguments of a queue that differ by version and type.
const (
	argType            = "x-queue-type"
	argMaxPriority     = "x-max-priority"
	argDeliveryLimit   = "x-delivery-limit"
	argConsumerTimeout = "x-consumer-timeout"
)

// queueRules are the queue arguments for a policy on a broker.
type queueRules struct {
	policy       *lanes.Policy
	quorumLimits bool // the broker is 4.0 or newer
}

// lane is the arguments of a lane queue. Dead-lettering is a safety net only: Siren publishes its dead letters itself.
func (r queueRules) lane(q lanes.Queue) amqp.Table {
	args := r.plain(q.Type)
	args["x-dead-letter-exchange"] = ""
	args["x-dead-letter-routing-key"] = deadQueue
	if q.Type == lanes.Classic {
		args[argMaxPriority] = int32(priorityLevels)
	}
	if _, ok := args[argConsumerTimeout]; ok {
		args[argConsumerTimeout] = r.policy.ConsumerTimeout(q.Lane).Milliseconds()
	}
	return args
}

// delay is the arguments of a delay queue: one forwarder at a time gets its jobs, the others stand by.
func (r queueRules) delay() amqp.Table {
	args := r.plain(r.policy.Broker.QueueType)
	args["x-single-active-consumer"] = true
	return args
}

func (r queueRules) plain(queueType string) amqp.Table {
	args := amqp.Table{argType: queueType}
	if queueType == lanes.Quorum && r.quorumLimits {
		args[argDeliveryLimit] = int32(-1) // 4.x ends a job after 20 redeliveries; 3.x takes -1 for "at once"
		args[argConsumerTimeout] = r.policy.Broker.ConsumerTimeout.D().Milliseconds()
	}
	return args
}

// tooLong is that jobs of a quorum lane run longer than this broker lets a worker hold them.
func (r queueRules) tooLong(q lanes.Queue) *MismatchError {
	need, states := r.policy.ConsumerTimeout(q.Lane), r.policy.Broker.ConsumerTimeout.D()
	if r.quorumLimits || q.Type != lanes.Quorum || need <= states {
		return nil
	}
	return &MismatchError{
		Kind: "queue", Name: queueName(q), Argument: argConsumerTimeout, Is: "none on this RabbitMQ", Want: strconv.FormatInt(need.Milliseconds(), 10),
	}
}

// major is the first number of a version such as 3.10.8; 0 when there is none.
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(first)
	return n
}
