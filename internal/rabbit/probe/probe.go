// Package probe asks a broker what the processes of Siren will ask of it, and changes nothing: for the doctor, who
// judges the answers.
package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Probe tries what the processes of Siren do with a broker, and changes nothing: what it declares is exclusive and ends
// with its connection, what it publishes is in a transaction that is rolled back, and it consumes with an argument that
// is refused once the permission has been checked. Its errors are lanes.ErrRefused, ErrUndeclared or a *MismatchError
// where that is the broker's answer.
type Probe struct {
	dial func(purpose string) (*rabbitlink.Conn, error)
	conn *rabbitlink.Conn
}

// New probes over connections that dial opens, each for a purpose: an alarm, and a refusal, stops all else on one.
func New(dial func(purpose string) (*rabbitlink.Conn, error)) (*Probe, error) {
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
	Reached              time.Duration      // how long it took to connect
	Delay                time.Duration      // of an answer; 0: it couldn't be measured
	Addresses            []rabbitlink.Tried // all of the broker's
}

// reachedWithin is how long each host of a broker is waited for.
const reachedWithin = 5 * time.Second

// Reach connects.
func (p *Probe) Reach(ctx context.Context) (Server, error) {
	began := time.Now()
	within := reachedWithin
	if all, err := p.conn.Targets(); err == nil {
		within *= time.Duration(len(all))
	}
	dial, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	s, err := p.conn.Session(dial)
	if err != nil {
		return Server{}, err
	}
	took := time.Since(began)
	to := s.Target()
	return Server{
		Address: to.Address(), User: to.URI.Username, Vhost: to.URI.Vhost,
		DefaultPassword: to.URI.Username == "guest" && to.URI.Password == "guest",
		Encrypted:       to.URI.Scheme == "amqps",
		Local:           to.URI.Host == "localhost" || strings.HasPrefix(to.URI.Host, "127.") || to.URI.Host == "::1",
		Product:         s.Product(), Version: s.Version(), Reached: took, Delay: p.delay(ctx),
		Addresses: p.conn.Try(ctx),
	}, nil
}

