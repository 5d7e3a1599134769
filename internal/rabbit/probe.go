package rabbit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// Probe tries what the processes of Siren do with a broker, and changes nothing: what it declares is exclusive and ends
// with its connection, what it publishes is in a transaction that is rolled back, and it consumes with an argument that
// is refused once the permission has been checked. Its errors are lanes.ErrRefused, ErrUndeclared or a *MismatchError
// where that is the broker's answer.
type Probe struct {
	dial func(purpose string) (*Conn, error)
	conn *Conn
}

// NewProbe probes over connections that dial opens, each for a purpose: an alarm, and a refusal, stops all else on one.
func NewProbe(dial func(purpose string) (*Conn, error)) (*Probe, error) {
	conn, err := dial("doctor")
	return &Probe{dial, conn}, err
}

// Close ends the connections.
func (p *Probe) Close() { p.conn.Close() }

// Server is what a broker, and the connection to it, say of themselves.
type Server struct {
	Address, User, Vhost string
	DefaultPassword      bool // the user is guest, with the password that RabbitMQ comes with
	Encrypted, Local     bool // the connection
	Product, Version     string
	Reached              time.Duration // how long it took to connect
	Delay                time.Duration // of an answer; 0: it couldn't be measured
}

// reachedWithin is how long a broker is waited for.
const reachedWithin = 5 * time.Second

// Reach connects.
func (p *Probe) Reach(ctx context.Context) (Server, error) {
	began := time.Now()
	dial, cancel := context.WithTimeout(ctx, reachedWithin)
	defer cancel()
	s, err := p.conn.session(dial)
	if err != nil {
		return Server{}, err
	}
	took := time.Since(began)
	to, err := p.conn.next()
	if err != nil {
		return Server{}, err
	}
	product, _ := s.conn.Properties["product"].(string)
	return Server{
		Address: to.address(), User: to.uri.Username, Vhost: to.uri.Vhost,
		DefaultPassword: to.uri.Username == "guest" && to.uri.Password == "guest",
		Encrypted:       to.uri.Scheme == "amqps",
		Local:           to.uri.Host == "localhost" || strings.HasPrefix(to.uri.Host, "127.") || to.uri.Host == "::1",
		Product:         product, Version: s.version(), Reached: took, Delay: p.delay(ctx),
	}, nil
}

// delay measures how long an answer takes.
func (p *Probe) delay(ctx context.Context) time.Duration {
	const calls = 5
	var began time.Time
	err := p.try(ctx, func(ch *channel) (err error) {
		began = time.Now()
		for range calls {
			err = errors.Join(err, ch.Qos(1, 0, false))
		}
		return err
	})
	if err != nil {
		return 0
	}
	return time.Since(began) / calls
}

// try runs requests on a channel of its own: a refusal closes it.
func (p *Probe) try(ctx context.Context, request func(ch *channel) error) error {
	ch, err := p.conn.channel(ctx)
	if err != nil {
		return err
	}
	defer ch.close()
	return undeclared(ch.call(func() error { return request(ch) }))
}

// blockedWithin is how long after a publish the broker says that an alarm blocks it; measured, it takes half a
// millisecond.
const blockedWithin = 2 * time.Second

// Publish publishes to the exchange, with a key that no queue is bound by, and takes it back; the broker checks the
// permission at once. alarm is what keeps it from accepting anything; a blocked connection isn't read any more, so
// there is no answer to the rollback then.
func (p *Probe) Publish(ctx context.Context, exchange string) (alarm string, err error) {
	conn, err := p.dial("doctor (publish)")
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
			alarm, _ := ch.session.block()
			if errors.Is(err, amqp.ErrClosed) { // a refusal of the publish was faster than the rollback
				if reason, ok := <-ch.closed; ok {
					err = reason
				}
			}
			return alarm, undeclared(refused(err))
		case <-end.C:
			return "", fmt.Errorf("no answer within %s", blockedWithin)
		case <-ctx.Done():
			return "", ctx.Err()
		case <-look.C:
			if alarm, _ := ch.session.block(); alarm != "" {
				return alarm, nil
			}
		}
	}
}

