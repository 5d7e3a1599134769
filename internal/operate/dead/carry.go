package dead

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// revive makes the copy of a letter's job.
func (r *Replay) revive(l Letter) (*revival, error) {
	body, job, err := r.Set.apply(l.DeadLetter, r.policy.Storage, r.box.Now())
	if err != nil {
		return nil, fmt.Errorf("job %s can't be replayed: %w", l.ID, err)
	}
	v := &revival{
		entry: rabbit.Entry{Lane: LaneFor(r.policy, r.To, l.Facts.Lane), Job: job, EnqueuedAt: l.EnqueuedAt, Replay: l.Replay + 1, Body: body},
		made:  l.Replay, reason: l.Facts.Reason, letters: []rabbit.DeadLetter{l.DeadLetter},
	}
	v.entry.Priority = r.policy.Priority(v.entry.Lane, l.Priority)
	if l.Record != nil {
		v.entry.Replay = max(l.Replay, l.Record.Replay) + 1
	}
	if len(r.Set) > 0 {
		v.params = job.Params
	}
	return v, nil
}

// join takes in another letter of a job that is about to be replayed: the newest says what the job is, and the copy is above all of them.
func (r *Replay) join(v *revival, l Letter) {
	letters := append(v.letters, l.DeadLetter)
	if l.Err == nil && l.Replay > v.made {
		if newer, err := r.revive(l); err == nil {
			*v = *newer
		}
	}
	v.letters = letters
	v.entry.Replay = max(v.entry.Replay, l.Replay+1)
}

// carry replays jobs at the pace that was asked for. What is begun when ctx ends is brought to its end.
func (r *Replay) carry(ctx context.Context, all []*revival) error {
	for part := range slices.Chunk(all, r.pace.chunk()) {
		if err := r.pace.wait(ctx, len(part)); err != nil {
			return err
		}
		late, end := Finishing(ctx)
		err := r.carryPart(late, part)
		end()
		if err != nil {
			return reach.Unreachable(err)
		}
		if r.Progress != nil {
			r.Progress()
		}
	}
	return ctx.Err()
}

// carryPart publishes copies; the ledger hears of those that are confirmed, and then their letters are removed.
func (r *Replay) carryPart(ctx context.Context, part []*revival) error {
	entries := make([]rabbit.Entry, len(part))
	for i, v := range part {
		entries[i] = v.entry
	}
	var failed error
	var confirmed []*revival
	now := r.box.Now()
	for i, err := range r.publish.EnqueueBatch(ctx, entries) {
		if err == nil {
			confirmed = append(confirmed, part[i])
		} else if failed == nil {
			failed = err
		}
	}
	r.tell(ctx, confirmed, now)
	r.count(confirmed)
	for _, v := range confirmed {
		if err := r.letters.Remove(v.letters...); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// tell has the ledger know which copies carry the jobs. That it can't be told is no harm: a copy with a higher number brings its job back by itself.
func (r *Replay) tell(ctx context.Context, all []*revival, ready time.Time) {
	if err := r.supersede(ctx, all, ready); err != nil {
		r.box.Log.Warn("the ledger doesn't know yet that jobs are replayed", "jobs", len(all), "error", err)
	}
}

func (r *Replay) supersede(ctx context.Context, all []*revival, ready time.Time) error {
	told := make([]redis.Supersede, len(all))
	for i, v := range all {
		e := v.entry
		told[i] = redis.Supersede{ID: e.Job.ID, Lane: e.Lane, Priority: e.Priority, ReadyAt: ready, Replay: e.Replay, From: []lanes.State{lanes.Dead}, Params: v.params}
	}
	answers, err := r.box.Ledger.SupersedeAll(ctx, told)
	var unknown []lanes.Delivery // they get a record
	for i, a := range answers {
		var state *redis.StateError // a worker has the copy already, or what somebody else did counts
		e := all[i].entry
		switch {
		case errors.Is(a.Err, redis.ErrNotFound):
			e.Job.Priority = e.Priority
			unknown = append(unknown, lanes.Delivery{Job: e.Job, Lane: e.Lane, EnqueuedAt: e.EnqueuedAt, ReadyAt: ready, Replay: e.Replay})
		case a.Err != nil && !errors.As(a.Err, &state):
			err = errors.Join(err, a.Err)
		}
	}
	_, failed := r.box.Ledger.CreateAll(ctx, unknown)
	return errors.Join(err, failed)
}

// fromRecords replays the jobs that were asked for and have no letter: somebody has emptied the dead letters, and the record knows all that is needed.
func (r *Replay) fromRecords(ctx context.Context) error {
	records, err := r.box.Ledger.GetAll(ctx, r.order)
	if err != nil {
		return reach.Unreachable(err)
	}
	var all []*revival
	for _, id := range r.order {
		if _, ok := r.carried[id]; ok || r.Refused[id] != nil {
			continue
		}
		record, ok := records[id]
		switch {
		case !ok:
			r.Refused[id] = exit.With(exit.NotFound, fmt.Errorf("no dead job %q; `siren dead list` shows those there are", id))
			continue
		case record.State != lanes.Dead:
			r.Refused[id] = fmt.Errorf("job %s is %s, not dead%s", id, record.State, Instead(record))
			continue
		}
		v, err := r.fromRecord(record)
		if err != nil {
			r.Refused[id] = err
			continue
		}
		all = append(all, v)
	}
	if r.DryRun {
		r.count(all)
		return nil
	}
	return r.carry(ctx, all)
}

// fromRecord makes the copy of a job that has no letter.
func (r *Replay) fromRecord(record lanes.Record) (*revival, error) {
	job := record.Job()
	body, err := lanes.Encode(job)
	if err != nil {
		return nil, fmt.Errorf("job %s can't be replayed: it has no letter, and its record is no job: %w", record.ID, err)
	}
	return r.revive(newLetter(rabbit.DeadLetter{
		ID: record.ID, Lane: record.Lane, Reason: record.Reason, Replay: record.Replay, EnqueuedAt: record.EnqueuedAt, Body: body, Job: job, Priority: job.Priority,
	}, &record))
}

// tidy removes older letters of jobs that were replayed from a newer one.
func (r *Replay) tidy() error {
	for _, l := range r.aside {
		if number, ours := r.carried[l.ID]; !ours || l.Replay >= number {
			r.Left.Stale++
			continue
		}
		r.Removed++
		if r.DryRun {
			continue
		}
		if err := r.letters.Remove(l); err != nil {
			return reach.Unreachable(err)
		}
	}
	return nil
}

// Instead is what else can be done about a job in that state.
func Instead(r lanes.Record) string {
	switch r.State {
	case lanes.Retrying, lanes.Dead, lanes.Cancelled, lanes.Missing:
		return "; `siren jobs retry " + r.ID + "` tries it again at once"
	case lanes.Running:
		return "; `siren jobs cancel " + r.ID + "` stops it"
	default:
		return ""
	}
}
