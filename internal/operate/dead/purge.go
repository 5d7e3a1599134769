package dead

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// Purge goes through siren.dead and throws letters away.
type Purge struct {
	Reason string               // why, for the audit log
	DryRun bool                 // counts what would be thrown away, and changes nothing
	Keep   func([]Letter) error // is called before letters are removed; nil: they go nowhere

	// What has become of them.
	Letters int         // thrown away
	Jobs    int         // that are cancelled now
	Done    audit.Entry // its Sample: which

	choice
	desk *operate.Desk
	dead map[string]job.Record // the jobs that were dead when it began, and chosen
	seen map[string]bool       // jobs that a letter was about
}

// NewPurge prepares to throw away what a filter chooses, or the letters of the jobs with these ids. dead is the records
// of those jobs that are dead now: one is called off also where its letter is gone already.
func NewPurge(desk *operate.Desk, f Filter, ids []string, dead []job.Record) *Purge {
	p := &Purge{
		choice: choiceOf(f, ids, desk.Now()), desk: desk, dead: map[string]job.Record{}, seen: map[string]bool{},
	}
	for _, r := range dead {
		p.dead[r.ID] = r
	}
	return p
}

// Run goes through the letters once, and then calls off the chosen jobs that have none. The audit log gets one entry.
func (p *Purge) Run(ctx context.Context) error {
	if err := p.desk.MayNote(ctx); err != nil {
		return err
	}
	letters, end, err := Open(ctx, p.desk, "dead purge")
	if err != nil {
		return err
	}
	defer end()
	defer p.note(ctx)
	err = each(ctx, letters, letterBatch, p.desk.Ledger.GetAll, func(batch []Letter) (bool, error) {
		return false, p.batch(ctx, letters, batch)
	})
	if err != nil {
		return err
	}
	var rest []Letter // jobs whose letters are gone already
	for id, r := range p.dead {
		if !p.seen[id] {
			rest = append(rest, newLetter(wire.DeadLetter{Delivery: work.Delivery{Copy: r.Copy}, ID: id}, &r))
			p.Done.Did(id)
		}
	}
	return p.discard(ctx, rest)
}

// note makes the entry in the audit log.
func (p *Purge) note(ctx context.Context) {
	if p.DryRun || p.Letters == 0 && p.Jobs == 0 {
		return
	}
	p.desk.Note(ctx, audit.Entry{
		Verb: "purge", On: p.on, Before: string(job.Dead), After: string(job.Cancelled), Jobs: max(p.Jobs, p.Letters),
		Sample: p.Done.Sample, Reason: p.Reason,
	})
}

// batch throws away what is chosen of a batch: first the file has it, then the record says so, then it is removed.
// Broken off in between, the letter is there and its job cancelled, and the same command goes on.
func (p *Purge) batch(ctx context.Context, letters *rabbit.DeadLetters, batch []Letter) error {
	var chosen []Letter
	for _, l := range batch {
		if p.has(l) {
			chosen = append(chosen, l)
			p.seen[l.ID] = true
		}
	}
	if p.DryRun {
		p.Letters += len(chosen)
		return nil
	}
	if p.Keep != nil {
		if err := p.Keep(chosen); err != nil {
			return err
		}
	}
	if err := p.discard(ctx, chosen); err != nil {
		return err
	}
	for _, l := range chosen {
		if err := letters.Remove(l.DeadLetter); err != nil {
			return err
		}
		p.Letters++
		p.Done.Did(l.ID)
	}
	return nil
}

// discard makes the jobs' records say that they were called off. A job that has come back to life meanwhile stays as it
// is.
func (p *Purge) discard(ctx context.Context, letters []Letter) error {
	numbers := map[string]int{}
	for _, l := range letters {
		if l.Standing == Current && l.Record != nil {
			numbers[l.ID] = max(numbers[l.ID], l.Copy)
		}
	}
	if p.DryRun {
		p.Jobs += len(numbers)
		return nil
	}
	answers, failed := p.desk.Ledger.DiscardAll(ctx, numbers)
	for _, a := range answers {
		var state *jobledger.StateError
		switch {
		case a.Err == nil:
			p.Jobs++
		case !errors.Is(a.Err, redislink.ErrNotFound) && !errors.As(a.Err, &state):
			failed = errors.Join(failed, a.Err)
		}
	}
	return failed
}

// Missing returns the ids of jobs that were to be thrown away and weren't dead.
func (p *Purge) Missing() []string {
	var missing []string
	for _, id := range slices.Sorted(maps.Keys(p.ids)) {
		if _, dead := p.dead[id]; !dead && !p.seen[id] {
			missing = append(missing, id)
		}
	}
	return missing
}
