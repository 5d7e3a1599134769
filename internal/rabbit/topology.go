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

func laneQueue(lane string) string { return laneQueuePrefix + lane }

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
// former are lanes that left the policy: they stay declared and bound, so that what is in them is still served. It must
// name a lane that was the default until now, or that lane keeps getting a copy of each job with an unknown routing key.
//
// Every queue that exists with other arguments is a *MismatchError; nothing is bound then.
func Declare(ctx context.Context, conn *Conn, policy *lanes.Policy, former []string) error {
	t := topology{conn: conn, policy: policy}
	for _, lane := range append(policy.LaneNames(), former...) {
		if !slices.Contains(t.lanes, lane) {
			t.lanes = append(t.lanes, lane)
		}
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	defer func() { t.ch.close() }()
	if err := t.queues(ctx); err != nil {
		return fmt.Errorf("declare the queues: %w", err)
	}
	if err := t.exchanges(); err != nil {
		return fmt.Errorf("declare the exchanges: %w", err)
	}
	return nil
}

type topology struct {
	conn   *Conn
	policy *lanes.Policy
	lanes  []string // the policy's and the former ones
	ch     *channel
	rules  queueRules
}

func (t *topology) open(ctx context.Context) error {
	ch, err := t.conn.channel(ctx)
	if err != nil {
		return err
	}
	t.ch = ch
	t.rules = queueRules{broker: t.policy.Broker, quorumLimits: major(t.ch.session.version()) >= 4}
	return nil
}

// queues declares them all, and collects every mismatch before it gives up.
func (t *topology) queues(ctx context.Context) error {
	var mismatches []error
	declare := func(name string, args amqp.Table) error {
		err := t.ch.call(func() error {
			_, err := t.ch.QueueDeclare(name, true, false, false, false, args)
			return err
		})
		if code(err) != amqp.PreconditionFailed {
			return wrap("queue "+strconv.Quote(name), err)
		}
		mismatches = append(mismatches, mismatch("queue", name, err))
		return t.open(ctx) // the refusal closed the channel
	}
	err := declare(deadQueue, t.rules.plain())
	for _, b := range buckets {
		if err == nil {
			err = declare(b.queue, t.rules.delay())
		}
	}
	for _, lane := range t.lanes {
		if err == nil {
			err = declare(laneQueue(lane), t.rules.lane())
		}
	}
	return errors.Join(append(mismatches, err)...)
}

func (t *topology) exchanges() error {
	if err := t.exchange(defaultExchange, amqp.ExchangeFanout, nil); err != nil {
		return err
	}
	// The new default is bound before the old one is unbound: in between, a stray job gets two copies, never none.
	fallback := t.policy.DefaultLane()
	if err := t.bind(fallback, "", defaultExchange); err != nil {
		return err
	}
	for _, lane := range t.lanes {
		if lane == fallback {
			continue
		}
		err := t.ch.call(func() error { return t.ch.QueueUnbind(laneQueue(lane), "", defaultExchange, nil) })
		if err != nil {
			return fmt.Errorf("unbind lane %q from %s: %w", lane, defaultExchange, err)
		}
	}
	if err := t.exchange(jobsExchange, amqp.ExchangeDirect, amqp.Table{"alternate-exchange": defaultExchange}); err != nil {
		return err
	}
	for _, lane := range t.lanes {
		if err := t.bind(lane, lane, jobsExchange); err != nil {
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

func (t *topology) bind(lane, key, exchange string) error {
	err := t.ch.call(func() error { return t.ch.QueueBind(laneQueue(lane), key, exchange, false, nil) })
	return wrap(fmt.Sprintf("bind lane %q to %s", lane, exchange), err)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// queueRules are the queue arguments for a policy on a broker.
type queueRules struct {
	broker       lanes.Broker
	quorumLimits bool // the broker is 4.0 or newer
}

// lane is the arguments of a lane queue. Dead-lettering is a safety net only: Siren publishes its dead letters itself.
func (r queueRules) lane() amqp.Table {
	args := r.plain()
	args["x-dead-letter-exchange"] = ""
	args["x-dead-letter-routing-key"] = deadQueue
	if r.broker.QueueType == lanes.Classic {
		args["x-max-priority"] = int32(priorityLevels)
	}
	return args
}

// delay is the arguments of a delay queue: one forwarder at a time gets its jobs, the others stand by.
func (r queueRules) delay() amqp.Table {
	args := r.plain()
	args["x-single-active-consumer"] = true
	return args
}

func (r queueRules) plain() amqp.Table {
	args := amqp.Table{"x-queue-type": r.broker.QueueType}
	if r.broker.QueueType == lanes.Quorum && r.quorumLimits {
		args["x-delivery-limit"] = int32(-1) // 4.x ends a job after 20 redeliveries; 3.x takes -1 for "at once"
		args["x-consumer-timeout"] = r.broker.ConsumerTimeout.D().Milliseconds()
	}
	return args
}

// major is the first number of a version such as 3.10.8; 0 when there is none.
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(first)
	return n
}
