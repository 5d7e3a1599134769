package rabbittest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Probe looks at the broker directly, past the code under test.
type Probe struct {
	T    testing.TB
	Conn *amqp.Connection
	Ch   *amqp.Channel
}

func NewProbe(t testing.TB, url string) *Probe {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return &Probe{t, conn, ch}
}

func (p *Probe) Must(err error) {
	p.T.Helper()
	if err != nil {
		p.T.Fatal(err)
	}
}

func (p *Probe) Delete(queue string) {
	p.T.Helper()
	_, err := p.Ch.QueueDelete(queue, false, false, false)
	p.Must(err)
}

// Depth returns how many messages of a queue are ready, and how many consumers it has.
func (p *Probe) Depth(queue string) (ready, consumers int) {
	p.T.Helper()
	q, err := p.Ch.QueueDeclarePassive(Actual(queue), true, false, false, false, nil)
	p.Must(err)
	return q.Messages, q.Consumers
}

func (p *Probe) Ready(queue string) int {
	p.T.Helper()
	n, _ := p.Depth(queue)
	return n
}

func (p *Probe) Consumers(queue string) int {
	p.T.Helper()
	_, n := p.Depth(queue)
	return n
}

// Take removes the next message of a queue. It leaves out the headers that brokers add.
func (p *Probe) Take(queue string) (d amqp.Delivery) {
	p.T.Helper()
	if strings.HasPrefix(queue, "siren.delay.") {
		d = p.consume(queue)
	} else {
		var ok bool
		var err error
		d, ok, err = p.Ch.Get(Actual(queue), true)
		p.Must(err)
		if !ok {
			p.T.Fatalf("%s is empty", queue)
		}
	}
	delete(d.Headers, "x-delivery-count")
	delete(d.Headers, "x-acquired-count")
	return d
}

// consume does what take does for a queue with a single active consumer: basic.get is refused on such a quorum queue.
func (p *Probe) consume(queue string) amqp.Delivery {
	p.T.Helper()
	p.Must(p.Ch.Qos(1, 0, false))
	deliveries, err := p.Ch.Consume(queue, "take", false, false, false, false, nil)
	p.Must(err)
	defer func() { p.Must(p.Ch.Cancel("take", false)) }()
	select {
	case d := <-deliveries:
		p.Must(d.Ack(false))
		return d
	case <-time.After(5 * time.Second):
		p.T.Fatalf("%s is empty", queue)
		return amqp.Delivery{}
	}
}

// Publish sends a foreign message.
func (p *Probe) Publish(exchange, key string, m amqp.Publishing) {
	p.T.Helper()
	p.Must(p.Ch.Confirm(false))
	c, err := p.Ch.PublishWithDeferredConfirmWithContext(Soon(p.T), exchange, key, false, false, m)
	p.Must(err)
	if ok, err := c.WaitContext(Soon(p.T)); err != nil || !ok {
		p.T.Fatalf("publish: confirmed %t, %v", ok, err)
	}
}

// Depths returns how many messages each queue has, and how many queues there are.
func (p *Probe) Depths() string {
	p.T.Helper()
	out, err := Server(p.T).Rabbitmqctl(p.T.Context(), "-q", "list_queues", "name", "messages", "consumers")
	p.Must(err)
	lines := strings.Split(out, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Delay puts a message straight into a delay queue.
func (p *Probe) Delay(queue, id string, headers amqp.Table) {
	p.Publish("", queue, amqp.Publishing{
		MessageId: id, Body: fmt.Appendf(nil, `{"id":%q,"kind":"probe"}`, id),
		DeliveryMode: amqp.Persistent, Headers: headers,
	})
}

// Drain empties a lane, and is the ids of what was in it.
func (p *Probe) Drain(lane string) []string {
	p.T.Helper()
	var ids []string
	for {
		d, ok, err := p.Ch.Get(Actual("siren.lane."+lane), true)
		p.Must(err)
		if !ok {
			return ids
		}
		ids = append(ids, d.MessageId)
	}
}

// Asking puts a stranger's message into a lane, with a priority as AMQP has it.
func (p *Probe) Asking(lane, id string, priority int) {
	p.T.Helper()
	p.Publish("siren.jobs", lane, amqp.Publishing{
		MessageId: id, Body: fmt.Appendf(nil, `{"id":%q,"kind":"probe"}`, id), Priority: uint8(priority),
		Headers: amqp.Table{"readyAt": Since.UnixMilli()},
	})
}
