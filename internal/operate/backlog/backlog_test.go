package backlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/operatetest"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestMain(m *testing.M) { os.Exit(operatetest.Main(m)) }

// house is empty lanes, a desk on them, and who fills them.
type house struct {
	*operatetest.House
	publish *confirms.Publisher
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{House: operatetest.NewHouse(t, `
lanes:
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m}
pools:
  - {name: general, lanes: [standard, bulk], max: 3}
budget: 5
`)}
	conn, err := h.Desk.Connect(t.Context(), "publish")
	h.Must(err)
	t.Cleanup(conn.Close)
	h.publish = confirms.NewPublisher(conn, 0)
	return h
}

// enqueue puts n jobs into a lane, with the ids 0, 1, 2 … behind the test's name, and without records.
func (h *house) enqueue(lane string, n int) []string {
	h.Helper()
	ids, entries := make([]string, n), make([]wire.Entry, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%d.%d", time.Now().UnixNano(), i)
		entries[i] = wire.Entry{Lane: lane, Job: job.Job{ID: ids[i], Kind: "probe"}}
	}
	h.Must(errors.Join(rabbit.Enqueue(h.Context(), h.publish, entries)...))
	return ids
}

// wait waits until so many jobs are ready in a lane.
func (h *house) wait(lane string, want int) {
	h.Helper()
	n := -1
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		q, err := h.Channel.QueueDeclarePassive("siren.lane."+lane, true, false, false, false, nil)
		h.Must(err)
		if n = q.Messages; n == want {
			return
		}
	}
	h.Errorf("%d jobs are ready in lane %s, want %d", n, lane, want)
}

// drain empties a lane, and returns the ids of what was in it.
func (h *house) drain(lane string) (ids []string) {
	h.Helper()
	for {
		d, ok, err := h.Channel.Get("siren.lane."+lane, true)
		h.Must(err)
		if !ok {
			return ids
		}
		ids = append(ids, d.MessageId)
	}
}

// move makes a pass that moves jobs to a lane, over its own connection; see may do something before, or instead.
func (h *house) move(
	ctx context.Context, from, to string, limit int, see func(p *pass, waiting []work.Delivery) error,
) (Done, error) {
	var done Done
	p := &pass{desk: h.Desk, done: &done}
	err := p.carrying(ctx, "move", &h.Policy, to, func() error {
		carry := p.see
		p.see = func(ctx context.Context, w *rabbit.Waiting, waiting []work.Delivery) ([]work.Delivery, error) {
			if see != nil {
				if err := see(p, waiting); err != nil {
					return nil, err
				}
			}
			return carry(ctx, w, waiting)
		}
		return p.queues(ctx, []lanes.Queue{h.Policy.QueueOf(from)}, limit)
	})
	return done, err
}

// What the ledger knows of a job says what becomes of its message; those that stay keep their order.
func TestMove(t *testing.T) {
	h := newHouse(t)
	ids := h.enqueue("standard", 6)
	records := make([]work.Delivery, len(ids))
	for i, id := range ids {
		records[i] = work.Delivery{Job: job.Job{ID: id, Kind: "probe"}, Lane: "standard", ReadyAt: time.Now()}
	}
	_, err := h.Desk.Ledger.CreateAll(t.Context(), slices.Concat(records[:2], records[3:])) // 2 has none
	h.Must(err)
	_, err = h.Desk.Ledger.CancelAll(t.Context(), ids[1:2])
	h.Must(err)
	for _, d := range []work.Delivery{records[3], records[5]} {
		_, err := h.Desk.Ledger.Claim(t.Context(), d, "w", 3)
		h.Must(err)
	}
	done, err := Move(t.Context(), h.Desk, "standard", "bulk", 0, "why not")
	if err != nil || done.Jobs != 3 || done.Dropped != 1 {
		t.Errorf("it came to %+v, %v", done, err)
	}
	if want := []string{ids[0], ids[2], ids[4]}; !slices.Equal(h.drain("bulk"), want) ||
		!slices.Equal(done.Sample, want) {
		t.Errorf("it moved %v, want %v", done.Sample, want)
	}
	h.wait("standard", 2)
	if left := h.drain("standard"); !slices.Equal(left, []string{ids[3], ids[5]}) {
		t.Errorf("it left %v", left)
	}
	if len(h.Noted) != 1 || h.Noted[0].Jobs != 3 || h.Noted[0].On != "lane standard" ||
		h.Noted[0].After != "lane bulk" || h.Noted[0].Reason != "why not" {
		t.Errorf("the audit log has %+v", h.Noted)
	}
	if r, err := h.Desk.Ledger.Get(t.Context(), ids[2]); err != nil || r.State != job.Queued || r.Lane != "bulk" ||
		r.Copy != 1 {
		t.Errorf("the one without a record has %+v, %v", r, err)
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
			h := newHouse(t)
			h.enqueue("bulk", c.jobs)
			done, err := h.move(t.Context(), "bulk", "bulk", c.limit, nil)
			if done.Jobs != c.want || err != nil {
				t.Errorf("moved %d, %v; want %d", done.Jobs, err, c.want)
			}
			h.wait("bulk", c.jobs)
		})
	}
}

