package rabbit

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// wanted is a queue that the policy asks for.
type wanted struct {
	name string
	args amqp.Table
	lane string // "": a delay queue, or the dead letters
}

// topologyOf is the queues that the policy asks for, and the types among them.
func (x *examiner) topologyOf() (all []wanted, types []string) {
	rules := queueRules{policy: x.Policy, broker: releaseOf(x.version)}
	all = append(all, wanted{name: deadQueue, args: rules.plain(x.Policy.Broker.QueueType)})
	for _, b := range buckets {
		all = append(all, wanted{name: b.queue, args: rules.delay()})
	}
	for _, q := range x.Policy.Queues() {
		all = append(all, wanted{name: queueName(q), args: rules.lane(q), lane: q.Lane})
	}
	for _, w := range all {
		if kind, _ := w.args["x-queue-type"].(string); !slices.Contains(types, kind) {
			types = append(types, kind)
		}
	}
	return all, types
}

// queues looks whether the queues are there as the policy asks for them, and what may be done with them.
func (x *examiner) queues(ctx context.Context) {
	all, types := x.topologyOf()
	x.add(judgeTypes(x.version, types)...)
	x.add(judgeTimeout(x.version, types, x.Policy))
	var missing []string
	depths := map[string]depth{}
	same := 0
	for _, w := range all {
		d, state := x.look(ctx, w)
		switch state {
		case absent:
			missing = append(missing, w.name)
		case present:
			depths[w.name] = d
			if x.has(lanes.ScalerRole) && x.compare(ctx, w) {
				same++
			}
		}
		if x.has(lanes.WorkerRole) && w.lane != "" && state != absent {
			x.consume(ctx, lanes.WorkerRole, w.name)
		}
		if x.has(lanes.ScalerRole) && w.lane == "" && state != absent {
			x.consume(ctx, lanes.ScalerRole, w.name)
		}
	}
	if x.has(lanes.ScalerRole) {
		x.declares(ctx)
		x.exchanges(ctx)
	}
	switch {
	case len(missing) == len(all):
		x.add(doctor.Finding{
			Check: "broker.queues", Severity: doctor.Warning, What: "none of Siren's queues is declared on this broker and vhost",
			Why: "jobs can't be enqueued before a scaler has declared them", Mend: "start `siren scaler` (or `siren up`), or name the right vhost in the URL",
		})
	case len(missing) > 0:
		x.add(doctor.Finding{
			Check: "broker.queues", Severity: doctor.Error, What: "not declared: " + strings.Join(missing, ", "),
			Why: "jobs for them are refused or go to the default lane, and lanes without a queue count as stale", Mend: "a running scaler declares them within seconds; its log says why it doesn't",
		})
	case same == len(all):
		x.add(doctor.Finding{Check: "broker.queues", What: fmt.Sprintf("all %d queues are declared as the policy asks for them", len(all))})
	case !x.has(lanes.ScalerRole):
		x.add(doctor.Finding{
			Check: "broker.queues", Severity: doctor.Note, What: fmt.Sprintf("the arguments of the %d queues weren't compared with the policy: only a scaler's user may", len(all)),
			Why: "a queue with other arguments can't serve its lane as the policy says", Mend: "run `siren doctor --role scaler` with the scaler's URL",
		})
	}
	x.add(judgeDepths(depths)...)
	x.leftovers(ctx, all)
}

// presence is whether a queue is there.
type presence int

const (
	unknown presence = iota // nobody tells this user
	absent
	present
)

