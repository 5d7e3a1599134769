package rabbit_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
	"github.com/polyglot-media/siren/lanes"
)

// copyAll sends a fresh copy of every job to a lane.
func copyAll(lane string) func(context.Context, []lanes.Delivery) ([]rabbit.Fate, error) {
	return func(_ context.Context, batch []lanes.Delivery) ([]rabbit.Fate, error) {
		fates := make([]rabbit.Fate, len(batch))
		for i, d := range batch {
			fates[i].Copy = &rabbit.Copy{Lane: lane, Replay: d.Replay + 1}
		}
		return fates, nil
	}
}

// Each job gets the fate that was chosen for it, and those with none stay, in their order.
func TestMove(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	rabbittest.Enqueue(t, p, "standard", rabbittest.Numbered(250)...)
	var batches []int
	var copied []string
	m := rabbit.Mover{
		Decide: func(_ context.Context, batch []lanes.Delivery) ([]rabbit.Fate, error) {
			batches = append(batches, len(batch))
			fates := make([]rabbit.Fate, len(batch))
			for i := range batch {
				switch i % 3 {
				case 0:
					fates[i].Copy = &rabbit.Copy{Lane: "bulk", Replay: 7}
				case 1:
					fates[i].Drop = true
				}
			}
			return fates, nil
		},
		Confirmed: func(_ context.Context, copies []rabbit.Copied) error {
			if n := probe.Ready("siren.lane.bulk"); n != len(copied)+len(copies) {
				t.Errorf("%d copies are in their lane, and %d were said to be", n, len(copied)+len(copies))
			}
			for _, c := range copies {
				if c.Lane != "bulk" || c.Replay != 7 || time.Since(c.ReadyAt) > time.Minute {
					t.Errorf("told of %+v", c)
				}
				copied = append(copied, c.Original.Job.ID)
			}
			return nil
		},
	}
	moved, err := rabbit.Move(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "move"), p, rabbittest.Queue("standard"), 0, m)
	if err != nil || moved != 34+33+34+33+17+17 {
		t.Errorf("moved %d, %v", moved, err)
	}
	if !slices.Equal(batches, []int{100, 100, 50}) {
		t.Errorf("batches of %v", batches)
	}
	rabbittest.Until(t, "the others are back", func() bool { return probe.Ready("siren.lane.standard") == 33+33+16 })
	if got := probe.Drain("bulk"); !slices.Equal(got, copied) {
		t.Errorf("the copies are %v, want %v", got, copied)
	}
	left := probe.Drain("standard")
	if rabbittest.QueueType == lanes.Quorum { // what a closed channel held comes back to the front, but in any order
		slices.SortFunc(left, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) // as numbers
	}
	for i, id := range left {
		if want := fmt.Sprint(i/33*100 + i%33*3 + 2); id != want {
			t.Fatalf("left at place %d: %s, want %s (all: %v)", i, id, want, left)
		}
	}
}

// A copy is the same message at another place, ready from now on.
func TestMovedCopy(t *testing.T) {
	probe := rabbittest.Declared(t)
	p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
	body := `{"id":"a","kind":"probe","input":"file:///in","shape":"unknown field"}`
	first := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	probe.Publish("siren.jobs", "standard", amqp.Publishing{
		MessageId: "a", Body: []byte(body), Priority: 3,
		Headers: amqp.Table{"enqueuedAt": first.UnixMilli(), "readyAt": first.UnixMilli(), "attempt": int64(2), "replay": int64(4)},
	})
	var copies []rabbit.Copied
	began := time.Now().Truncate(time.Millisecond)
	moved, err := rabbit.Move(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "move"), p, rabbittest.Queue("standard"), 1, rabbit.Mover{
		Decide:    copyAll("bulk"),
		Confirmed: func(_ context.Context, c []rabbit.Copied) error { copies = c; return nil },
	})
	if moved != 1 || err != nil {
		t.Fatalf("moved %d, %v", moved, err)
	}
	s := rabbittest.Taker(t, rabbittest.Server(t).URL).Shared()
	d := rabbittest.Next(t, s)
	rabbittest.Settle(t, s, d, rabbittest.Ack)
	if d.Job.ID != "a" || d.Lane != "bulk" || string(d.Body) != body || d.Attempt != 2 || d.Replay != 5 || !d.EnqueuedAt.Equal(first) {
		t.Errorf("the copy is %+v", d)
	}
	if d.ReadyAt.Before(began) || !d.ReadyAt.Equal(copies[0].ReadyAt.Truncate(time.Millisecond)) {
		t.Errorf("the copy is ready since %s, and was said to be since %s", d.ReadyAt, copies[0].ReadyAt)
	}
	if o := copies[0].Original; o.Lane != "standard" || o.Replay != 4 || o.Job.ID != "a" {
		t.Errorf("told of the original %+v", o)
	}
	if n := probe.Ready("siren.lane.standard"); n != 0 {
		t.Errorf("%d originals are left", n)
	}
}

