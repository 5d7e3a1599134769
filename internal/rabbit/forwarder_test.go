package rabbit_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/lanes"
)

// Jobs come out by their due time, not in the order of the queue.
func TestForwarderGoesByDueTime(t *testing.T) {
	probe := rabbittest.Declared(t)
	probe.Delay("siren.delay.5s", "late", amqp.Table{
		"lane":  "bulk",
		"dueAt": rabbittest.InAWhile(1200 * time.Millisecond),
	})
	probe.Delay("siren.delay.5s", "soon", amqp.Table{
		"lane":  "bulk",
		"dueAt": rabbittest.InAWhile(300 * time.Millisecond),
	})
	probe.Delay("siren.delay.15m", "past", amqp.Table{"lane": "bulk", "dueAt": rabbittest.InAWhile(-time.Hour)})
	rabbittest.Forward(t)
	rabbittest.Until(t, "all are back", func() bool { return probe.Ready("siren.lane.bulk") == 3 })
	for _, want := range []string{"past", "soon", "late"} {
		if d := probe.Take("siren.lane.bulk"); d.MessageId != want {
			t.Errorf("job %s came, want %s", d.MessageId, want)
		}
	}
}

func TestForwarderOddHeadersGoToTheDefaultLane(t *testing.T) {
	probe := rabbittest.Declared(t)
	probe.Delay("siren.delay.1s", "none", nil)
	probe.Delay("siren.delay.1s", "odd", amqp.Table{"lane": int32(7), "dueAt": "when it suits you"})
	probe.Delay("siren.delay.1s", "gone", amqp.Table{"lane": "left-the-policy", "dueAt": rabbittest.InAWhile(0)})
	rabbittest.Forward(t)
	rabbittest.Until(t, "all are in the default lane", func() bool { return probe.Ready("siren.lane.standard") == 3 })
}

// A job that is due later than the last queue reaches goes round again.
func TestForwarderGoesRoundAgain(t *testing.T) {
	probe := rabbittest.Declared(t)
	was := rabbit.SetLongestDelay(time.Second)
	t.Cleanup(func() { rabbit.SetLongestDelay(was) })
	due := time.Now().Add(1700 * time.Millisecond)
	probe.Delay("siren.delay.15m", "far", amqp.Table{
		"lane": "bulk", "dueAt": due.UnixMilli(), "attempt": int64(2),
		"error": "it went wrong",
	})
	rabbittest.Forward(t)
	rabbittest.Until(t, "it is back", func() bool { return probe.Ready("siren.lane.bulk") == 1 })
	if early := time.Until(due); early > time.Millisecond {
		t.Errorf("came %s too early", early)
	}
	if d := probe.Take("siren.lane.bulk"); d.Headers["attempt"] != int64(2) || d.Headers["error"] != "it went wrong" {
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
		{
			"far off, where an older version put them", "siren.delay.15m", "siren.delay.far", 2 * time.Hour,
			700 * time.Millisecond,
		},
		{"with an exact time", "siren.delay.1m", "siren.delay.1m", 55 * time.Second, 2500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			held, longest := rabbit.SetForwardPrefetch(4), rabbit.SetLongestDelay(time.Second)
			t.Cleanup(func() { rabbit.SetForwardPrefetch(held); rabbit.SetLongestDelay(longest) })
			for i := range 10 {
				probe.Delay(c.queue, fmt.Sprint(i), amqp.Table{"lane": "bulk", "dueAt": rabbittest.InAWhile(c.others)})
			}
			due := time.Now().Add(c.due)
			probe.Delay(c.queue, "sooner", amqp.Table{"lane": "bulk", "dueAt": due.UnixMilli()})
			stop := rabbittest.Forward(t)
			rabbittest.Until(t, "it is back", func() bool { return probe.Ready("siren.lane.bulk") == 1 })
			if early := time.Until(due); early > time.Millisecond {
				t.Errorf("came %s too early", early)
			}
			stop()
			// Stopped between confirm and ack, it doubles a job.
			rabbittest.Until(t, "the others are in the queue that fits", func() bool {
				return probe.Ready(c.kept) >= 10
			})
		})
	}
}

// A worker whose clock is an hour ahead, or behind, holds its jobs up no longer than it meant to.
func TestForwarderDoubtsClocks(t *testing.T) {
	probe := rabbittest.Declared(t)
	probe.Delay("siren.delay.1s", "ahead", amqp.Table{"lane": "bulk", "dueAt": rabbittest.InAWhile(time.Hour)})
	probe.Delay("siren.delay.1s", "behind", amqp.Table{"lane": "bulk", "dueAt": rabbittest.InAWhile(-time.Hour)})
	rabbittest.Forward(t)
	rabbittest.Until(t, "both are back", func() bool { return probe.Ready("siren.lane.bulk") == 2 })
}

