package operate_test

import (
	"errors"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/lanes/job"
)

// While siren.dead doesn't answer, nothing says that it has no letters.
func TestSilentDeadLetters(t *testing.T) {
	h := newHouse(t)
	h.put("", "siren.dead", amqp.Publishing{MessageId: "1"})
	rabbittest.SuspendOn(t, h.Broker, "siren.dead")
	all := dead.Filter{}
	for verb, do := range map[string]func() error{
		"count": func() error {
			_, err := dead.Count(t.Context(), h.Desk)
			return err
		},
		"list": func() error {
			_, err := dead.Read(t.Context(), h.Desk, func(job.Record) bool { return true })
			return err
		},
		"replay": func() error { return dead.NewReplay(h.Desk, h.Policy, all, nil).Run(t.Context()) },
		"purge":  func() error { return dead.NewPurge(h.Desk, all, nil, nil).Run(t.Context()) },
	} {
		if err := do(); !errors.Is(err, rabbitlink.ErrSilent) || !strings.Contains(err.Error(), "siren.dead") ||
			operate.KindOf(err) != operate.Unreachable {
			t.Errorf("%s: %v; want that siren.dead doesn't answer", verb, err)
		}
	}
}
