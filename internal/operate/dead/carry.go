package dead

import (
	"context"
	"errors"
	"slices"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// message returns the letter as the message that its job died of, with the number of the newest there is.
func (l Letter) message() work.Delivery {
	d := l.Delivery
	d.Lane = l.Facts.Lane
	if l.Record != nil {
		d.Copy = max(l.Copy, l.Record.Copy)
	}
	return d
}

// revive makes the copy of a letter's job.
func (r *Replay) revive(l Letter) (*revival, error) {
	v := &revival{
		Copy: operate.CopyOf(l.message(), operate.LaneFor(r.policy, r.To, l.Facts.Lane), &r.policy),
		made: l.Copy, reason: l.Facts.Reason, letters: []wire.DeadLetter{l.DeadLetter},
	}
	v.Anew()
	v.From = []job.State{job.Dead}
	v.Settle = func() error { return r.letters.Remove(v.letters...) }
	err := v.Revive(r.Set, r.desk.Now())
	if err == nil {
		err = r.Set.Check(l.Job, v.Job, r.policy.Storage)
	}
	if err != nil {
		return nil, operate.NotPossible.Errorf("job %s can't be replayed: %w", l.ID, err)
	}
	return v, nil
}

// join takes in another letter of a job that is about to be replayed: the newest says what the job is, and the copy is
// above all of them.
func (r *Replay) join(v *revival, l Letter) {
	letters := append(v.letters, l.DeadLetter)
	if l.Err == nil && l.Copy > v.made {
		if newer, err := r.revive(l); err == nil {
			settle := v.Settle // is about v
			*v = *newer
			v.Settle = settle
		}
	}
	v.letters = letters
	v.Entry.Copy = max(v.Entry.Copy, l.Copy+1)
}

// carryOn replays jobs at the pace that was asked for. What is begun when ctx ends is brought to its end.
func (r *Replay) carryOn(ctx context.Context, all []*revival) error {
	for part := range slices.Chunk(all, r.pace.chunk()) {
		if err := r.pace.wait(ctx, len(part)); err != nil {
			return err
		}
		if err := r.carryPart(ctx, part); err != nil {
			return err
		}
		if r.Progress != nil {
			r.Progress()
		}
	}
	return ctx.Err()
}

// carryPart lets copies carry the jobs of some letters. If the ledger can't be told, or somebody else is faster, no
// harm is done: a copy with a higher number brings its job back by itself.
func (r *Replay) carryPart(ctx context.Context, part []*revival) error {
	copies := make([]operate.Copy, len(part))
	for i, v := range part {
		copies[i] = v.Copy
	}
	carried, err := r.desk.Carrier(r.publish).Carry(ctx, copies)
	var failed, untold error
	var sent []*revival
	for i, c := range carried {
		if c.Sent {
			sent = append(sent, part[i])
		} else if failed == nil {
			failed = c.Err
		}
		if errors.Is(c.Err, operate.ErrUntold) {
			untold = c.Err
		}
	}
	r.count(sent)
	if untold != nil {
		r.desk.Warn("%v", untold)
	}
	return errors.Join(failed, err)
}

// fromRecords replays the jobs that were asked for and have no letter: somebody has emptied the dead letters, and the
// record knows all that is needed.
func (r *Replay) fromRecords(ctx context.Context) error {
	records, err := r.desk.Ledger.GetAll(ctx, r.order)
	if err != nil {
		return err
	}
	for _, id := range r.order {
		if r.Carried(id) || r.Refused[id] != nil {
			continue
		}
		v, err := r.fromRecord(id, records)
		if err != nil {
			r.Refused[id] = err
			continue
		}
		r.pending = append(r.pending, v)
	}
	return r.flush(ctx)
}

// fromRecord makes the copy of a job that has no letter.
func (r *Replay) fromRecord(id string, records map[string]job.Record) (*revival, error) {
	record, ok := records[id]
	if !ok {
		return nil, NoJob(id)
	}
	if record.State != job.Dead {
		return nil, operate.NotPossible.Errorf("job %s is %s, not dead%s", id, record.State, operate.Instead(record))
	}
	d, err := operate.FromRecord(record)
	if err != nil {
		return nil, operate.NotPossible.Errorf("job %s can't be replayed: it has no letter, and its record is no "+
			"job: %w", id, err)
	}
	v, err := r.revive(newLetter(wire.DeadLetter{Delivery: d, ID: d.Job.ID, Reason: record.Reason}, &record))
	if err == nil {
		v.letters, v.Settle = nil, nil
	}
	return v, err
}

// NoJob returns the error that no dead job has that id.
func NoJob(id string) error {
	return operate.NotFound.Errorf("no dead job %q; `siren dead list` shows those there are", id)
}

// tidy removes older letters of jobs that were replayed from a newer one.
func (r *Replay) tidy() error {
	for _, l := range r.aside {
		if number, ours := r.carried[l.ID]; !ours || l.Copy >= number {
			r.Left.Stale++
			continue
		}
		r.Removed++
		if r.DryRun {
			continue
		}
		if err := r.letters.Remove(l); err != nil {
			return err
		}
	}
	return nil
}