// delay measures how long an answer takes.
func (p *Probe) delay(ctx context.Context) time.Duration {
	const calls = 5
	var began time.Time
	err := p.try(ctx, "", func(ch *rabbitlink.Channel) (err error) {
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

// patience is how long a queue may take to answer.
const patience = 2 * time.Second

// ask lends a channel of its own, since a refusal closes it.
func (p *Probe) ask(ctx context.Context, request func(ch *rabbitlink.Channel) error) error {
	ch, err := p.conn.Channel(ctx)
	if err != nil {
		return err
	}
	defer ch.Close()
	ch.Patience = patience
	return rabbitlink.Undeclared(request(ch))
}

// try asks about a queue, "" for none.
func (p *Probe) try(ctx context.Context, queue string, request func(ch *rabbitlink.Channel) error) error {
	return p.ask(ctx, func(ch *rabbitlink.Channel) error {
		return ch.About(queue, func() error { return request(ch) })
	})
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
	ch, err := conn.Channel(ctx)
	if err != nil {
		return "", err
	}
	if err := ch.Call(ch.Tx); err != nil {
		return "", err
	}
	if err := ch.Publish(exchange, "siren.doctor", false, false, amqp.Publishing{}); err != nil {
		return "", err
	}
	rolled := make(chan error, 1)
	go func() { rolled <- ch.TxRollback() }()
	defer ch.Session.Abandon() // it may hang
	end := time.NewTimer(blockedWithin)
	defer end.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-rolled:
			alarm, _ := ch.Session.Block()
			if errors.Is(err, amqp.ErrClosed) { // a refusal of the publish was faster than the rollback
				if reason := ch.Ended(); reason != nil {
					err = reason
				}
			}
			return alarm, rabbitlink.Undeclared(rabbitlink.Answered(err))
		case <-end.C:
			return "", fmt.Errorf("no answer within %s", blockedWithin)
		case <-ctx.Done():
			return "", ctx.Err()
		case <-look.C:
			if alarm, _ := ch.Session.Block(); alarm != "" {
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
	rules := topology.QueueRules{Policy: p, Broker: topology.ReleaseOf(version)}
	add := func(name, lane string, args amqp.Table) {
		kind, _ := args["x-queue-type"].(string)
		all = append(all, Wanted{name, kind, lane, args})
	}
	add(topology.DeadQueue, "", rules.Plain(p.Broker.QueueType))
	for _, b := range topology.Buckets {
		add(b.Queue, "", rules.Delay())
	}
	for _, q := range p.Queues() {
		add(topology.QueueName(q), q.Lane, rules.Lane(q))
	}
	return all
}

// Depth counts what waits in a queue, and who takes from it: 0 and 0 also where a quorum queue's leader is away. From
// 4.0 on only a user who may configure the queue is told.
func (p *Probe) Depth(ctx context.Context, queue string) (d fleet.Depth, err error) {
	err = p.ask(ctx, func(ch *rabbitlink.Channel) (err error) {
		d.Ready, d.Consumers, err = ch.Depth(queue)
		return err
	})
	return d, err
}

// Exclusive says whether err is that a queue belongs to another connection alone.
func Exclusive(err error) bool { return rabbitlink.Code(err) == amqp.ResourceLocked }

// Consume asks to consume with a priority that is no number. The broker looks at the permission, then for the queue,
// then at that: so the answer is always an error, and tells. No consumer is ever there.
func (p *Probe) Consume(ctx context.Context, queue string) error {
	return p.try(ctx, queue, func(ch *rabbitlink.Channel) error {
		_, err := ch.Consume(queue, "", false, false, false, false, amqp.Table{"x-priority": "siren doctor"})
		return err
	})
}

// Compare declares an existing queue again: that changes nothing, and is refused when its arguments are others. One
// that lets workers hold a job for longer than is asked for does as well.
func (p *Probe) Compare(ctx context.Context, w Wanted) error {
	err := p.try(ctx, w.Name, func(ch *rabbitlink.Channel) error {
		_, err := ch.QueueDeclare(w.Name, true, false, false, false, w.args)
		return err
	})
	if rabbitlink.Code(err) != amqp.PreconditionFailed {
		return err
	}
	m := topology.Mismatch("queue", w.Name, err)
	if topology.Longer(m, w.args) {
		return p.Compare(ctx, w)
	}
	return m
}

// DeclareLane declares an exclusive queue that is named like a lane's, and binds it by a key that nobody uses.
func (p *Probe) DeclareLane(ctx context.Context, policy *lanes.Policy) error {
	name := topology.LaneQueuePrefix + "doctor-" + strings.ToLower(rand.Text()[:10])
	args := topology.QueueRules{Policy: policy}.Lane(lanes.Queue{Lane: "doctor", Type: lanes.Classic})
	return p.try(ctx, name, func(ch *rabbitlink.Channel) error {
		if _, err := ch.QueueDeclare(name, false, true, true, false, args); err != nil {
			return err
		}
		defer func() { _, _ = ch.QueueDelete(name, false, false, false) }()
		return ch.QueueBind(name, name, topology.JobsExchange, false, nil)
	})
}

// CompareExchange declares one of Siren's exchanges again, if it exists.
func (p *Probe) CompareExchange(ctx context.Context, name string) error {
	kind, args := amqp.ExchangeFanout, amqp.Table(nil)
	if name == topology.JobsExchange {
		kind, args = amqp.ExchangeDirect, amqp.Table{"alternate-exchange": topology.DefaultExchange}
	}
	err := p.try(ctx, "", func(ch *rabbitlink.Channel) error {
		if err := ch.ExchangeDeclarePassive(name, kind, true, false, false, false, nil); err != nil {
			return err
		}
		return ch.ExchangeDeclare(name, kind, true, false, false, false, args)
	})
	if rabbitlink.Code(err) == amqp.PreconditionFailed {
		return topology.Mismatch("exchange", name, err)
	}
	return err
}

// Login takes user, password and vhost out of an AMQP URL, or a list of them. Its error never contains any part of it.
func Login(amqpURL string) (user *url.Userinfo, vhost string, err error) {
	all, err := rabbitlink.Parse(amqpURL)
	if err != nil {
		return nil, "", err
	}
	to := all[0].URI
	return url.UserPassword(to.Username, to.Password), to.Vhost, nil
}
