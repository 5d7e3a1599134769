package rabbit_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

// forward runs a forwarder for the rest of the test, over the given URL or else straight to the broker.
func forward(t *testing.T, url ...string) (stop func()) {
	t.Helper()
	if len(url) == 0 {
		url = []string{server(t).URL}
	}
	return forwardOver(t, open(t, url[0], "forward"), publisher(t, url[0]))
}

func forwardOver(t *testing.T, consume *rabbit.Conn, p *rabbit.Publisher) (stop func()) {
	t.Helper()
	return forwardBy(t, consume, p, nil)
}

func forwardBy(t *testing.T, consume *rabbit.Conn, p *rabbit.Publisher, policy *lanes.Policy) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := rabbit.Forward(ctx, consume, p, func() *lanes.Policy { return policy }); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

func inAWhile(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }

// delay puts a message straight into a delay queue.
func (p *probe) delay(queue, id string, headers amqp.Table) {
	p.publish("", queue, amqp.Publishing{
		MessageId: id, Body: fmt.Appendf(nil, `{"id":%q,"kind":"probe"}`, id), DeliveryMode: amqp.Persistent, Headers: headers,
	})
}

// Jobs come out by their due time, not in the order of the queue.
func TestForwarderGoesByDueTime(t *testing.T) {
	probe := declared(t)
	probe.delay("siren.delay.5s", "late", amqp.Table{"lane": "bulk", "dueAt": inAWhile(1200 * time.Millisecond)})
	probe.delay("siren.delay.5s", "soon", amqp.Table{"lane": "bulk", "dueAt": inAWhile(300 * time.Millisecond)})
	probe.delay("siren.delay.15m", "past", amqp.Table{"lane": "bulk", "dueAt": inAWhile(-time.Hour)})
	forward(t)
	until(t, "all are back", func() bool { return probe.ready("siren.lane.bulk") == 3 })
	for _, want := range []string{"past", "soon", "late"} {
		if d := probe.take("siren.lane.bulk"); d.MessageId != want {
			t.Errorf("job %s came, want %s", d.MessageId, want)
		}
	}
}

func TestForwarderOddHeadersGoToTheDefaultLane(t *testing.T) {
	probe := declared(t)
	probe.delay("siren.delay.1s", "none", nil)
	probe.delay("siren.delay.1s", "odd", amqp.Table{"lane": int32(7), "dueAt": "when it suits you"})
	probe.delay("siren.delay.1s", "gone", amqp.Table{"lane": "left-the-policy", "dueAt": inAWhile(0)})
	forward(t)
	until(t, "all are in the default lane", func() bool { return probe.ready("siren.lane.standard") == 3 })
}

// A job that is due later than the last queue reaches goes round again.
func TestForwarderGoesRoundAgain(t *testing.T) {
	probe := declared(t)
	was := rabbit.SetLongestDelay(time.Second)
	t.Cleanup(func() { rabbit.SetLongestDelay(was) })
	due := time.Now().Add(1700 * time.Millisecond)
	probe.delay("siren.delay.15m", "far", amqp.Table{"lane": "bulk", "dueAt": due.UnixMilli(), "attempt": int64(2), "error": "it went wrong"})
	forward(t)
	until(t, "it is back", func() bool { return probe.ready("siren.lane.bulk") == 1 })
	if early := time.Until(due); early > time.Millisecond {
		t.Errorf("came %s too early", early)
	}
	if d := probe.take("siren.lane.bulk"); d.Headers["attempt"] != int64(2) || d.Headers["error"] != "it went wrong" {
		t.Errorf("came back with headers %v", d.Headers)
	}
}

// More jobs stand in a queue than the forwarder holds: one behind them that is due sooner comes at its time.
func TestForwarderSeesEveryJob(t *testing.T) {
	for _, c := range []struct {
		name, queue, kept string
		others            time.Duration // until they are due
		due               time.Duration
	}{
		{"far off", "siren.delay.far", "siren.delay.far", 2 * time.Hour, 2500 * time.Millisecond},
		{"far off, where an older version put them", "siren.delay.15m", "siren.delay.far", 2 * time.Hour, 700 * time.Millisecond},
		{"with an exact time", "siren.delay.1m", "siren.delay.1m", 55 * time.Second, 2500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			probe := declared(t)
			held, longest := rabbit.SetForwardPrefetch(4), rabbit.SetLongestDelay(time.Second)
			t.Cleanup(func() { rabbit.SetForwardPrefetch(held); rabbit.SetLongestDelay(longest) })
			for i := range 10 {
				probe.delay(c.queue, fmt.Sprint(i), amqp.Table{"lane": "bulk", "dueAt": inAWhile(c.others)})
			}
			due := time.Now().Add(c.due)
			probe.delay(c.queue, "sooner", amqp.Table{"lane": "bulk", "dueAt": due.UnixMilli()})
			stop := forward(t)
			until(t, "it is back", func() bool { return probe.ready("siren.lane.bulk") == 1 })
			if early := time.Until(due); early > time.Millisecond {
				t.Errorf("came %s too early", early)
			}
			stop()
			// Stopped between confirm and ack, it doubles a job.
			until(t, "the others are in the queue that fits", func() bool { return probe.ready(c.kept) >= 10 })
		})
	}
}

