// Package operatetest is what tests of the rooms of operate share: a private broker and Redis, and a desk on them.
package operatetest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
)

// rabbit and redisServer are the servers of all tests of a package.
var rabbit, redisServer *servers.Server

// Main runs a package's tests on servers of their own, and is the exit code.
func Main(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, s := range []struct {
		start func(context.Context, servers.Options) (*servers.Server, error)
		as    **servers.Server
	}{{servers.StartRabbitMQ, &rabbit}, {servers.StartRedis, &redisServer}} {
		server, err := s.start(ctx, servers.Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = server.Stop(context.Background()) }()
		*s.as = server
	}
	return m.Run()
}

// House is a broker and a Redis with a policy in force and empty lanes, and a desk on them.
type House struct {
	*testing.T
	Desk    *operate.Desk
	Policy  lanes.Policy
	Broker  *servers.Server
	Store   *redislink.Store
	Channel *amqp.Channel
	Warned  []string
	Noted   []audit.Entry
}

// NewHouse puts the policy into force on the servers.
func NewHouse(t *testing.T, policy string) *House {
	t.Helper()
	p, err := lanes.Parse([]byte(policy))
	h := &House{T: t, Broker: rabbit}
	h.Must(err)
	h.Policy = *p
	store := redistest.Open(t, redisServer.URL)
	h.Store = store
	board := redis.NewBoard(store, redistest.Discard)
	_, err = board.PublishPolicy(t.Context(), lanes.Effective{Policy: h.Policy})
	h.Must(err)
	h.Desk = &operate.Desk{
		Ledger: jobledger.New(store, redistest.Discard), Board: board, Audit: h, Now: store.Now,
		Connect: func(_ context.Context, name string) (*rabbitlink.Conn, error) {
			return rabbitlink.Open(rabbitlink.Options{URL: rabbit.URL, Name: name, Now: store.Now})
		},
		Warn: func(format string, args ...any) { h.Warned = append(h.Warned, fmt.Sprintf(format, args...)) },
	}
	declare, err := h.Desk.Connect(t.Context(), "declare")
	h.Must(err)
	defer declare.Close()
	h.Must(topology.Declare(t.Context(), declare, &h.Policy, nil))
	raw, err := amqp.Dial(rabbit.URL)
	h.Must(err)
	t.Cleanup(func() { _ = raw.Close() })
	h.Channel, err = raw.Channel()
	h.Must(err)
	queues := []string{topology.DeadQueue}
	for _, q := range h.Policy.Queues() {
		queues = append(queues, topology.QueueName(q))
	}
	for _, q := range queues {
		_, err := h.Channel.QueuePurge(q, false)
		h.Must(err)
	}
	return h
}

// Must ends the test with an error.
func (h *House) Must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// MayNote lets every note be made.
func (h *House) MayNote(context.Context) error { return nil }

// Note keeps what was noted.
func (h *House) Note(_ context.Context, e audit.Entry) error {
	h.Noted = append(h.Noted, e)
	return nil
}
