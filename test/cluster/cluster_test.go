package cluster

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/test/wait"
)

func TestMain(m *testing.M) {
	if code, done := AsRoot(nil, nil); done {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// answers is whether the node accepts a connection and answers it within the time.
func answers(t *testing.T, n *Node, within time.Duration) bool {
	t.Helper()
	conn, err := amqp.DialConfig(n.URL(), amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		c, err := net.DialTimeout(network, address, within)
		if err == nil {
			err = c.SetDeadline(time.Now().Add(within))
		}
		return c, err
	}})
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// TestCluster walks through all that can be done to a node: each time the others hold the queue.
func TestCluster(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		gone := func() (bool, error) {
			_, err := net.InterfaceByName(c.net.cable(0, 1))
			return err != nil, nil
		}
		if err := wait.Until(context.Background(), time.Minute, "the hosts to be gone", gone); err != nil {
			t.Error(err)
		}
	})
	const queue = "tested"
	declare(t, c.Nodes[1], queue)
	if members, err := c.Members(ctx, queue); err != nil || members != 3 {
		t.Fatalf("the queue has %d members: %v", members, err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	third := c.Nodes[2]
	led := func(by *Node) {
		t.Helper()
		must(wait.Until(ctx, time.Minute, "the leader on "+by.Name, func() (bool, error) {
			leader, err := c.Leader(ctx, queue)
			return leader == by, err
		}))
	}
	must(c.MoveLeader(ctx, queue, third))
	led(third)
	for what, f := range map[string]struct{ do, undo func() error }{
		"hang": {third.Hang, third.Resume},
		"cut":  {func() error { return third.Cut(ctx) }, func() error { return third.Heal(ctx) }},
		"kill": {third.Kill, func() error { return third.Restart(ctx) }},
		"halt": {func() error { return third.Halt(ctx) }, func() error { return third.Restart(ctx) }},
	} {
		must(f.do())
		if answers(t, third, time.Second) {
			t.Errorf("%s: it answers", what)
		}
		if !answers(t, c.Nodes[0], 30*time.Second) {
			t.Errorf("%s: the first node doesn't answer", what)
		}
		must(f.undo())
		if !answers(t, third, 30*time.Second) {
			t.Errorf("%s, undone: it doesn't answer", what)
		}
		must(c.AwaitSync(ctx))
	}
	must(third.Part(ctx))
	if !answers(t, third, 30*time.Second) {
		t.Error("a node that only the others can't reach doesn't answer")
	}
	must(third.Heal(ctx))
	must(third.Restart(ctx))
	must(c.MoveLeader(ctx, queue, c.Nodes[0]))
	led(c.Nodes[0])
}

// declare declares a quorum queue.
func declare(t *testing.T, at *Node, queue string) {
	t.Helper()
	conn, err := amqp.Dial(at.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
}
