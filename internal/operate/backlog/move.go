package backlog

import (
	"context"
	"errors"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// Move puts up to limit waiting jobs of one lane into another, those first that would start first; 0: all that wait
// now. Beside an error the result says what was done.
func Move(ctx context.Context, desk *operate.Desk, from, to string, limit int, reason string) (Done, error) {
	done := Done{Entry: audit.Entry{Verb: "move", On: "lane " + from, After: "lane " + to, Reason: reason}}
	e, err := desk.Policy(ctx)
	if err == nil {
		err = operate.RequireLane(e, from, true)
	}
	if err == nil {
		err = operate.RequireLane(e, to, false)
	}
	if err == nil && from == to {
		err = operate.Invalid.Errorf("the two lanes are the same")
	}
	if err != nil {
		return done, err
	}
	p := &pass{desk: desk, done: &done}
	err = p.carrying(ctx, "lanes move", &e.Policy, to, func() error { return p.queues(ctx, e.QueuesOf(from), limit) })
	return done, err
}

// Migrate moves what waits in a lane's other queue to the given one. It waits for five seconds until that is in force
// as the lane's queue.
func Migrate(ctx context.Context, desk *operate.Desk, to lanes.Queue, reason string) (Done, error) {
	done := Done{Entry: audit.Entry{Verb: "migrate", On: "lane " + to.Lane, After: to.Type, Reason: reason}}
	e, err := awaitType(ctx, desk, to)
	if err != nil {
		return done, err
	}
	p := &pass{desk: desk, done: &done}
	err = p.carrying(ctx, "lanes migrate", &e.Policy, to.Lane, func() error {
		for {
			n, err := p.queue(ctx, other(to), 0)
			if errors.Is(err, rabbitlink.ErrUndeclared) {
				return nil // the lane never had such a queue
			}
			if err != nil || n == 0 {
				return err
			}
		}
	})
	return done, err
}

// carrying does f, in which copies in another lane carry the jobs that wait.
func (p *pass) carrying(ctx context.Context, name string, policy *lanes.Policy, to string, f func() error) error {
	return p.run(ctx, name, func() error {
		conn, err := p.desk.Connect(ctx, name+" (publish)")
		if err != nil {
			return err
		}
		defer conn.Close()
		carrier := p.desk.Carrier(confirms.NewPublisher(conn, 0))
		p.see = func(ctx context.Context, w *rabbit.Waiting, waiting []work.Delivery) ([]work.Delivery, error) {
			return p.carry(ctx, carrier, w, waiting, policy, to)
		}
		return f()
	})
}

// carry lets copies in another lane carry jobs. If the ledger can't be told, no harm is done: whichever of a job's two
// messages comes first counts.
func (p *pass) carry(
	ctx context.Context, carrier operate.Carrier, w *rabbit.Waiting, waiting []work.Delivery, policy *lanes.Policy,
	to string,
) (gone []work.Delivery, err error) {
	copies := make([]operate.Copy, len(waiting))
	for i, d := range waiting {
		copies[i] = operate.CopyOf(d, to, policy)
		copies[i].From = []job.State{job.Queued, job.Retrying, job.Missing}
		copies[i].Settle = func() error { return w.Remove(d) }
	}
	carried, err := carrier.Carry(ctx, copies)
	var failed, untold error
	for i, c := range carried {
		if c.Sent {
			gone = append(gone, waiting[i])
			p.done.Did(waiting[i].Job.ID)
		} else if failed == nil {
			failed = c.Err
		}
		if errors.Is(c.Err, operate.ErrUntold) {
			untold = c.Err
		}
	}
	if untold != nil {
		p.desk.Warn("%v", untold)
	}
	return gone, errors.Join(failed, err)
}

// other returns the other queue that the lane may have.
func other(q lanes.Queue) lanes.Queue {
	if q.Type == lanes.Quorum {
		return lanes.Queue{Lane: q.Lane, Type: lanes.Classic}
	}
	return lanes.Queue{Lane: q.Lane, Type: lanes.Quorum}
}

const (
	typeWithin = 5 * time.Second // within which the scaler should put a lane's queue type into force
	lookEvery  = 100 * time.Millisecond
)

// awaitType waits until a queue is in force as its lane's, and returns the policy that says so.
func awaitType(ctx context.Context, desk *operate.Desk, to lanes.Queue) (lanes.Effective, error) {
	wait, cancel := context.WithTimeout(ctx, typeWithin)
	defer cancel()
	for {
		e, err := desk.Policy(wait)
		if err == nil && e.Policy.QueueOf(to.Lane) == to {
			return e, nil
		}
		select {
		case <-ctx.Done():
			return e, ctx.Err()
		case <-wait.Done():
			return e, operate.NotPossible.Errorf("lane %s is to have a %s queue, but no scaler has put that into "+
				"force yet: "+
				"is one running? The same command goes on once one does", to.Lane, to.Type)
		case <-time.After(lookEvery):
		}
	}
}