// Cut off while it holds jobs, a forwarder loses none; and it doubles none that it hadn't published.
func TestForwarderSurvivesACut(t *testing.T) {
	probe := rabbittest.Declared(t)
	const jobs = 50
	for i := range jobs {
		probe.Delay("siren.delay.5s", fmt.Sprint(i),
			amqp.Table{"lane": "bulk", "dueAt": rabbittest.InAWhile(time.Second)})
	}
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	rabbittest.Forward(t, way.URL)
	rabbittest.Until(t, "it holds them", func() bool { return probe.Ready("siren.delay.5s") == 0 })
	way.Cut()
	rabbittest.Until(t, "all are back", func() bool { return probe.Ready("siren.lane.bulk") >= jobs })
	time.Sleep(200 * time.Millisecond)
	if n := probe.Ready("siren.lane.bulk"); n != jobs {
		t.Errorf("%d jobs came back, want %d", n, jobs)
	}
}

// A second forwarder stands by, and takes over with everything that the first one held.
func TestForwarderStandsBy(t *testing.T) {
	probe := rabbittest.Declared(t)
	stop := rabbittest.Forward(t)
	rabbittest.Until(t, "the first one works", func() bool { return probe.Consumers("siren.delay.15m") == 1 })
	rabbittest.Forward(t)
	if rabbittest.QueueType == lanes.Classic {
		rabbittest.Until(t, "the second one stands by", func() bool { return probe.Consumers("siren.delay.15m") == 2 })
	} else {
		time.Sleep(500 * time.Millisecond) // of a quorum queue's consumers the broker counts the active one alone
	}
	probe.Delay("siren.delay.5s", "1", amqp.Table{"lane": "bulk", "dueAt": rabbittest.InAWhile(700 * time.Millisecond)})
	rabbittest.Until(t, "the job is held", func() bool { return probe.Ready("siren.delay.5s") == 0 })
	stop()
	rabbittest.Until(t, "the job is back", func() bool { return probe.Ready("siren.lane.bulk") == 1 })
}

func TestForwarderWaitsForTheTopology(t *testing.T) {
	probe := rabbittest.Fresh(t)
	rabbittest.Forward(t)
	time.Sleep(300 * time.Millisecond)
	rabbittest.Declare(t, rabbittest.Policy(t))
	probe.Delay("siren.delay.1s", "1", amqp.Table{"lane": "bulk"})
	rabbittest.Until(t, "the job is back", func() bool { return probe.Ready("siren.lane.bulk") == 1 })
}

// Some jobs of a batch have nowhere to go: the log says why, whichever of them they are.
func TestForwarderSaysWhatFailed(t *testing.T) {
	probe := rabbittest.Declared(t)
	probe.Must(probe.Ch.QueueUnbind(rabbittest.Actual("siren.lane.standard"), "", "siren.default", nil))
	due := rabbittest.InAWhile(time.Second) // all in one batch
	for i := range 200 {
		lane := "bulk"
		if i%10 == 9 {
			lane = "left-the-policy"
		}
		probe.Delay("siren.delay.5s", fmt.Sprint(i), amqp.Table{"lane": lane, "dueAt": due})
	}
	var said rabbittest.LockedBuffer
	consume, err := rabbitlink.Open(rabbitlink.Options{
		URL: rabbittest.Server(t).URL, Name: "forward",
		Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	probe.Must(err)
	t.Cleanup(consume.Close)
	stop := rabbittest.ForwardOver(t, consume, rabbittest.Publisher(t, rabbittest.Server(t).URL))
	rabbittest.Until(t, "the others are back", func() bool { return probe.Ready("siren.lane.bulk") == 180 })
	rabbittest.Until(t, "it says what failed", func() bool {
		return strings.Contains(said.String(), "could not be put back")
	})
	stop()
	if strings.Contains(said.String(), "error=<nil>") {
		t.Errorf("it doesn't say why: %s", said.String())
	}
}

// A queue that doesn't answer, of a lane or of delayed jobs, delays no other's jobs.
func TestForwarderPastASilentQueue(t *testing.T) {
	for _, queue := range []string{"siren.lane.express", "siren.delay.1s"} {
		t.Run(queue, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			for i := range 100 { // more than may be on their way together
				probe.Delay("siren.delay.1s", fmt.Sprint("e", i),
					amqp.Table{"lane": "express", "dueAt": rabbittest.InAWhile(0)})
			}
			resume := rabbittest.Suspend(t, queue)
			rabbittest.Forward(t)
			probe.Delay("siren.delay.5s", "b", amqp.Table{"lane": "bulk", "dueAt": rabbittest.InAWhile(0)})
			rabbittest.Until(t, "the other lane's job is back", func() bool {
				return probe.Ready("siren.lane.bulk") == 1
			})
			resume()
			rabbittest.Until(t, "all are back", func() bool { return probe.Ready("siren.lane.express") == 100 })
		})
	}
}
