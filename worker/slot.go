package worker

import (
	"context"
	"sync"
)

// serve is the life of one slot: take a job, run it, take the next. It ends when take ends and its job is settled.
// Next is called after every job, also with a context that has ended: a source may have something to give back.
func (w *Worker) serve(take, work context.Context, s Source, shoulder bool) {
	for {
		open, done := w.gate.enter(take)
		d, err := s.Next(open)
		done()
		if err == nil {
			w.job(work, s, d, shoulder)
			continue
		}
		if !w.gate.rest(take) {
			return
		}
	}
}

// gate lets slots take jobs, or not: parking closes it, reversibly; retiring closes it for good. It knows how many slots
// rest before it, so that a worker only promises to take nothing more when no slot can.
type gate struct {
	mu      sync.Mutex
	slots   int
	resting int
	parked  bool
	retired bool
	changed chan struct{} // closed and replaced when parked changes
}

func newGate(slots int) *gate { return &gate{slots: slots, changed: make(chan struct{})} }

// enter is a context to take a job in: it ends with take, and when the gate closes.
func (g *gate) enter(take context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(take)
	g.mu.Lock()
	parked, changed := g.parked, g.changed
	g.mu.Unlock()
	if parked {
		cancel()
		return ctx, cancel
	}
	go func() {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// rest waits until the gate is open; false when take has ended.
func (g *gate) rest(take context.Context) bool {
	g.mu.Lock()
	g.resting++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.resting--
		g.mu.Unlock()
	}()
	for {
		g.mu.Lock()
		parked, changed := g.parked, g.changed
		g.mu.Unlock()
		if take.Err() != nil {
			return false
		}
		if !parked {
			return true
		}
		select {
		case <-changed:
		case <-take.Done():
		}
	}
}

// order parks or unparks, and retires once every slot rests. A retired gate never opens again.
func (g *gate) order(park, retire bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	park = park || retire || g.retired
	if park != g.parked {
		g.parked = park
		close(g.changed)
		g.changed = make(chan struct{})
	}
	if retire && g.resting == g.slots {
		g.retired = true
	}
}

// state is what the heartbeat says.
func (g *gate) state() (parked, retired bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parked, g.retired
}
