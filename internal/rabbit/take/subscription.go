package take

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// shoulderPriority is the consumer priority of shoulder slots: the broker fills the waiting shared ones (0) first.
const shoulderPriority = -1

// errAgain is why a wait ended without a job and without trouble: the order of lanes is void.
var errAgain = errors.New("the order of lanes has changed")

// arrival is a job that the broker has handed over, or the news that it hands over no more of a queue.
type arrival struct {
	queue lanes.Queue
	over  bool // the consumer has ended
	rabbitlink.Arrival
}

// handBack puts the job back to its lane; the broker does so by itself when the channel has closed.
func (a arrival) handBack() { _ = a.GiveBack() }

// delivery returns the job as a slot's caller gets it.
func (a arrival) delivery(now time.Time) work.Delivery {
	d := wire.Delivery(a.Delivery, a.queue.Lane, now)
	d.Receipt = a.Arrival
	return d
}

// subscription is a slot that listens to several lines at once.
type subscription struct {
	lines    []*line
	arrivals chan arrival // holds everything that can come at a time, so that nothing blocks on it
}

// subscribe listens to the lines, all at once. With an error it listens to those that answered all the same.
func subscribe(ctx context.Context, lines []*line, priority int) (*subscription, error) {
	s := &subscription{lines: lines, arrivals: make(chan arrival, 3*len(lines))}
	errs := make([]error, len(lines))
	s.each(func(i int, l *line) { errs[i] = l.listen(ctx, priority, s.arrivals) })
	for _, err := range errs {
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// each goes through the lines, all at once.
func (s *subscription) each(do func(int, *line)) {
	var all sync.WaitGroup
	for i, l := range s.lines[1:] {
		all.Go(func() { do(i+1, l) })
	}
	do(0, s.lines[0])
	all.Wait()
}

// first waits for a job, until ctx ends or the order is void.
func (s *subscription) first(ctx context.Context, o order) (arrival, error) {
	select {
	case a := <-s.arrivals:
		if a.over {
			return arrival{}, &queueError{
				a.queue,
				fmt.Errorf("the broker has ended the subscription%s", a.On.Reason()),
			}
		}
		return a, nil
	case <-o.changed:
		return arrival{}, errAgain
	case <-ctx.Done():
		return arrival{}, ctx.Err()
	}
}

// stop ends listening and returns what came meanwhile. Nothing comes after it.
func (s *subscription) stop() []arrival {
	s.each(func(_ int, l *line) { l.rest() })
	var came []arrival
	for {
		select {
		case a := <-s.arrivals:
			if !a.over && !a.On.IsClosed() {
				came = append(came, a)
			}
		default:
			return came
		}
	}
}
