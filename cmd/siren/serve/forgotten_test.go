package serve

import (
	"slices"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/cmd/siren/serve/upkeep"
	"github.com/polyglot-media/siren/lanes"
)

// Redis has lost its data while no scaler ran, and a lane's jobs are in a queue of the type that it had before: the
// next scaler finds that queue.
func TestQueueThatNobodyRemembers(t *testing.T) {
	g := newGround(t)
	conn, err := amqp.Dial(g.urls.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	_, err = ch.QueueDeclare("siren.lane.bulk.quorum", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	if err != nil {
		t.Fatal(err)
	}
	former := lanes.ParseQueue("bulk.quorum")
	if known, err := g.known(t.Context(), nil); err != nil || slices.Contains(known, former) {
		t.Fatalf("known before: %v, %v", known, err)
	}
	d := &upkeep.Declarer{Conn: g.connect(), Known: g.known, Log: g.log}
	if err := d.Await(t.Context(), g.policy); err != nil {
		t.Fatal(err)
	}
	if known, err := g.known(t.Context(), nil); err != nil || !slices.Contains(known, former) || len(known) != 4 {
		t.Errorf("known: %v, %v; want the lanes' three queues, and %s", known, err, former)
	}
}