// A limit bounds what is looked at; without one it is what waits at the beginning, so that a move into the same lane
// ends.
func TestMoveLimits(t *testing.T) {
	for _, c := range []struct {
		name              string
		jobs, limit, want int
	}{
		{"fewer", 150, 120, 120},
		{"more than there are", 3, 120, 3},
		{"what waits", 150, 0, 150},
		{"an empty lane", 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
			rabbittest.Enqueue(t, p, "bulk", rabbittest.Numbered(c.jobs)...)
			moved, err := rabbit.Move(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "move"), p, rabbittest.Queue("bulk"), c.limit, rabbit.Mover{Decide: copyAll("bulk")})
			if moved != c.want || err != nil {
				t.Errorf("moved %d, %v; want %d", moved, err, c.want)
			}
			rabbittest.Until(t, "none is missing", func() bool { return probe.Ready("siren.lane.bulk") == c.jobs })
		})
	}
}

// Whatever ends a move before its end: no job is lost, and moved says how far it came.
func TestMoveFails(t *testing.T) {
	oops := errors.New("oops")
	confirmed := func(err error) func(context.Context, []rabbit.Copied) error {
		return func(context.Context, []rabbit.Copied) error { return err }
	}
	for _, c := range []struct {
		name         string
		m            rabbit.Mover
		want         error
		moved        int
		left, copies int
	}{
		{
			name: "no decision",
			m: rabbit.Mover{Decide: func(_ context.Context, batch []lanes.Delivery) ([]rabbit.Fate, error) {
				if batch[0].Job.ID == "100" {
					return nil, oops
				}
				return copyAll("bulk")(nil, batch)
			}},
			want: oops, moved: 100, left: 50, copies: 100,
		},
		{
			name: "fewer fates than jobs",
			m:    rabbit.Mover{Decide: func(context.Context, []lanes.Delivery) ([]rabbit.Fate, error) { return nil, nil }},
			left: 150,
		},
		{
			name: "nobody wants to hear of the copies",
			m:    rabbit.Mover{Decide: copyAll("bulk"), Confirmed: confirmed(oops)},
			want: oops, left: 150, copies: 100,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
			rabbittest.Enqueue(t, p, "standard", rabbittest.Numbered(150)...)
			moved, err := rabbit.Move(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "move"), p, rabbittest.Queue("standard"), 0, c.m)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || moved != c.moved {
				t.Errorf("moved %d, %v; want %d, %v", moved, err, c.moved, c.want)
			}
			rabbittest.Until(t, "what wasn't moved is back", func() bool { return probe.Ready("siren.lane.standard") == c.left })
			if n := probe.Ready("siren.lane.bulk"); n != c.copies {
				t.Errorf("%d copies, want %d", n, c.copies)
			}
		})
	}
	t.Run("not declared", func(t *testing.T) {
		rabbittest.Fresh(t)
		conn := rabbittest.Open(t, rabbittest.Server(t).URL, "move")
		for _, limit := range []int{0, 1} {
			if _, err := rabbit.Move(rabbittest.Soon(t), conn, nil, rabbittest.Queue("standard"), limit, rabbit.Mover{}); !errors.Is(err, rabbitlink.ErrUndeclared) {
				t.Errorf("limit %d: %v, want ErrUndeclared", limit, err)
			}
		}
	})
	t.Run("called off", func(t *testing.T) {
		probe := rabbittest.Declared(t)
		p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
		rabbittest.Enqueue(t, p, "standard", rabbittest.Numbered(150)...)
		ctx, cancel := context.WithCancel(rabbittest.Soon(t))
		moved, err := rabbit.Move(ctx, rabbittest.Open(t, rabbittest.Server(t).URL, "move"), p, rabbittest.Queue("standard"), 0, rabbit.Mover{
			Decide: copyAll("bulk"),
			Confirmed: func(ctx context.Context, _ []rabbit.Copied) error {
				cancel()
				return ctx.Err()
			},
		})
		if moved != 100 || !errors.Is(err, context.Canceled) {
			t.Errorf("moved %d, %v", moved, err)
		}
		rabbittest.Until(t, "the rest is back", func() bool { return probe.Ready("siren.lane.standard") == 50 })
	})
}