// look asks for a queue. From 4.0 on only those may who may configure it; others learn from a consume that is refused.
func (x *examiner) look(ctx context.Context, w wanted) (d depth, is presence) {
	err := x.try(ctx, func(ch *channel) error {
		q, err := ch.QueueDeclarePassive(w.name, true, false, false, false, nil)
		d = depth{q.Messages, q.Consumers}
		return err
	})
	switch code(err) {
	case amqp.NotFound:
		return d, absent
	case amqp.AccessRefused:
		if x.has(lanes.ScalerRole) {
			x.refused(lanes.ScalerRole, "configure "+patternOf(w.name))
		}
		if code(x.tryConsume(ctx, w.name)) == amqp.NotFound {
			return d, absent
		}
		return d, unknown
	case amqp.ResourceLocked: // exclusive to somebody
		x.add(doctor.Finding{
			Check: "broker.queues", Severity: doctor.Error, What: fmt.Sprintf("queue %q is exclusive to another connection: %v", w.name, err),
			Why: "nobody else may use it", Mend: "find out who declared it (rabbitmqctl list_queues name owner_pid), and have it deleted",
		})
		return d, unknown
	}
	if err != nil {
		x.add(doctor.Finding{
			Check: "broker.queues", Severity: doctor.Error, What: fmt.Sprintf("queue %q: %v", w.name, err),
			Why: "a queue that doesn't answer can't be used", Mend: "rabbitmq-diagnostics list_unresponsive_queues, and the broker's log; for a quorum queue rabbitmq-queues quorum_status",
		})
		return d, unknown
	}
	return d, present
}

// patternOf is a queue's name as one of its kind: so that twenty lanes make one line.
func patternOf(queue string) string {
	for _, prefix := range []string{laneQueuePrefix, delayPrefix} {
		if strings.HasPrefix(queue, prefix) {
			return prefix + "…"
		}
	}
	return queue
}

// compare declares a queue that is there anew: that changes nothing, and is refused when its arguments are others.
func (x *examiner) compare(ctx context.Context, w wanted) (same bool) {
	err := x.try(ctx, func(ch *channel) error {
		_, err := ch.QueueDeclare(w.name, true, false, false, false, w.args)
		return err
	})
	switch code(err) {
	case amqp.AccessRefused:
		x.refused(lanes.ScalerRole, refusal("declare", err))
	case amqp.PreconditionFailed:
		m := mismatch("queue", w.name, err)
		if longer(m, w.args) {
			return x.compare(ctx, w)
		}
		x.add(doctor.Finding{Check: "broker.queues", Severity: doctor.Warning, What: m.what(), Mend: m.mend(), Why: "it is used as it is, without what the argument is for"})
	default:
		same = err == nil
	}
	return same
}

// accessTo is how the broker names what it refuses.
var accessTo = regexp.MustCompile(`access to (\w+) '([^']*)'`)

// refusal is what a user may not do by an error of the broker.
func refusal(doing string, err error) string {
	if found := accessTo.FindStringSubmatch(err.Error()); found != nil {
		name := found[2]
		if strings.Contains(name, "doctor-") {
			name = laneQueuePrefix + "…"
		}
		return fmt.Sprintf("%s (access to %s %s is refused)", doing, found[1], patternOf(name))
	}
	return doing
}

// consume notes whether the user may read from the queue.
func (x *examiner) consume(ctx context.Context, role, queue string) {
	if code(x.tryConsume(ctx, queue)) == amqp.AccessRefused {
		x.refused(role, "read "+patternOf(queue))
	}
}

// tryConsume asks to consume with a priority that is no number. The broker looks at the permission, then for the queue, then at that: so the
// answer is always an error, and tells. No consumer is ever there.
func (x *examiner) tryConsume(ctx context.Context, queue string) error {
	return x.try(ctx, func(ch *channel) error {
		_, err := ch.Consume(queue, "", false, false, false, false, amqp.Table{"x-priority": "siren doctor"})
		return err
	})
}