// Wanted is a queue that a policy asks for.
type Wanted struct {
	Name, Type string
	Lane       string // "": a delay queue, or the dead letters
	args       amqp.Table
}

// WantedQueues lists the queues that the policy asks for on a broker of that version.
func WantedQueues(p *lanes.Policy, version string) (all []Wanted) {
	rules := queueRules{policy: p, broker: ReleaseOf(version)}
	add := func(name, lane string, args amqp.Table) {
		kind, _ := args[argType].(string)
		all = append(all, Wanted{name, kind, lane, args})
	}
	add(DeadQueue, "", rules.plain(p.Broker.QueueType))
	for _, b := range buckets {
		add(b.queue, "", rules.delay())
	}
	for _, q := range p.Queues() {
		add(QueueName(q), q.Lane, rules.lane(q))
	}
	return all
}

// Depth counts what waits in a queue, and who takes from it. From 4.0 on only a user who may configure the queue is
// told.
func (p *Probe) Depth(ctx context.Context, queue string) (d lanes.Depth, err error) {
	err = p.try(ctx, func(ch *channel) error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		d = lanes.Depth{Ready: q.Messages, Consumers: q.Consumers}
		return err
	})
	return d, err
}

// Exclusive says whether err is that a queue belongs to another connection alone.
func Exclusive(err error) bool { return code(err) == amqp.ResourceLocked }

// Consume asks to consume with a priority that is no number. The broker looks at the permission, then for the queue,
// then at that: so the answer is always an error, and tells. No consumer is ever there.
func (p *Probe) Consume(ctx context.Context, queue string) error {
	return p.try(ctx, func(ch *channel) error {
		_, err := ch.Consume(queue, "", false, false, false, false, amqp.Table{"x-priority": "siren doctor"})
		return err
	})
}

// Compare declares a queue that is there anew: that changes nothing, and is refused when its arguments are others. One
// that lets workers hold a job for longer than is asked for does as well.
func (p *Probe) Compare(ctx context.Context, w Wanted) error {
	err := p.try(ctx, func(ch *channel) error {
		_, err := ch.QueueDeclare(w.Name, true, false, false, false, w.args)
		return err
	})
	if code(err) != amqp.PreconditionFailed {
		return err
	}
	m := mismatch("queue", w.Name, err)
	if longer(m, w.args) {
		return p.Compare(ctx, w)
	}
	return m
}

// DeclareLane declares an exclusive queue that is named like a lane's, and binds it by a key that nobody uses.
func (p *Probe) DeclareLane(ctx context.Context, policy *lanes.Policy) error {
	name := LaneQueuePrefix + "doctor-" + strings.ToLower(rand.Text()[:10])
	args := queueRules{policy: policy}.lane(lanes.Queue{Lane: "doctor", Type: lanes.Classic})
	return p.try(ctx, func(ch *channel) error {
		if _, err := ch.QueueDeclare(name, false, true, true, false, args); err != nil {
			return err
		}
		defer func() { _, _ = ch.QueueDelete(name, false, false, false) }()
		return ch.QueueBind(name, name, JobsExchange, false, nil)
	})
}

// CompareExchange declares one of Siren's exchanges anew, if it is there.
func (p *Probe) CompareExchange(ctx context.Context, name string) error {
	kind, args := amqp.ExchangeFanout, amqp.Table(nil)
	if name == JobsExchange {
		kind, args = amqp.ExchangeDirect, amqp.Table{"alternate-exchange": DefaultExchange}
	}
	err := p.try(ctx, func(ch *channel) error {
		if err := ch.ExchangeDeclarePassive(name, kind, true, false, false, false, nil); err != nil {
			return err
		}
		return ch.ExchangeDeclare(name, kind, true, false, false, false, args)
	})
	if code(err) == amqp.PreconditionFailed {
		return mismatch("exchange", name, err)
	}
	return err
}

// Login takes user, password and vhost out of an AMQP URL. Its error never contains any part of it.
func Login(amqpURL string) (user *url.Userinfo, vhost string, err error) {
	to, err := parse(amqpURL)
	return url.UserPassword(to.uri.Username, to.uri.Password), to.uri.Vhost, err
}
