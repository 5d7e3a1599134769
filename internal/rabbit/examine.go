package rabbit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// Examination is what Examine is told.
type Examination struct {
	// Dial opens a connection of its own for a purpose: an alarm, and a refusal, stops all else on one.
	Dial   func(purpose string) (*Conn, error)
	Policy *lanes.Policy // nil: not known, so queues and rights on them aren't looked at
	Known  []lanes.Queue // queues that lanes ever had; those that the policy doesn't use any more may still be there
	Roles  []string      // what the user is to be: lanes.Roles or some of them
}

// Examine looks at the broker as the processes of these roles would use it, and changes nothing: what it declares is
// exclusive and ends with its connection, what it publishes is in a transaction that is rolled back, and it consumes with an argument that is
// refused once the permission has been checked. It returns within some seconds after ctx has ended.
func Examine(ctx context.Context, e Examination) []lanes.Finding {
	x := &examiner{Examination: e, refusals: map[string][]string{}}
	conn, err := e.Dial("doctor")
	if err != nil {
		return []lanes.Finding{unreachable(err)}
	}
	defer conn.Close()
	began := time.Now()
	dial, cancel := context.WithTimeout(ctx, reachedWithin)
	defer cancel()
	s, err := conn.session(dial)
	if err != nil {
		return []lanes.Finding{unreachable(err)}
	}
	x.conn = conn
	x.reached(ctx, s, time.Since(began))
	x.publishes(ctx)
	if e.Policy == nil {
		x.add(lanes.Finding{
			Check: "broker.queues", Severity: lanes.Note, What: "queues and rights on them weren't looked at: no policy is known",
			Why: "the policy says which queues there have to be", Mend: "say --policy FILE, or start `siren scaler`, which publishes the policy in force",
		})
	} else {
		x.queues(ctx)
	}
	for _, role := range e.Roles {
		x.add(judgeRights(role, x.user, x.vhost, len(e.Roles) > 1, x.refusals[role]))
	}
	return x.found
}

// reachedWithin is how long a broker is waited for.
const reachedWithin = 5 * time.Second

type examiner struct {
	Examination
	conn     *Conn
	user     string
	vhost    string
	version  string
	found    []lanes.Finding
	refusals map[string][]string // by role: what the user may not do
}

func (x *examiner) add(found ...lanes.Finding) { x.found = append(x.found, found...) }

func unreachable(err error) lanes.Finding {
	return lanes.Finding{
		Check: "broker.reachable", Severity: lanes.Error, What: err.Error(),
		Why: "without RabbitMQ no job comes in, starts or is tried again", Mend: "check the URL, the network on the way, and that RabbitMQ runs: rabbitmq-diagnostics check_port_listener 5672",
	}
}

// refused notes what a user of the role may not do.
func (x *examiner) refused(role, what string) {
	if !slices.Contains(x.refusals[role], what) {
		x.refusals[role] = append(x.refusals[role], what)
	}
}

func (x *examiner) has(role string) bool { return slices.Contains(x.Roles, role) }

// reached tells what the connection itself says.
func (x *examiner) reached(ctx context.Context, s *session, dialled time.Duration) {
	to, err := x.conn.next()
	if err != nil {
		x.add(unreachable(err))
		return
	}
	x.user, x.vhost, x.version = to.uri.Username, to.uri.Vhost, s.version()
	x.add(lanes.Finding{Check: "broker.reachable", What: fmt.Sprintf("connected to %s as %q in %s", to.address(), x.user, dialled.Round(100*time.Microsecond))}, judgePlain(to))
	if x.user == "guest" && to.uri.Password == "guest" {
		x.add(lanes.Finding{
			Check: "broker.guest", Severity: lanes.Warning, What: "the user is guest with its password of the first day",
			Why: "whoever reaches the broker may do everything there", Mend: "rabbitmqctl add_user siren PASSWORD, grant it what `siren doctor` says, then rabbitmqctl delete_user guest",
		})
	}
	product, _ := s.conn.Properties["product"].(string)
	x.add(judgeVersion(product, x.version))
	if ch, err := x.conn.channel(ctx); err == nil {
		began := time.Now()
		const calls = 5
		for range calls {
			err = errors.Join(err, ch.call(func() error { return ch.Qos(1, 0, false) }))
		}
		ch.close()
		if err == nil {
			x.add(judgeDelay("broker.delay", "RabbitMQ", time.Since(began)/calls))
		}
	}
}

