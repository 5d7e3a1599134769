package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/cmd/siren/serve/upkeep"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/scaler"
)

// hasty is a roster on which an hour passes in six seconds.
type hasty struct {
	*redis.Roster
	began time.Time
}

func (h hasty) Workers(ctx context.Context) ([]fleet.Heartbeat, time.Time, error) {
	workers, now, err := h.Roster.Workers(ctx)
	return workers, h.began.Add(600 * now.Sub(h.began)), err
}

// still is a fleet without workers.
type still struct{}

func (still) Pools(context.Context) (map[string]fleet.PoolState, error) {
	return map[string]fleet.PoolState{"general": {}}, nil
}

func (still) Scale(context.Context, string, fleet.PoolState, int, []string) error { return nil }

const threeLanes = `
lanes:
- {name: express, match: [urgent=true], startWithin: 2s, paused: true}
- {name: standard, startWithin: 30s}
- {name: bulk, match: [batch=true], startWithin: 30m}
pools:
- {name: general, lanes: [express, standard, bulk], max: 6}
budget: 10
`

// ground is real servers with the queues of threeLanes, for leaders that have no workers.
type ground struct {
	t        *testing.T
	urls     Servers
	log      *slog.Logger
	policy   *lanes.Policy
	store    *redislink.Store
	ledger   *jobledger.Ledger
	board    *redis.Board
	backlog  *rabbit.Backlog
	producer *client.Client
}

func newGround(t *testing.T) *ground {
	t.Helper()
	g := &ground{t: t, log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))}
	var err error
	if g.urls, err = StartServers(t.Context(), Servers{}, t.TempDir(), io.Discard, g.log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.urls.Stop)
	if g.store, err = redislink.Open(g.urls.Private[0].URL, g.log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.store.Close() })
	g.ledger, g.board = jobledger.New(g.store, g.log), redis.NewBoard(g.store, g.log)
	if g.policy, err = lanes.Parse([]byte(threeLanes)); err != nil {
		t.Fatal(err)
	}
	d := &upkeep.Declarer{Conn: g.connect(), Known: g.known, Log: g.log}
	if err := d.Await(t.Context(), g.policy); err != nil {
		t.Fatal(err)
	}
	g.backlog = rabbit.NewBacklog(g.connect())
	if g.producer, err = client.New(client.Options{
		AMQPURL:  g.urls.AMQPURL,
		RedisURL: g.urls.RedisFor(role.Producer), Policy: g.policy,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.producer.Close() })
	return g
}

func (g *ground) known(ctx context.Context, current []lanes.Queue) ([]lanes.Queue, error) {
	return g.board.KnownQueues(ctx, current...)
}

func (g *ground) connect() *rabbitlink.Conn {
	g.t.Helper()
	c, err := rabbitlink.Open(rabbitlink.Options{URL: g.urls.AMQPURL, Name: "scaler", Log: g.log, Now: g.store.Now})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(c.Close)
	return c
}

// enqueue puts a job into the lane that its labels choose.
func (g *ground) enqueue(id string, labels map[string]string) client.Outcome {
	g.t.Helper()
	o := g.producer.EnqueueBatch(g.t.Context(), []job.Job{{
		ID: id, Kind: "probe", Labels: labels,
		Input: "file:///in/a.mp4", Output: "file:///out/a.json",
	}})[0]
	if o.Err != nil {
		g.t.Fatal(o.Err)
	}
	return o
}

// lead runs a leader until it is stopped.
func (g *ground) lead(name string, roster scaler.Roster) (stop func()) {
	loop := scaler.New(scaler.Options{
		Name: name, Policy: g.policy, Tick: 20 * time.Millisecond, Backlog: g.backlog, Roster: roster, Board: g.board,
		Fleet:   still{},
		Waiting: g.ledger.Waiting, Compare: g.ledger.Compare, Last: g.board.Snapshot, Known: g.known,
	})
	running, cancel := context.WithCancel(g.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(running) }()
	return func() { cancel(); <-ended }
}