// declares tries what a scaler does with lanes: it declares an exclusive queue that is named like one, and binds it by a key that nobody uses.
func (x *examiner) declares(ctx context.Context) {
	name := laneQueuePrefix + "doctor-" + strings.ToLower(rand.Text()[:10])
	args := queueRules{policy: x.Policy}.lane(lanes.Queue{Lane: "doctor", Type: lanes.Classic})
	err := x.try(ctx, func(ch *channel) error {
		if _, err := ch.QueueDeclare(name, false, true, true, false, args); err != nil {
			return err
		}
		defer func() { _, _ = ch.QueueDelete(name, false, false, false) }()
		return ch.QueueBind(name, name, jobsExchange, false, nil)
	})
	switch code(err) {
	case amqp.AccessRefused:
		x.refused(lanes.ScalerRole, refusal("declare and bind lanes", err))
	case amqp.NotFound: // no exchange yet
	default:
		if err != nil {
			x.add(doctor.Finding{
				Check: "broker.declare", Severity: doctor.Error, What: fmt.Sprintf("declare and bind a queue: %v", err),
				Why: "the scaler can't declare lanes", Mend: "the broker's log says why",
			})
		}
	}
}

// exchanges looks whether the exchanges are there as they have to be.
func (x *examiner) exchanges(ctx context.Context) {
	for _, want := range []struct {
		name, kind string
		args       amqp.Table
	}{{defaultExchange, amqp.ExchangeFanout, nil}, {jobsExchange, amqp.ExchangeDirect, amqp.Table{"alternate-exchange": defaultExchange}}} {
		err := x.try(ctx, func(ch *channel) error {
			if err := ch.ExchangeDeclarePassive(want.name, want.kind, true, false, false, false, nil); err != nil {
				return err
			}
			return ch.ExchangeDeclare(want.name, want.kind, true, false, false, false, want.args)
		})
		switch code(err) {
		case amqp.AccessRefused:
			x.refused(lanes.ScalerRole, refusal("declare exchanges", err))
		case amqp.NotFound:
			x.add(doctor.Finding{
				Check: "broker.exchanges", Severity: doctor.Warning, What: fmt.Sprintf("exchange %q is not declared", want.name),
				Why: "jobs can't be enqueued, or a wrong routing key loses them", Mend: "start `siren scaler`, which declares it; if one runs, its log says why it doesn't",
			})
		case amqp.PreconditionFailed:
			m := mismatch("exchange", want.name, err)
			x.add(doctor.Finding{Check: "broker.exchanges", Severity: doctor.Error, What: m.what(), Mend: m.mend(), Why: "jobs with a wrong routing key are lost, or none arrives"})
		default:
			if err == nil {
				x.add(doctor.Finding{Check: "broker.exchanges", What: fmt.Sprintf("exchange %q is as it has to be", want.name)})
			}
		}
	}
}

// leftovers looks for queues of lanes that left the policy, and of the type that a lane had before.
func (x *examiner) leftovers(ctx context.Context, all []wanted) {
	known := slices.Clone(x.Known)
	for _, lane := range x.Policy.LaneNames() { // Redis may have lost what it knew
		known = append(known, lanes.Queue{Lane: lane, Type: lanes.Classic}, lanes.Queue{Lane: lane, Type: lanes.Quorum})
	}
	for _, q := range known {
		name := queueName(q)
		if slices.ContainsFunc(all, func(w wanted) bool { return w.name == name }) {
			continue
		}
		all = append(all, wanted{name: name}) // each once
		d, is := x.look(ctx, wanted{name: name})
		if is != present {
			continue
		}
		f := doctor.Finding{Check: "broker.leftovers", Severity: doctor.Note, What: fmt.Sprintf("queue %s is of a lane, or a type, that the policy doesn't have any more; it is empty", name)}
		f.Why = "nothing deletes a queue by itself; an empty one costs little"
		f.Mend = "once no job runs that came from it: rabbitmqctl delete_queue --if-empty --if-unused " + name
		if q.Type == lanes.Quorum {
			f.Mend = "once no job runs that came from it, and it still is empty: rabbitmqctl delete_queue " + name // quorum queues don't know the flags
		}
		if d.ready > 0 {
			f.What = fmt.Sprintf("queue %s is of a lane, or a type, that the policy doesn't have any more, and %d jobs wait in it", name, d.ready)
			f.Why = "workers serve it until it is empty: before the lane's own queue, or last where the lane has left the policy"
			f.Mend = "nothing while it shrinks; `siren lanes migrate` and `siren lanes move` empty it at once"
		}
		x.add(f)
	}
}