// A copy that the broker doesn't confirm leaves its job where it is.
func TestMoveWithoutConfirm(t *testing.T) {
	probe := rabbittest.Declared(t)
	rabbittest.Enqueue(t, rabbittest.Publisher(t, rabbittest.Server(t).URL), "standard", "1", "2")
	way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
	p := rabbittest.Publisher(t, way.URL)
	p.Patience = 300 * time.Millisecond
	way.Refuse(true)
	moved, err := rabbit.Move(rabbittest.Soon(t), rabbittest.Open(t, rabbittest.Server(t).URL, "move"), p, rabbittest.Queue("standard"), 0, rabbit.Mover{
		Decide:    copyAll("bulk"),
		Confirmed: func(context.Context, []rabbit.Copied) error { t.Error("told of copies"); return nil },
	})
	if moved != 0 || !errors.Is(err, confirms.ErrNotSent) {
		t.Errorf("moved %d, %v; want ErrNotSent", moved, err)
	}
	rabbittest.Until(t, "both are back", func() bool { return probe.Ready("siren.lane.standard") == 2 })
}

// However the connection breaks, each job is left at one place or at both, never at none.
func TestMoveCutInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		name string
		cut  func(way *rabbittest.Proxy, m *rabbit.Mover)
		both int // jobs that are left twice
	}{
		{"before the copies", func(way *rabbittest.Proxy, m *rabbit.Mover) {
			decide := m.Decide
			m.Decide = func(ctx context.Context, batch []lanes.Delivery) ([]rabbit.Fate, error) {
				if batch[0].Job.ID == "100" {
					way.Cut()
				}
				return decide(ctx, batch)
			}
		}, 100},
		{"before the acknowledgement", func(way *rabbittest.Proxy, m *rabbit.Mover) {
			m.Confirmed = func(_ context.Context, copies []rabbit.Copied) error {
				if copies[0].Original.Job.ID == "100" {
					way.Cut()
				}
				return nil
			}
		}, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			probe := rabbittest.Declared(t)
			p := rabbittest.Publisher(t, rabbittest.Server(t).URL)
			rabbittest.Enqueue(t, p, "standard", rabbittest.Numbered(300)...)
			way := rabbittest.NewProxy(t, rabbittest.Server(t).URL)
			m := rabbit.Mover{Decide: copyAll("bulk")}
			c.cut(way, &m)
			moved, err := rabbit.Move(rabbittest.Soon(t), rabbittest.Open(t, way.URL, "move"), p, rabbittest.Queue("standard"), 0, m)
			if err == nil || moved < 100 || moved > 200 {
				t.Errorf("moved %d, %v", moved, err)
			}
			rabbittest.Until(t, "what wasn't acknowledged is back", func() bool {
				return probe.Ready("siren.lane.standard")+probe.Ready("siren.lane.bulk") == 300+c.both
			})
			places := map[string]int{}
			for _, id := range append(probe.Drain("standard"), probe.Drain("bulk")...) {
				places[id]++
			}
			for _, id := range rabbittest.Numbered(300) {
				if n := places[id]; n < 1 || n > 2 {
					t.Errorf("job %s is left %d times", id, n)
				}
			}
		})
	}
}
