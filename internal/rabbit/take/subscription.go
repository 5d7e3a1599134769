package take

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
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

// subscription is a slot's consumers, one for each queue, with prefetch 1.
type subscription struct {
	ch       *rabbitlink.Channel
	queues   []lanes.Queue
	arrivals chan arrival // holds everything that can come at a time, so that nothing blocks on it
	merging  sync.WaitGroup
}

// subscribe consumes from the queues. On an error nothing is left of it: a refusal closes the channel.
func subscribe(ch *rabbitlink.Channel, queues []lanes.Queue, priority int) (*subscription, error) {
	s := &subscription{ch: ch, queues: queues, arrivals: make(chan arrival, 2*len(queues))}
	var args map[string]any
	if priority != 0 {
		args = map[string]any{"x-priority": int32(priority)}
	}
	for _, q := range queues {
		deliveries, err := ch.Receive(topology.QueueName(q), q.String(), args)
		if err != nil {
			ch.Close()
			s.merging.Wait()
			return nil, &queueError{q, err}
		}
		s.merging.Go(func() {
			for d := range deliveries {
				s.arrivals <- arrival{queue: q, Arrival: rabbitlink.Arrival{Delivery: d, On: ch}}
			}
			s.arrivals <- arrival{queue: q, over: true}
		})
	}
	return s, nil
}

// first waits for a job, until ctx ends or the order is void.
func (s *subscription) first(ctx context.Context, o order) (arrival, error) {
	select {
	case a := <-s.arrivals:
		if a.over {
			return arrival{}, &queueError{a.queue, fmt.Errorf("the broker has ended the subscription%s", s.ch.Reason())}
		}
		return a, nil
	case <-o.changed:
		return arrival{}, errAgain
	case <-o.again:
		return arrival{}, errAgain
	case <-ctx.Done():
		return arrival{}, ctx.Err()
	}
}

// stop cancels the consumers and returns what came meanwhile. Nothing comes after it.
func (s *subscription) stop() []arrival {
	for _, q := range s.queues {
		err := s.ch.Call(func() error { return s.ch.Cancel(q.String(), false) })
		if err != nil {
			s.ch.Close() // then everything unacknowledged goes back by itself
			break
		}
	}
	s.merging.Wait()
	var came []arrival
	for {
		select {
		case a := <-s.arrivals:
			if !a.over && !s.ch.IsClosed() {
				came = append(came, a)
			}
		default:
			return came
		}
	}
}
