package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

const (
	tuneFor    = time.Hour       // how long a tuning lasts unless somebody says
	takenUp    = 5 * time.Second // within which the scaler and the workers should follow a change
	mostTries  = 20              // of a change that others keep overtaking
	lookEvery  = 100 * time.Millisecond
	untilGone  = time.Duration(0)
	mostReason = 200             // characters
	answerTime = 6 * time.Second // for the leader to say what would be
)

// wish is another value for a field. What it is made of is what is in force when it is put there.
type wish struct {
	field string
	value func(now json.RawMessage) (json.RawMessage, error)
}

// wishFor is a wish for a plain value.
func wishFor(field string, v any) wish {
	return wish{field, func(json.RawMessage) (json.RawMessage, error) { return json.Marshal(v) }}
}

// tuneFlags is what every command that tunes may be told.
type tuneFlags struct {
	duration time.Duration
	reason   string
	dryRun   bool
	revision *int64 // nil: any
	wait     bool
}

func (f *tuneFlags) add(c *cobra.Command, duration time.Duration) {
	c.Flags().DurationVar(&f.duration, "for", duration, "how long; it ends by itself (0: until it is removed)")
	f.addBut(c)
}

// addBut adds the flags but for how long: what was tuned is to end.
func (f *tuneFlags) addBut(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.reason, "reason", "", "why, for the others and the audit log")
	fs.BoolVar(&f.dryRun, "dry-run", false, "change nothing; show the plans that it leads to now, before and after")
	fs.Func("revision", "change nothing unless the tunings are still at revision `N` (as siren tunings -o json shows it)", func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return errors.New("say a number, as siren tunings -o json shows it")
		}
		f.revision = &n
		return nil
	})
	fs.BoolVar(&f.wait, "wait", true, "wait until the scaler and the workers follow, for at most "+takenUp.String())
}

func (f *tuneFlags) check() error {
	if n := utf8.RuneCountInString(f.reason); n > mostReason {
		return exit.With(exit.Usage, fmt.Errorf("--reason has %d characters; say it in %d", n, mostReason))
	}
	f.reason = show.Harmless(f.reason)
	if f.duration < 0 {
		return exit.With(exit.Usage, fmt.Errorf("--for %s: say how long from now on, as in 2h", f.duration))
	}
	return nil
}

// tune puts the wishes into force, all or none.
func (o *operator) tune(ctx context.Context, f tuneFlags, wishes ...wish) error {
	if err := f.check(); err != nil {
		return err
	}
	if len(wishes) == 0 {
		return exit.With(exit.Usage, errors.New("say what to change; --help lists what can be"))
	}
	fields := make([]string, len(wishes))
	for i, w := range wishes {
		fields[i] = w.field
	}
	c, err := o.change(ctx, f, fields, func(p *lanes.Policy, now time.Time) ([]lanes.Tuning, []string, error) {
		var set []lanes.Tuning
		for _, w := range wishes {
			was, err := p.Field(w.field)
			if err != nil {
				return nil, nil, noField(p, err)
			}
			value, err := w.value(was)
			if err != nil {
				return nil, nil, exit.With(exit.Usage, err)
			}
			t := lanes.Tuning{Field: w.field, Value: value, By: who(o.user), Reason: f.reason}
			if f.duration > untilGone {
				t.Until = now.Add(f.duration)
			}
			set = append(set, t)
		}
		return set, nil, nil
	})
	if err != nil {
		return err
	}
	if f.dryRun {
		for i, t := range c.set {
			fmt.Fprintf(o.out, "%s: %s → %s, %s\n", t.Field, c.before[i], t.Spelled(), spellUntil(t.Until, c.now))
		}
		return o.foresee(ctx, c)
	}
	for i, t := range c.set {
		line := fmt.Sprintf("%s: %s → %s, %s", t.Field, c.before[i], t.Spelled(), spellUntil(t.Until, c.now))
		if old, ok := find(c.old, t.Field); ok {
			line += fmt.Sprintf("; in place of %s by %s%s", old.Spelled(), old.By, because(old.Reason))
		}
		fmt.Fprintln(o.out, line)
	}
	fmt.Fprintf(o.out, "undo: siren tunings remove %s\n", strings.Join(fields, " "))
	if f.wait {
		o.awaitFollowed(ctx, c)
	}
	return nil
}

// noField is the error that there is nothing such to tune, with what there is.
func noField(p *lanes.Policy, err error) error {
	then := "; there are"
	if strings.HasSuffix(err.Error(), "?") {
		then = " There are"
	}
	return exit.With(exit.NotFound, fmt.Errorf("%w%s the lanes %s and the pools %s", err, then, strings.Join(p.LaneNames(), ", "), strings.Join(p.PoolNames(), ", ")))
}

