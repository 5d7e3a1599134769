package fleet

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/scaler"
)

// hasty is a roster on which an hour passes in six seconds.
type hasty struct {
	*redis.Roster
	began time.Time
}

func (h hasty) Workers(ctx context.Context) ([]lanes.Heartbeat, time.Time, error) {
	workers, now, err := h.Roster.Workers(ctx)
	return workers, h.began.Add(600 * now.Sub(h.began)), err
}

// still is a fleet without workers.
type still struct{}

func (still) Pools(context.Context) (map[string]lanes.PoolState, error) {
	return map[string]lanes.PoolState{"general": {}}, nil
}

func (still) Scale(context.Context, string, lanes.PoolState, int, []string) error { return nil }

const threeLanes = `
lanes:
- {name: express, match: [urgent=true], startWithin: 2s, paused: true}
- {name: standard, startWithin: 30s}
- {name: bulk, match: [batch=true], startWithin: 30m}
pools:
- {name: general, lanes: [express, standard, bulk], max: 6}
budget: 10
`

// A producer that is killed before it publishes, and a queue that is purged by hand, leave records without messages. The leader finds them missing, and
// those alone.
func TestRecordsWithoutMessagesAreMissing(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	ctx := t.Context()
	s, err := StartServers(ctx, Servers{}, t.TempDir(), io.Discard, log)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	store, err := redis.Open(s.RedisURL, log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	policy, err := lanes.Parse([]byte(threeLanes))
	if err != nil {
		t.Fatal(err)
	}
	conns := map[string]*rabbit.Conn{}
	for _, name := range []string{"topology", "backlog"} {
		if conns[name], err = rabbit.Open(rabbit.Options{URL: s.AMQPURL, Name: name, Log: log, Now: store.Now}); err != nil {
			t.Fatal(err)
		}
		defer conns[name].Close()
	}
	board := redis.NewBoard(store, log)
	known := func(ctx context.Context, current []lanes.Queue) ([]lanes.Queue, error) { return board.KnownQueues(ctx, current...) }
	d := &declarer{conn: conns["topology"], known: known, log: log}
	if err := d.await(ctx, policy); err != nil {
		t.Fatal(err)
	}

	producer, err := client.New(client.Options{AMQPURL: s.AMQPURL, RedisURL: s.RedisURL, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	enqueue := func(id string, labels map[string]string) client.Outcome {
		t.Helper()
		o := producer.EnqueueBatch(ctx, []lanes.Job{{ID: id, Kind: "probe", Labels: labels}})[0]
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		return o
	}
	enqueue("waits", map[string]string{"urgent": "true"})
	enqueue("purged", nil)
	purge(t, s.AMQPURL, "siren.lane.standard")
	ledger := redis.NewLedger(store, log)
	var unpublished []lanes.Delivery
	for i := range 20 {
		now := time.Now()
		unpublished = append(unpublished, lanes.Delivery{Job: lanes.Job{ID: fmt.Sprint("killed-", i), Kind: "probe"}, Lane: "bulk", EnqueuedAt: now, ReadyAt: now})
	}
	if _, err := ledger.CreateAll(ctx, unpublished); err != nil {
		t.Fatal(err)
	}

	loop := scaler.New(scaler.Options{
		Name: "scaler", Policy: policy, Tick: 20 * time.Millisecond, Backlog: rabbit.NewBacklog(conns["backlog"]),
		Roster: hasty{redis.NewRoster(store, log), time.Now()}, Board: board, Fleet: still{},
		Waiting: ledger.Waiting, Compare: ledger.Compare, Known: known,
	})
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(running) }()
	defer func() { stop(); <-ended }()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		n, byLane, err := ledger.CountMissing(ctx)
		if err == nil && n == 21 && byLane["standard"] == 1 && byLane["bulk"] == 20 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%d jobs are missing, %v, %v; want purged, and the 20 that were never published", n, byLane, err)
		}
	}
	record := func(id string) lanes.Record {
		t.Helper()
		r, err := producer.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := record("waits"); r.State != lanes.Queued {
		t.Errorf("the job whose message waits in a paused lane is %s", r.State)
	}
	if r, err := producer.Wait(ctx, "purged"); err != nil || r.State != lanes.Missing {
		t.Errorf("whoever waits for the purged one is told %s, %v", r.State, err)
	}

	// Its producer runs again: it is a job like any other.
	if o := enqueue("killed-7", map[string]string{"batch": "true"}); o.Known {
		t.Error("its producer is told that it may never run")
	}
	if r := record("killed-7"); r.State != lanes.Queued || r.Lane != "bulk" {
		t.Errorf("enqueued again: %s in lane %s", r.State, r.Lane)
	}
	depths, err := rabbit.NewBacklog(conns["topology"]).Depths(ctx, []lanes.Queue{lanes.ParseQueue("bulk")})
	if err != nil || depths[lanes.ParseQueue("bulk")].Ready != 1 {
		t.Errorf("in its queue: %v, %v", depths, err)
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
