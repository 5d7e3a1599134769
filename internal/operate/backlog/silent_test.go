package backlog

import (
	"errors"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/operatetest"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
)

// Of a queue that doesn't answer nothing says that 0 jobs were in it: the error names the queue, and what was done by
// then is told.
func TestSilentQueue(t *testing.T) {
	for _, kind := range []string{lanes.Classic, lanes.Quorum} {
		t.Run(kind, func(t *testing.T) {
			h := &house{House: operatetest.NewHouse(t, `
lanes:
  - {name: standard, startWithin: 30s, queueType: `+kind+`}
  - {name: bulk, match: ["batch=true"], startWithin: 30m}
pools:
  - {name: general, lanes: [standard, bulk], max: 3}
budget: 5
`)}
			conn, err := h.Desk.Connect(t.Context(), "publish")
			h.Must(err)
			t.Cleanup(conn.Close)
			h.publish = confirms.NewPublisher(conn, 0)
			h.enqueue("standard", 3)
			queue := h.Policy.QueueOf("standard")
			name := topology.QueueName(queue)
			rabbittest.SuspendOn(t, h.Broker, name)
			for verb, do := range map[string]func() (Done, error){
				"move":         func() (Done, error) { return Move(t.Context(), h.Desk, "standard", "bulk", 0, "") },
				"move a few":   func() (Done, error) { return Move(t.Context(), h.Desk, "standard", "bulk", 2, "") },
				"purge":        func() (Done, error) { return Purge(t.Context(), h.Desk, "standard", "") },
				"move to here": func() (Done, error) { return h.move(t.Context(), "standard", "standard", 0, nil) },
			} {
				done, err := do()
				if done.Jobs != 0 || !errors.Is(err, rabbitlink.ErrSilent) || !strings.Contains(err.Error(), name) ||
					operate.KindOf(err) != operate.Unreachable {
					t.Errorf("%s: it came to %+v, %v; want that %s doesn't answer", verb, done, err, name)
				}
			}
		})
	}
}

// The same of the queue that a lane had before it was given another type.
func TestMigrateFromASilentQueue(t *testing.T) {
	for _, kind := range []string{lanes.Classic, lanes.Quorum} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t)
			to := h.Policy.QueueOf("bulk")
			if kind == lanes.Classic {
				h = &house{House: operatetest.NewHouse(t, `
lanes:
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, queueType: quorum}
pools:
  - {name: general, lanes: [standard, bulk], max: 3}
budget: 5
`)}
				to = h.Policy.QueueOf("bulk")
			}
			from := topology.QueueName(other(to))
			_, err := h.Channel.QueueDeclarePassive(from, true, false, false, false, nil)
			if err != nil {
				h.Channel, err = rabbittest.NewProbe(t, h.Broker.URL).Conn.Channel()
				h.Must(err)
				_, err = h.Channel.QueueDeclare(from, true, false, false, false, amqp.Table{"x-queue-type": kind})
				h.Must(err)
			}
			h.Must(h.Channel.PublishWithContext(t.Context(), "", from, false, false, amqp.Publishing{}))
			rabbittest.SuspendOn(t, h.Broker, from)
			done, err := Migrate(t.Context(), h.Desk, to, "")
			if done.Jobs != 0 || !errors.Is(err, rabbitlink.ErrSilent) || !strings.Contains(err.Error(), from) {
				t.Errorf("it came to %+v, %v; want that %s doesn't answer", done, err, from)
			}
		})
	}
}
