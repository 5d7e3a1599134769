package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// broker is a queue in memory: what is ready, what is out with a worker, what waits for its retry, what is dead. It is
// the Source of every slot.
type broker struct {
	*journal
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a job becomes ready
	ready   []work.Delivery
	out     map[int]work.Delivery // by receipt
	delayed int                   // wait for their retry
	dead    []work.Delivery
	settled []settlement
	tags    int
	waiting int // calls of Next that wait
	calls   int // of Next
	// refuse makes a settle fail: the broker has the job again.
	refuse func(work.Delivery, work.Disposition) error
	// broken makes Next fail, against its contract.
	broken bool
	// late makes a waiting Next hand out a job in the instant that its context ends, once.
	late bool
}

type settlement struct {
	job  string
	disp work.Disposition
	at   time.Time
}

func newBroker(j *journal) *broker {
	return &broker{journal: j, changed: make(chan struct{}), out: map[int]work.Delivery{}}
}

// put makes jobs of the lane ready now.
func (b *broker) put(lane string, ids ...string) {
	for _, id := range ids {
		b.add(work.Delivery{
			Job: job.Job{ID: id, Kind: "test"}, Lane: lane, Attempt: 1, EnqueuedAt: time.Now(), ReadyAt: time.Now(),
		})
	}
}

func (b *broker) add(d work.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = append(b.ready, d)
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *broker) Next(ctx context.Context) (work.Delivery, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.broken {
		return work.Delivery{}, errors.New("channel 7 is not to be had")
	}
	b.waiting++
	defer func() { b.waiting-- }()
	for began := ctx.Err() == nil; ; {
		if len(b.ready) > 0 && (ctx.Err() == nil || b.late && began) {
			b.late = b.late && ctx.Err() == nil
			d := b.ready[0]
			b.ready = b.ready[1:]
			b.tags++
			d.Receipt = b.tags
			b.out[b.tags] = d
			return d, nil
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		b.mu.Lock()
		if ctx.Err() != nil && (!b.late || !began || len(b.ready) == 0) {
			return work.Delivery{}, ctx.Err()
		}
	}
}

func (b *broker) Settle(ctx context.Context, d work.Delivery, disp work.Disposition) error {
	if ctx.Err() != nil {
		return fmt.Errorf("settled with a context that has ended: %w", ctx.Err())
	}
	var refused error
	if b.refuse != nil {
		refused = b.refuse(d, disp) // may take its time
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	was, ok := b.out[d.Receipt.(int)]
	if !ok {
		return fmt.Errorf("settled twice: %s", d.Job.ID)
	}
	delete(b.out, d.Receipt.(int))
	b.journal.add("settle %s %s", d.Job.ID, disp)
	if refused != nil {
		b.requeue(was)
		return refused
	}
	b.settled = append(b.settled, settlement{d.Job.ID, disp, time.Now()})
	switch disp.Action {
	case work.Retry:
		if disp.Counted {
			d.Attempt++
		}
		b.delayed++
		time.AfterFunc(disp.After, func() {
			b.mu.Lock()
			b.delayed--
			b.mu.Unlock()
			d.ReadyAt = time.Now()
			b.add(d)
		})
	case work.DeadLetter:
		b.dead = append(b.dead, d)
	case work.Return:
		b.requeue(was)
	}
	return nil
}

func (b *broker) requeue(d work.Delivery) {
	b.ready = slices.Insert(b.ready, 0, d)
	close(b.changed)
	b.changed = make(chan struct{})
}

// counts returns how many jobs are ready, out with the worker, and dead.
func (b *broker) counts() (ready, out, dead int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ready), len(b.out), len(b.dead)
}

// settles returns the settlements of one job.
func (b *broker) settles(id string) []settlement {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.settled), func(s settlement) bool { return s.job != id })
}

func (b *broker) takers() (waiting, calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting, b.calls
}
