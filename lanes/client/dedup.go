package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// ErrUnderWay: another job with the same dedupKey is being enqueued at this very moment, and whether it will be isn't
// known yet. This one isn't enqueued: try again.
var ErrUnderWay = errors.New("another job with this dedupKey is being enqueued at this moment; try again")

const (
	underWayFor   = 5 * time.Second // how long such a job is waited for
	underWayEvery = 50 * time.Millisecond
)

// batch is jobs on their way into their lanes, with what becomes of each.
type batch struct {
	jobs     []job.Job
	outcomes []Outcome
	same     map[int]int // jobs that have the dedup key of an earlier one of the batch, and that one
}

// dedup settles which jobs of the batch have the dedup key of an earlier job, in the batch or before it. Those aren't
// to be enqueued: their outcome is final, but for those that wait for another one of the batch (see follow). While
// Redis is away nobody can tell, and a job with a key isn't enqueued either.
func (c *Client) dedup(ctx context.Context, b *batch) {
	first := map[string]int{}
	var open []int
	for i, j := range b.jobs {
		if j.DedupKey == "" || b.outcomes[i].Err != nil {
			continue
		}
		if earlier, ok := first[j.DedupKey]; ok {
			b.same[i] = earlier
			continue
		}
		first[j.DedupKey] = i
		open = append(open, i)
	}
	for end := time.Now().Add(underWayFor); len(open) > 0; {
		var err error
		if open, err = c.reserve(ctx, b, open); err != nil {
			b.refuse(open, fmt.Errorf("the job's dedupKey can't be looked up, so it isn't enqueued; try again, or "+
				"leave the key out: %w", err))
			return
		}
		if len(open) > 0 && (ctx.Err() != nil || time.Now().After(end)) {
			b.refuse(open, ErrUnderWay)
			return
		}
		if len(open) > 0 {
			time.Sleep(underWayEvery)
		}
	}
}

// reserve asks for the keys of some jobs, and returns those of which it isn't known yet.
func (c *Client) reserve(ctx context.Context, b *batch, open []int) (pending []int, err error) {
	jobs := make([]job.Job, len(open))
	for k, i := range open {
		jobs[k] = b.jobs[i]
	}
	answers, err := c.ledger.Reserve(ctx, jobs)
	for k, r := range answers {
		switch i := open[k]; {
		case r.Pending:
			pending = append(pending, i)
		case r.First != b.jobs[i].ID:
			b.outcomes[i] = Outcome{ID: r.First, Duplicate: true}
		}
	}
	if err != nil {
		return open[len(answers):], err
	}
	return pending, nil
}

func (b *batch) refuse(open []int, err error) {
	for _, i := range open {
		b.outcomes[i].Err = err
	}
}

// follow gives jobs that have the dedup key of another one in the batch the fate of that one.
func (b *batch) follow() {
	for i, first := range b.same {
		b.outcomes[i] = b.outcomes[first]
		b.outcomes[i].Duplicate = true
	}
}

// enqueued keeps the keys of the jobs that are enqueued, and gives back those of the ones that certainly aren't. One of
// which nobody knows keeps its key for a minute.
func (c *Client) enqueued(ctx context.Context, b *batch) {
	ctx = context.WithoutCancel(ctx)
	var keep []job.Job
	for i, j := range b.jobs {
		_, follows := b.same[i]
		switch err := b.outcomes[i].Err; {
		case j.DedupKey == "" || follows || b.outcomes[i].Duplicate:
		case err == nil:
			keep = append(keep, j)
		case !errors.Is(err, ErrUncertain):
			if err := c.ledger.ReleaseKey(ctx, j); err != nil {
				c.log.Warn("a job that wasn't enqueued has its dedup key for a minute", "job", j.ID, "error", err)
			}
		}
	}
	if len(keep) == 0 {
		return
	}
	if err := c.ledger.KeepKeys(ctx, keep); err != nil {
		c.log.Warn("dedup keys are forgotten after a minute: another job with one of them may run", "jobs", len(keep),
			"error", err)
	}
}