// Whatever ends a move before its end: no job is lost, and what was done is said.
func TestMoveFails(t *testing.T) {
	oops := errors.New("oops")
	batches := 0
	ctx, cancel := context.WithCancel(t.Context())
	for _, c := range []struct {
		name         string
		ctx          context.Context
		see          func(p *pass, waiting []work.Delivery) error
		want         error
		moved        int
		left, copies int
	}{
		{
			name: "no decision", ctx: t.Context(), want: oops, moved: 100, left: 50, copies: 100,
			see: func(*pass, []work.Delivery) error {
				if batches++; batches == 2 {
					return oops
				}
				return nil
			},
		},
		{
			// what is begun is brought to its end
			name: "called off", ctx: ctx, want: context.Canceled, moved: 100, left: 50, copies: 100,
			see: func(*pass, []work.Delivery) error {
				cancel()
				return nil
			},
		},
		{
			name: "cut before the originals are removed", ctx: t.Context(), want: rabbitlink.ErrStale, moved: 100,
			left: 150, copies: 100,
			see: func(p *pass, _ []work.Delivery) error {
				p.take.Close()
				return nil
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.enqueue("standard", 150)
			done, err := h.move(c.ctx, "standard", "bulk", 0, c.see)
			if !errors.Is(err, c.want) || done.Jobs != c.moved {
				t.Errorf("moved %d, %v; want %d, %v", done.Jobs, err, c.moved, c.want)
			}
			h.wait("standard", c.left)
			h.wait("bulk", c.copies)
		})
	}
	t.Run("no such queue", func(t *testing.T) {
		h := newHouse(t)
		done := Done{}
		p := &pass{desk: h.Desk, done: &done}
		for _, limit := range []int{0, 1} {
			err := p.run(t.Context(), "move", func() error {
				return p.queues(t.Context(), []lanes.Queue{{Lane: "nowhere", Type: lanes.Classic}}, limit)
			})
			if !errors.Is(err, rabbitlink.ErrUndeclared) || operate.KindOf(err) != operate.Unreachable {
				t.Errorf("limit %d: %v, want ErrUndeclared", limit, err)
			}
		}
	})
}

// unconfirmed is a broker that takes nothing.
type unconfirmed struct{}

func (unconfirmed) EnqueueBatch(_ context.Context, entries []wire.Entry) []error {
	return slices.Repeat([]error{confirms.ErrNotSent}, len(entries))
}

// A copy that the broker doesn't confirm leaves its job where it is.
func TestMoveWithoutConfirm(t *testing.T) {
	h := newHouse(t)
	h.enqueue("standard", 2)
	var done Done
	p := &pass{desk: h.Desk, done: &done}
	p.see = func(ctx context.Context, w *rabbit.Waiting, waiting []work.Delivery) ([]work.Delivery, error) {
		return p.carry(ctx, operate.Carrier{Publisher: unconfirmed{}, Ledger: h.Desk.Ledger, Now: h.Desk.Now}, w,
			waiting, &h.Policy, "bulk")
	}
	err := p.run(t.Context(), "move", func() error {
		return p.queues(t.Context(), []lanes.Queue{h.Policy.QueueOf("standard")}, 0)
	})
	if done.Jobs != 0 || !errors.Is(err, confirms.ErrNotSent) || len(h.Noted) != 0 {
		t.Errorf("moved %d, %v; want ErrNotSent", done.Jobs, err)
	}
	h.wait("standard", 2)
}

// Purge calls off what waits, with a record or without; what a worker has stays.
func TestPurge(t *testing.T) {
	h := newHouse(t)
	ids := h.enqueue("bulk", 3)
	_, err := h.Desk.Ledger.Claim(t.Context(), work.Delivery{Job: job.Job{ID: ids[0], Kind: "probe"}, Lane: "bulk"},
		"w",
		3)
	h.Must(err)
	done, err := Purge(t.Context(), h.Desk, "bulk", "")
	if err != nil || done.Jobs != 2 || done.Dropped != 0 || len(h.Noted) != 1 {
		t.Errorf("it came to %+v, %v; noted %+v", done, err, h.Noted)
	}
	h.wait("bulk", 1)
	for _, id := range ids[1:] {
		if r, err := h.Desk.Ledger.Get(t.Context(), id); err != nil || r.State != job.Cancelled {
			t.Errorf("job %s is %s, %v", id, r.State, err)
		}
	}
}

func TestWrongUse(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		from, to string
		kind     operate.Kind
	}{
		{"standrad", "bulk", operate.NotFound},
		{"standard", "bluk", operate.NotFound},
		{"bulk", "bulk", operate.Invalid},
	} {
		if _, err := Move(t.Context(), h.Desk, c.from, c.to, 0, ""); !errors.Is(err, c.kind) {
			t.Errorf("%s to %s: %v, want %s", c.from, c.to, err, c.kind)
		}
	}
	if _, err := Purge(t.Context(), h.Desk, "bluk", ""); !errors.Is(err, operate.NotFound) {
		t.Errorf("purge: %v", err)
	}
}