// changed is a change of the tunings that was made, or would be.
type changed struct {
	set    []lanes.Tuning
	remove []string
	before []string           // how the fields of set, or else of remove, were spelled before
	old    []lanes.Tuning     // all that there were
	next   []lanes.Tuning     // all that there are now
	idled  []lanes.IdleTuning // of others, that can't be in force any more
	now    time.Time          // by Redis' clock
}

// change works out a change on what is in force, checks it and writes it with its audit entries, unless it is a dry run. Should others have
// changed something meanwhile it is worked out anew; should they have changed one of these very fields, they have won, and the error says so.
func (o *operator) change(
	ctx context.Context, f tuneFlags, fields []string,
	work func(inForce *lanes.Policy, now time.Time) (set []lanes.Tuning, remove []string, err error),
) (changed, error) {
	var first []lanes.Tuning
	for try := range mostTries {
		e, err := o.inForce(ctx)
		if err != nil {
			return changed{}, err
		}
		t, now, err := o.tunings.Now(ctx)
		if err != nil {
			return changed{}, reach.Unreachable(err)
		}
		if f.revision != nil && t.Revision != *f.revision {
			return changed{}, exit.With(exit.Conflict, fmt.Errorf("the tunings are at revision %d, not %d; nothing of yours is in force. Look at `siren tunings` and `siren audit`, and decide anew",
				t.Revision, *f.revision))
		}
		if try == 0 {
			first = t.All
		} else if err := overtaken(first, t.All, fields); err != nil {
			return changed{}, err
		}
		written := e.Written()
		inForce, _, _ := written.Tuned(t.All, now)
		set, remove, err := work(inForce, now)
		if err != nil {
			return changed{}, err
		}
		c := changed{set: set, remove: remove, old: t.All, now: now}
		c.next = slices.DeleteFunc(slices.Clone(t.All), func(t lanes.Tuning) bool { return slices.Contains(fields, t.Field) })
		c.next = append(c.next, set...)
		if c.idled, err = fits(written, c); err != nil {
			return changed{}, err
		}
		notes := c.notes(inForce, written, who(o.user), f.reason)
		if f.dryRun {
			return c, nil
		}
		_, err = o.tunings.Change(ctx, t.Revision, set, remove, notes)
		if err == nil {
			for _, t := range c.idled {
				o.warn("%s = %s by %s can't be in force beside this: %s", t.Field, t.Spelled(), t.By, t.Why)
			}
			return c, nil
		}
		if !errors.Is(err, redis.ErrChanged) {
			return changed{}, reach.Unreachable(err)
		}
	}
	return changed{}, exit.With(exit.Conflict, errors.New("others kept changing the tunings; try again"))
}

// overtaken is the error that somebody else has changed one of the fields meanwhile.
func overtaken(first, now []lanes.Tuning, fields []string) error {
	for _, f := range fields {
		was, had := find(first, f)
		is, has := find(now, f)
		switch {
		case had == has && was.By == is.By && was.At.Equal(is.At) && string(was.Value) == string(is.Value):
		case has:
			return exit.With(exit.Conflict, fmt.Errorf("%s was changed meanwhile: %s has set it to %s%s; nothing of yours is in force. Look at `siren tunings` and decide anew",
				f, is.By, is.Spelled(), because(is.Reason)))
		default:
			return exit.With(exit.Conflict, fmt.Errorf("%s was changed meanwhile: its tuning to %s by %s was removed; nothing of yours is in force. Look at `siren audit` and decide anew", f, was.Spelled(), was.By))
		}
	}
	return nil
}

// fits refuses a change that breaks the policy's rules, with the rule. idled is the tunings that were in force and, beside the change, can't
// be.
func fits(written *lanes.Policy, c changed) (idled []lanes.IdleTuning, err error) {
	_, inForce, _ := written.Tuned(c.old, c.now)
	_, _, idle := written.Tuned(c.next, c.now)
	for _, t := range idle {
		if _, mine := find(c.set, t.Field); mine {
			return nil, fmt.Errorf("refused: %s = %s breaks a rule of the policy: %s", t.Field, t.Spelled(), t.Why)
		}
		if _, was := find(inForce, t.Field); was {
			idled = append(idled, t)
		}
	}
	return idled, nil
}

// notes is the change's entries for the audit log; it fills in what was before.
func (c *changed) notes(inForce, written *lanes.Policy, by, reason string) (notes []lanes.AuditEntry) {
	for _, t := range c.set {
		was, _ := inForce.Field(t.Field)
		c.before = append(c.before, lanes.Spell(was))
		notes = append(notes, lanes.AuditEntry{
			By: t.By, Verb: "tune", On: t.Field, Before: lanes.Spell(was), After: t.Spelled(), Reason: t.Reason, Until: t.Until,
		})
	}
	for _, field := range c.remove {
		t, _ := find(c.old, field)
		file, _ := written.Field(field) // the policy may not have it any more
		c.before = append(c.before, t.Spelled())
		notes = append(notes, lanes.AuditEntry{By: by, Verb: "remove", On: field, Before: t.Spelled(), After: lanes.Spell(file), Reason: reason})
	}
	return notes
}

