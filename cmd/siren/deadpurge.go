package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// deadPurge is what `siren dead purge` may be told.
type deadPurge struct {
	deadChoice
	export string
	dryRun bool
}

func newDeadPurge(a *app) *cobra.Command {
	var d deadPurge
	c := &cobra.Command{
		Use:   "purge [ID …]",
		Short: "Throw dead letters away",
		Long: `Throw the letters of dead jobs away: of those named, those that a filter chooses, or --all. It asks first; --yes answers. --export keeps what is
thrown away: each letter is in the file before it is removed.

The jobs' records stay as long as they would have, as cancelled ones: siren jobs list --state cancelled shows them, and siren jobs retry makes a new message
of one.`,
		Example: `  siren dead purge 06ezy… 06f01…
  siren dead purge --died-of bad-input --older-than 168h --export thrown-away.ndjson
  siren dead purge --all --yes --reason "tests of the old version"`,
		ValidArgsFunction: a.completeJobs(lanes.Dead),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.operate(func(o *operator) error { return d.run(cmd.Context(), o, ids) })
		},
	}
	d.flags(a, c)
	c.Flags().StringVar(&d.export, "export", "", "new `FILE` that the letters go to first; see siren dead export")
	c.Flags().BoolVar(&d.dryRun, "dry-run", false, "count what would be thrown away, and change nothing")
	completeFlag(c, "export", files())
	return c
}

func (d *deadPurge) run(ctx context.Context, o *operator, ids []string) error {
	if err := d.check(ids); err != nil {
		return err
	}
	p, err := d.newPurge(ctx, o, ids)
	if err != nil {
		return err
	}
	if len(ids) == 0 && !d.yes && !d.dryRun {
		letters, err := o.countLetters(ctx)
		if err != nil {
			return err
		}
		if err := o.confirm(fmt.Sprintf("Throw away %s?", d.which(len(p.dead), letters))); err != nil {
			return err
		}
	}
	if d.export != "" && !d.dryRun {
		if p.kept, err = newExporter(d.export, o.out); err != nil {
			return err
		}
	}
	err = errors.Join(p.run(ctx), p.kept.close())
	if (p.letters > 0 || p.jobs > 0) && !d.dryRun {
		o.note(ctx, lanes.AuditEntry{Verb: "purge", On: d.on(ids), Before: string(lanes.Dead), After: string(lanes.Cancelled), Jobs: max(p.jobs, p.letters), Reason: d.reason})
	}
	return p.report(ctx, err)
}

// purge goes through siren.dead and throws letters away.
type purge struct {
	*operator
	choose  func(lanes.Record) bool
	ids     map[string]bool         // instead of choose; nil: choose
	dead    map[string]lanes.Record // the jobs that were dead when it began, and chosen
	kept    *exporter               // nil: the letters go nowhere
	dryRun  bool
	seen    map[string]bool // jobs that a letter was about
	letters int             // thrown away
	jobs    int             // that are cancelled now
}

// newPurge looks which jobs are dead now: a record is called off also where its letter is gone already.
func (d *deadPurge) newPurge(ctx context.Context, o *operator, ids []string) (*purge, error) {
	p := &purge{operator: o, dead: map[string]lanes.Record{}, dryRun: d.dryRun, seen: map[string]bool{}}
	if len(ids) > 0 {
		p.ids = map[string]bool{}
		for _, id := range ids {
			p.ids[id] = true
		}
		records, err := o.ledger.GetAll(ctx, ids)
		for id, r := range records {
			if r.State == lanes.Dead {
				p.dead[id] = r
			}
		}
		return p, reach.Unreachable(err)
	}
	p.choose = d.chooser(time.Now())
	records, err := o.everyDead(ctx, &d.deadFilter, false)
	for _, r := range records {
		p.dead[r.ID] = r
	}
	return p, err
}

func (p *purge) run(ctx context.Context) error {
	letters, end, err := p.openDead(ctx, "dead purge")
	if err != nil {
		return err
	}
	defer end()
	err = p.eachLetter(ctx, letters, letterBatch, func(batch []foundLetter) (bool, error) {
		return false, p.batch(ctx, letters, batch)
	})
	if err != nil {
		return err
	}
	var rest []foundLetter // jobs whose letters are gone already
	for id, r := range p.dead {
		if !p.seen[id] {
			rest = append(rest, newFound(rabbit.DeadLetter{ID: id, Replay: r.Replay}, &r))
		}
	}
	return p.discard(ctx, rest)
}

// batch throws away what is chosen of a batch: first the file has it, then the record says so, then it is removed. Broken off in
// between, the letter is there and its job cancelled, and the same command goes on.
func (p *purge) batch(ctx context.Context, letters *rabbit.DeadLetters, batch []foundLetter) error {
	var chosen []foundLetter
	for _, l := range batch {
		if p.ids != nil && p.ids[l.ID] || p.ids == nil && p.choose(l.facts) {
			chosen = append(chosen, l)
			p.seen[l.ID] = true
		}
	}
	if p.dryRun {
		p.letters += len(chosen)
		return nil
	}
	if err := p.kept.add(chosen); err != nil {
		return err
	}
	if err := p.discard(ctx, chosen); err != nil {
		return err
	}
	for _, l := range chosen {
		if err := letters.Remove(l.DeadLetter); err != nil {
			return reach.Unreachable(err)
		}
		p.letters++
	}
	return nil
}

// discard has the jobs' records say that they were called off. One whose job has come back to life meanwhile stays as it is.
func (p *purge) discard(ctx context.Context, letters []foundLetter) error {
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	seats := make(chan struct{}, tellers)
	for _, l := range letters {
		if l.stands != current || l.record == nil {
			continue
		}
		if p.dryRun {
			p.jobs++
			continue
		}
		seats <- struct{}{}
		wg.Go(func() {
			defer func() { <-seats }()
			err := p.ledger.Discard(ctx, l.ID, l.Replay)
			var state *redis.StateError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				p.jobs++
			case !redisNotFound(err) && !errors.As(err, &state):
				failed = err
			}
		})
	}
	wg.Wait()
	return reach.Unreachable(failed)
}

// report says what was done. err is what ended it.
func (p *purge) report(ctx context.Context, err error) error {
	switch {
	case p.dryRun && err == nil:
		fmt.Fprintf(p.out, "%s would be thrown away; nothing was changed (--dry-run)\n", show.Plural(p.letters, "dead letter"))
	case p.letters > 0 || p.jobs > 0 || err == nil:
		fmt.Fprintf(p.out, "%s thrown away, %s\n", show.Plural(p.letters, "dead letter"), tally(p.jobs, "job is cancelled", "jobs are cancelled"))
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: the same command goes on")
	}
	if err != nil {
		return exit.With(exit.Code(err), fmt.Errorf("%w; the same command goes on", err))
	}
	var errs []error
	for id := range p.ids {
		if _, dead := p.dead[id]; !dead && !p.seen[id] {
			errs = append(errs, fmt.Errorf("no dead job %q; `siren dead list` shows those there are", id))
		}
	}
	return exit.With(exit.NotFound, errors.Join(errs...))
}
