package serve

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/cmd/siren/serve/upkeep"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A job says running though its worker vanished, and its message is gone: the leader puts one more into its lane, once.
// It leaves alone what a worker runs, and what isn't over yet.
func TestRescuer(t *testing.T) {
	g := newGround(t)
	ctx, roster := t.Context(), redis.NewRoster(g.store, g.log)
	r := &upkeep.Rescuer{
		Ledger: g.ledger, Roster: roster, Publish: confirms.NewPublisher(g.connect(), 0), Log: g.log,
		Leading: func(context.Context) (bool, error) { return true, nil },
		InForce: func() *lanes.Policy { return g.policy }, Rescued: upkeep.NewRescued(prometheus.NewRegistry()),
	}
	rescue := func(after time.Duration, want float64) {
		t.Helper()
		if err := r.Rescue(ctx, after); err != nil {
			t.Fatal(err)
		}
		if n := testutil.ToFloat64(r.Rescued); n != want {
			t.Errorf("%v jobs are rescued, want %v", n, want)
		}
	}
	short := *g.policy
	short.Timing.Lease = lanes.Duration(time.Millisecond)
	g.ledger.SetPolicy(&short)
	for _, id := range []string{"lost", "unclaimed"} {
		g.enqueue(id, nil)
		purge(t, g.urls.AMQPURL, "siren.lane.standard") // as a worker that acknowledged it at its end
		d := work.Delivery{Job: job.Job{ID: id, Kind: "probe"}, Lane: "standard", Attempt: 1}
		if c, err := g.ledger.Claim(ctx, d, "w", 3); err != nil || c.State != work.Granted {
			t.Fatal(c, err)
		}
	}
	if _, err := roster.Beat(ctx, fleet.Heartbeat{Worker: "v", Running: []fleet.Run{{Job: "unclaimed"}}}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond)
	rescue(time.Hour, 0)
	rescue(0, 1)
	rescue(0, 1)
	for id, want := range map[string]job.State{"lost": job.Queued, "unclaimed": job.Running} {
		if is, err := g.ledger.Get(ctx, id); err != nil || is.State != want {
			t.Errorf("%s is %s, %v", id, is.State, err)
		}
	}
	m := g.only("siren.lane.standard")
	sent, _, err := job.Decode(m.Body, m.MessageId)
	if err != nil || sent.ID != "lost" || sent.Kind != "probe" || sent.Input != "file:///in/a.mp4" ||
		sent.Output != "file:///out/a.json" {
		t.Errorf("%+v, %v", sent, err)
	}
	if n := m.Headers["replay"]; n != nil && fmt.Sprint(n) != "0" {
		t.Errorf("its message has the number %v, not that of the one before", n)
	}
}

// only returns the one message of a queue.
func (g *ground) only(queue string) amqp.Delivery {
	g.t.Helper()
	conn, err := amqp.Dial(g.urls.AMQPURL)
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		g.t.Fatal(err)
	}
	m, ok, err := ch.Get(queue, true)
	if err != nil || !ok {
		g.t.Fatalf("%s: %v %v", queue, ok, err)
	}
	if _, more, err := ch.Get(queue, true); err != nil || more {
		g.t.Fatalf("%s has another message: %v", queue, err)
	}
	return m
}