func find(all []lanes.Tuning, field string) (lanes.Tuning, bool) {
	i := slices.IndexFunc(all, func(t lanes.Tuning) bool { return t.Field == field })
	if i < 0 {
		return lanes.Tuning{}, false
	}
	return all[i], true
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// awaitFollowed waits until the scaler has put the change into force and the workers follow, and says so, or that they don't yet.
func (o *operator) awaitFollowed(ctx context.Context, c changed) {
	ctx, cancel := context.WithTimeout(ctx, takenUp)
	defer cancel()
	said := "no scaler has taken it up within " + takenUp.String() + "; is one running? It will as soon as one leads"
	for {
		e, err := o.board.Policy(ctx)
		if err == nil && inForce(e, c.set) && gone(e, c.remove) {
			following, all, err := o.following(ctx, e)
			if err == nil && following == all {
				fmt.Fprintf(o.out, "in force as policy revision %d: %s it\n", e.Revision, followers(following, all))
				return
			}
			said = fmt.Sprintf("the scaler has put it into force; %s it so far", followers(following, all))
		} else if why := o.overtakenSince(ctx, c.set); why != "" {
			o.warn("%s", why)
			return
		}
		select {
		case <-ctx.Done():
			o.warn("%s", said)
			return
		case <-time.After(lookEvery):
		}
	}
}

// overtakenSince is why a tuning that was just made isn't there any more; "" while all of them are.
func (o *operator) overtakenSince(ctx context.Context, set []lanes.Tuning) string {
	t, now, err := o.tunings.Now(ctx)
	if err != nil {
		return ""
	}
	for _, mine := range set {
		is, there := find(t.All, mine.Field)
		switch {
		case !mine.Active(now):
			return fmt.Sprintf("%s: its time was over before every worker followed", mine.Field)
		case !there:
			return fmt.Sprintf("%s: somebody has removed it already; see `siren audit`", mine.Field)
		case is.By != mine.By || string(is.Value) != string(mine.Value):
			return fmt.Sprintf("%s: %s has set it to %s meanwhile; yours is no longer in force", mine.Field, is.By, is.Spelled())
		}
	}
	return ""
}

// inForce is whether the policy in force has all of the tunings.
func inForce(e lanes.Effective, set []lanes.Tuning) bool {
	return !slices.ContainsFunc(set, func(t lanes.Tuning) bool {
		got, ok := find(e.Tunings, t.Field)
		return !ok || got.By != t.By || string(got.Value) != string(t.Value) || !got.Until.Equal(t.Until)
	})
}

// gone is whether the policy in force has none of the tunings any more.
func gone(e lanes.Effective, fields []string) bool {
	return !slices.ContainsFunc(fields, func(field string) bool {
		_, there := find(e.Tunings, field)
		return there
	})
}

// following counts the workers that are alive and, of them, those that follow the policy.
func (o *operator) following(ctx context.Context, e lanes.Effective) (following, all int, err error) {
	workers, now, err := o.roster.Workers(ctx)
	for _, w := range workers {
		if now.Sub(w.At) > silentAfter(e) || w.Retired {
			continue
		}
		all++
		if w.Revision >= e.Revision {
			following++
		}
	}
	return following, all, err
}

func followers(following, all int) string {
	if all == 0 {
		return "no worker is there to follow"
	}
	return fmt.Sprintf("%d of %s %s", following, say.Plural(all, "worker"), say.Verb(following, "follows", "follow"))
}

// foresee shows what a dry change leads to: the plans of now, before and after.
func (o *operator) foresee(ctx context.Context, c changed) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	f, err := o.board.Ask(ctx, lanes.WhatIf{Tunings: c.next})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no scaler has said within %s what it would lead to: is `siren scaler` (or `siren up`) running? Nothing was changed", answerTime)
	case err != nil:
		return reach.Unreachable(err)
	case f.Error != "":
		return fmt.Errorf("the scaler %s can't tell what it leads to: %s", f.Leader, f.Error)
	}
	fmt.Fprintln(o.out)
	col, num := show.Col, show.Num
	t := show.NewTable(col("POOL"), col(""), num("FROM"), num("TO"), col("REASON"), col("WHY"))
	for i, before := range f.Before {
		t.Add(before.Pool, "now", fmt.Sprint(before.From), fmt.Sprint(before.To), string(before.Reason), before.Why)
		if i < len(f.After) {
			after := f.After[i]
			t.Add("", "then", fmt.Sprint(after.From), fmt.Sprint(after.To), string(after.Reason), after.Why)
		}
	}
	err = t.Print(o.out)
	fmt.Fprintln(o.out, "nothing was changed (--dry-run)")
	return err
}