// publishes tries each exchange that a role publishes to, and so learns of an alarm.
func (x *examiner) publishes(ctx context.Context) {
	alarm, tried := "", false
	for _, to := range []struct {
		exchange string
		roles    []string
	}{{jobsExchange, []string{lanes.ScalerRole, lanes.ProducerRole}}, {"", []string{lanes.WorkerRole}}} {
		roles := slices.DeleteFunc(to.roles, func(role string) bool { return !x.has(role) })
		if len(roles) == 0 {
			continue
		}
		why, err := x.publish(ctx, to.exchange)
		tried = tried || err == nil
		if why != "" {
			alarm = why
		}
		switch code(err) {
		case amqp.AccessRefused:
			for _, role := range roles {
				x.refused(role, "publish to exchange "+cmpOr(to.exchange, "amq.default"))
			}
		case amqp.NotFound: // queues says so
			tried = true
		default:
			if err != nil {
				x.add(lanes.Finding{
					Check: "broker.publish", Severity: lanes.Error, What: fmt.Sprintf("publishing to %s: %v", cmpOr(to.exchange, "the default exchange"), err),
					Why: "jobs, retries and dead letters are published", Mend: "the broker's log says why; `rabbitmq-diagnostics check_local_alarms` and `status` beside it",
				})
			}
		}
	}
	if tried || alarm != "" {
		x.add(judgeAlarm(alarm))
	}
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// blockedWithin is how long after a publish the broker says that an alarm blocks it; measured, it takes half a millisecond.
const blockedWithin = 2 * time.Second

// publish publishes to the exchange in a transaction, with a key that no queue is bound by, and rolls it back. The broker checks the permission at once. why is
// the alarm that blocks publishing; a blocked connection isn't read any more, so there is no answer to the rollback then.
func (x *examiner) publish(ctx context.Context, exchange string) (why string, err error) {
	conn, err := x.Dial("doctor (publish)")
	if err != nil {
		return "", err
	}
	defer conn.Close()
	ch, err := conn.channel(ctx)
	if err != nil {
		return "", err
	}
	if err := ch.call(ch.Tx); err != nil {
		return "", err
	}
	if err := ch.Publish(exchange, "siren.doctor", false, false, amqp.Publishing{}); err != nil {
		return "", err
	}
	rolled := make(chan error, 1)
	go func() { rolled <- ch.TxRollback() }()
	defer ch.session.abandon() // it may hang
	end := time.NewTimer(blockedWithin)
	defer end.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-rolled:
			why, _ := ch.session.block()
			if errors.Is(err, amqp.ErrClosed) { // a refusal of the publish was faster than the rollback
				if reason, ok := <-ch.closed; ok {
					err = reason
				}
			}
			return why, err
		case <-end.C:
			return "", fmt.Errorf("no answer within %s", blockedWithin)
		case <-ctx.Done():
			return "", ctx.Err()
		case <-look.C:
			if why, _ := ch.session.block(); why != "" {
				return why, nil
			}
		}
	}
}

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
		x.add(lanes.Finding{
			Check: "broker.queues", Severity: lanes.Warning, What: "none of Siren's queues is declared on this broker and vhost",
			Why: "jobs can't be enqueued before a scaler has declared them", Mend: "start `siren scaler` (or `siren up`), or name the right vhost in the URL",
		})
	case len(missing) > 0:
		x.add(lanes.Finding{
			Check: "broker.queues", Severity: lanes.Error, What: "not declared: " + strings.Join(missing, ", "),
			Why: "jobs for them are refused or go to the default lane, and lanes without a queue count as stale", Mend: "a running scaler declares them within seconds; its log says why it doesn't",
		})
	case same == len(all):
		x.add(lanes.Finding{Check: "broker.queues", What: fmt.Sprintf("all %d queues are declared as the policy asks for them", len(all))})
	case !x.has(lanes.ScalerRole):
		x.add(lanes.Finding{
			Check: "broker.queues", Severity: lanes.Note, What: fmt.Sprintf("the arguments of the %d queues weren't compared with the policy: only a scaler's user may", len(all)),
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
		x.add(lanes.Finding{
			Check: "broker.queues", Severity: lanes.Error, What: fmt.Sprintf("queue %q is exclusive to another connection: %v", w.name, err),
			Why: "nobody else may use it", Mend: "find out who declared it (rabbitmqctl list_queues name owner_pid), and have it deleted",
		})
		return d, unknown
	}
	if err != nil {
		x.add(lanes.Finding{
			Check: "broker.queues", Severity: lanes.Error, What: fmt.Sprintf("queue %q: %v", w.name, err),
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
		x.add(lanes.Finding{Check: "broker.queues", Severity: lanes.Warning, What: m.what(), Mend: m.mend(), Why: "it is used as it is, without what the argument is for"})
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
			x.add(lanes.Finding{
				Check: "broker.declare", Severity: lanes.Error, What: fmt.Sprintf("declare and bind a queue: %v", err),
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
			x.add(lanes.Finding{
				Check: "broker.exchanges", Severity: lanes.Warning, What: fmt.Sprintf("exchange %q is not declared", want.name),
				Why: "jobs can't be enqueued, or a wrong routing key loses them", Mend: "start `siren scaler`, which declares it; if one runs, its log says why it doesn't",
			})
		case amqp.PreconditionFailed:
			m := mismatch("exchange", want.name, err)
			x.add(lanes.Finding{Check: "broker.exchanges", Severity: lanes.Error, What: m.what(), Mend: m.mend(), Why: "jobs with a wrong routing key are lost, or none arrives"})
		default:
			if err == nil {
				x.add(lanes.Finding{Check: "broker.exchanges", What: fmt.Sprintf("exchange %q is as it has to be", want.name)})
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
		f := lanes.Finding{Check: "broker.leftovers", Severity: lanes.Note, What: fmt.Sprintf("queue %s is of a lane, or a type, that the policy doesn't have any more; it is empty", name)}
		f.Why = "nothing deletes a queue by itself; an empty one costs little"
		f.Mend = "once no job runs that came from it: rabbitmqctl delete_queue " + name
		if d.ready > 0 {
			f.What = fmt.Sprintf("queue %s is of a lane, or a type, that the policy doesn't have any more, and %d jobs wait in it", name, d.ready)
			f.Why = "workers serve it until it is empty: before the lane's own queue, or last where the lane has left the policy"
			f.Mend = "nothing while it shrinks; `siren lanes migrate` and `siren lanes move` empty it at once"
		}
		x.add(f)
	}
}

// try runs the requests on a channel of its own: a refusal closes it.
func (x *examiner) try(ctx context.Context, request func(ch *channel) error) error {
	ch, err := x.conn.channel(ctx)
	if err != nil {
		return err
	}
	defer ch.close()
	return ch.call(func() error { return request(ch) })
}
