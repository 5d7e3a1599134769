package worker

import (
	"context"
	"sync"
	"time"
)

// sourceAgain is how long a slot waits after its source failed although nobody told it to stop.
const sourceAgain = time.Second

// serve runs one slot: take a job, see it through, take the next. It ends when take ends and its job is settled. Next
// is called after every job, also with a context that has ended: a source may have something to give back.
func (w *Worker) serve(take, working context.Context, s Source, shoulder bool) {
	for {
		open := w.gate.enter()
		if working.Err() != nil {
			open = working // the news may not have reached take yet, and what was just returned would be taken again
		}
		d, err := s.Next(open)
		switch {
		case err == nil:
			w.job(working, s, d, shoulder)
		case open.Err() == nil: // against its contract; without a pause the slot would spin
			w.o.Log.Error("a source failed", "error", err)
			select {
			case <-time.After(sourceAgain):
			case <-take.Done():
			}
		case !w.gate.rest():
			return
		}
	}
}

// gate lets slots take jobs, or not: parking closes it, reversibly; retiring closes it for good. It knows how many
// slots rest before it, so that a worker only promises to take nothing more when no slot can.
type gate struct {
	take  context.Context // ends when the worker stops; then nobody rests
	slots int

	mu       sync.Mutex
	open     context.Context    // what slots take jobs in; it has ended while the gate is closed
	shut     context.CancelFunc // ends open
	reopened chan struct{}      // closed when the gate opens again
	parked   bool
	retired  bool
	resting  int // slots that took notice of the closed gate and wait for it to open
}

func newGate(take context.Context, slots int) *gate {
	g := &gate{take: take, slots: slots}
	g.open, g.shut = context.WithCancel(take)
	return g
}

// enter returns the context to take a job in: it ends with take, and when the gate closes.
func (g *gate) enter() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// rest waits until the gate is open; false when take has ended. The slot holds no job while it waits.
func (g *gate) rest() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.parked && g.take.Err() == nil {
		reopened := g.reopened
		g.resting++
		g.mu.Unlock()
		select {
		case <-reopened:
		case <-g.take.Done():
		}
		g.mu.Lock()
		g.resting-- // until here an order to retire may have counted on this slot: it looks at parked again
	}
	return g.take.Err() == nil
}

// order parks or unparks, and retires once every slot rests. A retired gate never opens again.
func (g *gate) order(park, retire bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	park = park || retire || g.retired
	switch {
	case park && !g.parked:
		g.shut()
		g.reopened = make(chan struct{})
	case !park && g.parked:
		g.open, g.shut = context.WithCancel(g.take)
		close(g.reopened)
	}
	g.parked = park
	g.retired = g.retired || retire && g.resting == g.slots
}

// state returns what the heartbeat says.
func (g *gate) state() (parked, retired bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parked, g.retired
}