// A worker whose clock is an hour ahead, or behind, holds its jobs up no longer than it meant to.
func TestForwarderDoubtsClocks(t *testing.T) {
	probe := declared(t)
	probe.delay("siren.delay.1s", "ahead", amqp.Table{"lane": "bulk", "dueAt": inAWhile(time.Hour)})
	probe.delay("siren.delay.1s", "behind", amqp.Table{"lane": "bulk", "dueAt": inAWhile(-time.Hour)})
	forward(t)
	until(t, "both are back", func() bool { return probe.ready("siren.lane.bulk") == 2 })
}

// Cut off while it holds jobs, a forwarder loses none; and it doubles none that it hadn't published.
func TestForwarderSurvivesACut(t *testing.T) {
	probe := declared(t)
	const jobs = 50
	for i := range jobs {
		probe.delay("siren.delay.5s", fmt.Sprint(i), amqp.Table{"lane": "bulk", "dueAt": inAWhile(time.Second)})
	}
	way := newProxy(t, server(t).URL)
	forward(t, way.url)
	until(t, "it holds them", func() bool { return probe.ready("siren.delay.5s") == 0 })
	way.cut()
	until(t, "all are back", func() bool { return probe.ready("siren.lane.bulk") >= jobs })
	time.Sleep(200 * time.Millisecond)
	if n := probe.ready("siren.lane.bulk"); n != jobs {
		t.Errorf("%d jobs came back, want %d", n, jobs)
	}
}

// A second forwarder stands by, and takes over with everything that the first one held.
func TestForwarderStandsBy(t *testing.T) {
	probe := declared(t)
	stop := forward(t)
	until(t, "the first one works", func() bool { return probe.consumers("siren.delay.15m") == 1 })
	forward(t)
	if queueType == lanes.Classic {
		until(t, "the second one stands by", func() bool { return probe.consumers("siren.delay.15m") == 2 })
	} else {
		time.Sleep(500 * time.Millisecond) // of a quorum queue's consumers the broker counts the active one alone
	}
	probe.delay("siren.delay.5s", "1", amqp.Table{"lane": "bulk", "dueAt": inAWhile(700 * time.Millisecond)})
	until(t, "the job is held", func() bool { return probe.ready("siren.delay.5s") == 0 })
	stop()
	until(t, "the job is back", func() bool { return probe.ready("siren.lane.bulk") == 1 })
}

func TestForwarderWaitsForTheTopology(t *testing.T) {
	probe := fresh(t)
	forward(t)
	time.Sleep(300 * time.Millisecond)
	declare(t, policy(t))
	probe.delay("siren.delay.1s", "1", amqp.Table{"lane": "bulk"})
	until(t, "the job is back", func() bool { return probe.ready("siren.lane.bulk") == 1 })
}

// Some jobs of a batch have nowhere to go: the log says why, whichever of them they are.
func TestForwarderSaysWhatFailed(t *testing.T) {
	probe := declared(t)
	probe.must(probe.ch.QueueUnbind(actual("siren.lane.standard"), "", "siren.default", nil))
	due := inAWhile(time.Second) // all in one batch
	for i := range 200 {
		lane := "bulk"
		if i%10 == 9 {
			lane = "left-the-policy"
		}
		probe.delay("siren.delay.5s", fmt.Sprint(i), amqp.Table{"lane": lane, "dueAt": due})
	}
	var said lockedBuffer
	consume, err := rabbit.Open(rabbit.Options{URL: server(t).URL, Name: "forward", Log: slog.New(slog.NewTextHandler(&said, nil))})
	probe.must(err)
	t.Cleanup(consume.Close)
	stop := forwardOver(t, consume, publisher(t, server(t).URL))
	until(t, "the others are back", func() bool { return probe.ready("siren.lane.bulk") == 180 })
	until(t, "it says what failed", func() bool { return strings.Contains(said.String(), "could not be put back") })
	stop()
	if strings.Contains(said.String(), "error=<nil>") {
		t.Errorf("it doesn't say why: %s", said.String())
	}
}