// express waits until the leader has seen what is wanted of lane express.
func (g *ground) express(leader string, wanted func(fleet.LaneStatus) bool) fleet.LaneStatus {
	g.t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		s, err := g.board.Snapshot(g.t.Context())
		if err == nil && s.Leader == leader && wanted(s.Lanes[0]) {
			return s.Lanes[0]
		}
		if time.Since(began) > time.Minute {
			g.t.Fatalf("%s has seen %+v, %v", leader, s, err)
		}
	}
}

// A producer that is killed before it publishes, and a queue that is purged by hand, leave records without messages.
// The leader finds them missing, and those alone. How long the oldest has waited survives it.
func TestLeaderComparesRecordsWithTheBroker(t *testing.T) {
	g := newGround(t)
	ctx, ledger, producer := t.Context(), g.ledger, g.producer
	roster := redis.NewRoster(g.store, g.log)
	g.enqueue("waits", map[string]string{"urgent": "true"})
	g.publish("express", "of plain AMQP")

	stop := g.lead("first", roster)
	was := g.express("first", func(l fleet.LaneStatus) bool { return l.OldestWait.D() > time.Second })
	stop()
	if was.Ready != 2 || was.Unrecorded != 0 && was.Unrecorded != 1 {
		t.Errorf("the first leader saw %+v", was)
	}
	stop = g.lead("second", roster)
	if is := g.express("second", func(fleet.LaneStatus) bool { return true }); is.OldestWait < was.OldestWait {
		t.Errorf("the oldest had waited for %s, and under a new leader for %s", was.OldestWait, is.OldestWait)
	}
	stop()

	g.enqueue("purged", nil)
	purge(t, g.urls.AMQPURL, "siren.lane.standard")
	var unpublished []work.Delivery
	for i := range 20 {
		now := time.Now()
		unpublished = append(unpublished, work.Delivery{
			Job:  job.Job{ID: fmt.Sprint("killed-", i), Kind: "probe"},
			Lane: "bulk", EnqueuedAt: now, ReadyAt: now,
		})
	}
	if _, err := ledger.CreateAll(ctx, unpublished); err != nil {
		t.Fatal(err)
	}

	stop = g.lead("third", hasty{roster, time.Now()})
	defer func() { stop() }()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		n, byLane, err := ledger.CountMissing(ctx)
		if err == nil && n == 21 && byLane["standard"] == 1 && byLane["bulk"] == 20 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%d jobs are missing, %v, %v; want purged, and the 20 that were never published", n, byLane, err)
		}
	}
	record := func(id string) job.Record {
		t.Helper()
		r, err := producer.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := record("waits"); r.State != job.Queued {
		t.Errorf("the job whose message waits in a paused lane is %s", r.State)
	}
	if r, err := producer.Wait(ctx, "purged"); err != nil || r.State != job.Missing {
		t.Errorf("whoever waits for the purged one is told %s, %v", r.State, err)
	}

	// Its producer runs again: it is a job like any other. To a hasty leader what is between record and message may
	// last for minutes.
	stop()
	stop = func() {}
	if o := g.enqueue("killed-7", map[string]string{"batch": "true"}); o.Known {
		t.Error("its producer is told that it may never run")
	}
	if r := record("killed-7"); r.State != job.Queued || r.Lane != "bulk" {
		t.Errorf("enqueued again: %s in lane %s", r.State, r.Lane)
	}
	depths, err := rabbit.NewBacklog(g.connect()).Depths(ctx, []lanes.Queue{lanes.ParseQueue("bulk")})
	if err != nil || depths[lanes.ParseQueue("bulk")].Ready != 1 {
		t.Errorf("in its queue: %v, %v", depths, err)
	}
}

// publish does what a producer of plain AMQP does, and makes no record.
func (g *ground) publish(lane, id string) {
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
	if err := ch.Confirm(false); err != nil {
		g.t.Fatal(err)
	}
	sent, err := ch.PublishWithDeferredConfirmWithContext(g.t.Context(), "siren.jobs", lane, true, false,
		amqp.Publishing{MessageId: id, Body: []byte(`{"kind":"probe"}`)})
	if err != nil || !sent.Wait() {
		g.t.Fatalf("publish: %v", err)
	}
}

// purge empties a queue as a person does by hand.
func purge(t *testing.T, url, queue string) {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := ch.QueuePurge(queue, false); err != nil || n != 1 {
		t.Fatalf("purged %d messages, %v", n, err)
	}
}
