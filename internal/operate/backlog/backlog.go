// Package backlog is what people do to the jobs that wait in a lane, whatever they are: moving them to another lane or
// to the lane's other queue, and calling them off.
//
// How a copy, the ledger and the original follow each other lives in operate, how messages come out of a queue in
// internal/rabbit.
package backlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// batchSize is how many jobs are out of their lane at once.
const batchSize = 100

// Done is what was done to the jobs of a lane.
type Done struct {
	audit.Entry     // how many, and which
	Dropped     int // messages that would have been skipped
}

// pass goes once through jobs that wait.
type pass struct {
	desk *operate.Desk
	done *Done
	// see is told of jobs that wait, and returns those whose messages are removed: it has carried them on elsewhere, or
	// called them off.
	see  func(ctx context.Context, w *rabbit.Waiting, waiting []work.Delivery) (gone []work.Delivery, err error)
	take *rabbitlink.Conn
}

// run does f over a connection to take from.
func (p *pass) run(ctx context.Context, name string, f func() error) error {
	if err := p.desk.MayNote(ctx); err != nil {
		return err
	}
	var err error
	if p.take, err = p.desk.Connect(ctx, name); err != nil {
		return err
	}
	defer p.take.Close()
	err = f()
	if p.done.Jobs+p.done.Dropped > 0 {
		p.desk.Note(ctx, p.done.Entry)
	}
	return err
}

// queues goes through up to limit jobs of a lane's queues, one queue after the other; 0: all that wait now.
func (p *pass) queues(ctx context.Context, queues []lanes.Queue, limit int) error {
	for _, q := range queues {
		n, err := p.queue(ctx, q, limit)
		if err != nil || limit > 0 && n >= limit {
			return err
		}
		limit = max(0, limit-n)
	}
	return nil
}

// queue goes through up to limit jobs of a queue, and returns how many messages are gone from it.
func (p *pass) queue(ctx context.Context, q lanes.Queue, limit int) (gone int, err error) {
	before := p.done.Jobs + p.done.Dropped
	if err = p.batches(ctx, q, limit); err != nil {
		err = fmt.Errorf("move jobs out of lane %q: %w", q.Lane, err)
	}
	return p.done.Jobs + p.done.Dropped - before, err
}

func (p *pass) batches(ctx context.Context, q lanes.Queue, limit int) error {
	w, err := rabbit.OpenWaiting(ctx, p.take, q)
	if err != nil {
		return err
	}
	defer w.Close() // gives back what is to stay
	if limit <= 0 {
		if limit, err = w.Count(); err != nil {
			return err
		}
	}
	for limit > 0 {
		want := min(limit, batchSize)
		batch, err := w.Take(ctx, want)
		if err == nil && len(batch) > 0 {
			err = p.batch(ctx, w, batch)
		}
		if err != nil || len(batch) < want {
			return err
		}
		limit -= want
	}
	return nil
}

// batch sees to a batch of messages by what the ledger knows: one whose job has ended, or is carried on by a newer
// copy, is dropped, and counted; one whose job runs somewhere, or that is no job, stays for a worker to see to, and so
// does a copy that brings an ended job back and of which the ledger hasn't heard yet. The others wait.
func (p *pass) batch(ctx context.Context, w *rabbit.Waiting, batch []work.Delivery) error {
	ids := make([]string, len(batch))
	for i, d := range batch {
		ids[i] = d.Job.ID
	}
	records, err := p.desk.Ledger.GetAll(ctx, ids)
	if err != nil {
		return err
	}
	var waiting, obsolete []work.Delivery
	for _, d := range batch {
		r := records[d.Job.ID]                             // one sent by plain AMQP has no record yet
		ended := r.State.Final() && r.State != job.Missing // a missing job's message has just turned up
		switch {
		case d.Err != nil:
		case r.Copy > d.Copy, ended && r.Copy == d.Copy:
			obsolete = append(obsolete, d)
		case ended, r.State == job.Running:
		default:
			waiting = append(waiting, d)
		}
	}
	p.done.Dropped += len(obsolete)
	if err := w.Remove(obsolete...); err != nil {
		return err
	}
	p.tellGone(ctx, obsolete)
	if len(waiting) == 0 {
		return nil
	}
	gone, err := p.see(ctx, w, waiting)
	p.tellGone(ctx, gone)
	return err
}

// tellGone tells the ledger that messages are no longer in their lane. If that fails, no harm is done: the ledger
// counts them as still there until the lane's queue is empty.
func (p *pass) tellGone(ctx context.Context, messages []work.Delivery) {
	if len(messages) == 0 {
		return
	}
	if err := p.desk.Ledger.Gone(context.WithoutCancel(ctx), messages[0].Lane, messages); err != nil {
		p.desk.Warn("%v", err)
	}
}

// Purge calls off every job that waits in a lane. Running and retrying ones go on.
func Purge(ctx context.Context, desk *operate.Desk, lane, reason string) (Done, error) {
	done := Done{Entry: audit.Entry{Verb: "purge", On: "lane " + lane, Reason: reason}}
	e, err := desk.Policy(ctx)
	if err == nil {
		err = operate.RequireLane(e, lane, true)
	}
	if err != nil {
		return done, err
	}
	p := &pass{desk: desk, done: &done}
	p.see = p.callOff
	return done, p.run(ctx, "lanes purge", func() error { return p.queues(ctx, e.QueuesOf(lane), 0) })
}

// callOff cancels the jobs of waiting messages. One without a record gets one, to be cancelled; one that has come to
// its end this very moment is over, too.
func (p *pass) callOff(ctx context.Context, w *rabbit.Waiting, waiting []work.Delivery) ([]work.Delivery, error) {
	if _, err := p.desk.Ledger.CreateAll(ctx, waiting); err != nil {
		return nil, err
	}
	ids := make([]string, len(waiting))
	for i, d := range waiting {
		ids[i] = d.Job.ID
	}
	answers, failed := p.desk.Ledger.CancelAll(ctx, ids)
	for i, a := range answers {
		var ended *jobledger.StateError
		switch {
		case a.Err == nil:
			p.done.Did(ids[i])
		case !errors.As(a.Err, &ended):
			failed = errors.Join(failed, a.Err)
		}
	}
	if failed == nil {
		failed = w.Remove(waiting...)
	}
	if failed != nil {
		return nil, failed
	}
	return waiting, nil
}
