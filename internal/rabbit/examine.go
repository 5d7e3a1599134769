package rabbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/doctor"
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
func Examine(ctx context.Context, e Examination) []doctor.Finding {
	x := &examiner{Examination: e, refusals: map[string][]string{}}
	conn, err := e.Dial("doctor")
	if err != nil {
		return []doctor.Finding{unreachable(err)}
	}
	defer conn.Close()
	began := time.Now()
	dial, cancel := context.WithTimeout(ctx, reachedWithin)
	defer cancel()
	s, err := conn.session(dial)
	if err != nil {
		return []doctor.Finding{unreachable(err)}
	}
	x.conn = conn
	x.reached(ctx, s, time.Since(began))
	x.publishes(ctx)
	if e.Policy == nil {
		x.add(doctor.Finding{
			Check: "broker.queues", Severity: doctor.Note, What: "queues and rights on them weren't looked at: no policy is known",
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
	found    []doctor.Finding
	refusals map[string][]string // by role: what the user may not do
}

func (x *examiner) add(found ...doctor.Finding) { x.found = append(x.found, found...) }

func unreachable(err error) doctor.Finding {
	f := doctor.Finding{
		Check: "broker.reachable", Severity: doctor.Error, What: err.Error(),
		Why: "without RabbitMQ no job comes in, starts or is tried again", Mend: "check the URL, the network on the way, and that RabbitMQ runs: rabbitmq-diagnostics check_port_listener 5672",
	}
	if code(err) == amqp.AccessRefused {
		f.Mend = "check user, password and vhost in the URL: rabbitmqctl authenticate_user USER, rabbitmqctl list_permissions --vhost VHOST"
	}
	return f
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
	x.add(doctor.Finding{Check: "broker.reachable", What: fmt.Sprintf("connected to %s as %q in %s", to.address(), x.user, dialled.Round(100*time.Microsecond))}, judgePlain(to))
	if x.user == "guest" && to.uri.Password == "guest" {
		x.add(doctor.Finding{
			Check: "broker.guest", Severity: doctor.Warning, What: "the user is guest with its password of the first day",
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
				x.refused(role, "publish to exchange "+cmp.Or(to.exchange, "amq.default"))
			}
		case amqp.NotFound: // queues says so
			tried = true
		default:
			if err != nil {
				x.add(doctor.Finding{
					Check: "broker.publish", Severity: doctor.Error, What: fmt.Sprintf("publishing to %s: %v", cmp.Or(to.exchange, "the default exchange"), err),
					Why: "jobs, retries and dead letters are published", Mend: "the broker's log says why; `rabbitmq-diagnostics check_local_alarms` and `status` beside it",
				})
			}
		}
	}
	if tried || alarm != "" {
		x.add(judgeAlarm(alarm))
	}
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

// try runs the requests on a channel of its own: a refusal closes it.
func (x *examiner) try(ctx context.Context, request func(ch *channel) error) error {
	ch, err := x.conn.channel(ctx)
	if err != nil {
		return err
	}
	defer ch.close()
	return ch.call(func() error { return request(ch) })
}
