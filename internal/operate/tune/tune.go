// Package tune is how lanes, pools and the budget are changed while they run: by tunings, which override a field of
// the policy for a while (docs/adr/0008).
//
// Which tunings are in force is the leading scaler's to say; how they are asked for and shown, the caller's.
package tune

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// TakenUp is within which time the scaler and the workers should follow a change.
const TakenUp = 5 * time.Second

const (
	mostTries  = 20              // of a change that others keep overtaking
	answerTime = 6 * time.Second // for the leader to say what would be
	lookEvery  = 100 * time.Millisecond
)

// Tunings is the store of the tunings, with the audit log: redis.Tunings.
type Tunings interface {
	Now(ctx context.Context) (lanes.Tunings, time.Time, error)
	Change(ctx context.Context, seen int64, set []lanes.Tuning, remove []string,
		notes []audit.Entry) (revision int64, err error)
}

// Board says which policy is in force, and what the leading scaler saw last: redis.Board.
type Board interface {
	operate.Board
	Sight(ctx context.Context) ([]byte, error)
}

// Roster has the workers' heartbeats: redis.Roster.
type Roster interface {
	Workers(ctx context.Context) ([]fleet.Heartbeat, time.Time, error)
}

// Desk is where somebody tunes.
type Desk struct {
	Tunings Tunings
	Board   Board
	Roster  Roster
	By      string // who it is, for the others and the audit log
	Version string // of this program: a scaler of another one may decide differently
}

// Terms is on what terms something is changed.
type Terms struct {
	For      time.Duration // it ends by itself after that; 0: when it is removed
	Reason   string
	DryRun   bool   // nothing is changed
	Revision *int64 // that the tunings have to be at; nil: any
	// When it is in force, For of it being that of the terms; nil: from now on.
	When *lanes.When
	Name string // of the schedule, for When; "": one is made of field and time
}

// Wish is another value for a field of the policy, which is made of the one that is in force when it is put there.
type Wish struct {
	Field string
	Value func(now json.RawMessage) (json.RawMessage, error)
}

// To wishes for a plain value.
func To(field string, v any) Wish {
	return Wish{field, func(json.RawMessage) (json.RawMessage, error) { return json.Marshal(v) }}
}

// Change is a change of the tunings that was made, or would be. It has either Set or Removed.
type Change struct {
	Set     []lanes.Tuning
	Removed []lanes.Tuning
	Before  []string           // what the fields of Set or Removed were, spelled as a person writes it
	File    []string           // of Removed: what they are now, as the file has it
	Old     []lanes.Tuning     // all that there were
	Next    []lanes.Tuning     // all that there are now
	Idled   []lanes.IdleTuning // of others, that can't be in force any more
	Missed  []Missed           // scheduled ones, that can't be in force at a time to come
	Odd     []lanes.Problem    // what of the policy is seldom meant now, and wasn't so before
	At      time.Time          // by Redis' clock
}

// Replaced returns the tuning with that ID that there was before.
func (c Change) Replaced(id string) (lanes.Tuning, bool) { return lanes.FindTuning(c.Old, id) }

// Set puts the wishes into force, all or none: from now on, or when the terms say.
func (d *Desk) Set(ctx context.Context, terms Terms, wishes ...Wish) (Change, error) {
	name, err := terms.schedule(wishes)
	if err != nil {
		return Change{}, err
	}
	ids := make([]string, len(wishes))
	for i, w := range wishes {
		ids[i] = lanes.Tuning{Field: w.Field, Name: name}.ID()
	}
	return d.change(ctx, terms, ids, func(now state) (set, remove []lanes.Tuning, err error) {
		made := lanes.Tuning{By: d.By, Reason: terms.Reason}
		if terms.When != nil {
			if err := now.plan(&made, name, *terms.When, terms.For); err != nil {
				return nil, nil, err
			}
			if err := now.otherTime(made, ids); err != nil {
				return nil, nil, err
			}
		} else if terms.For > 0 {
			made.Until = now.at.Add(terms.For)
		}
		for _, w := range wishes {
			t := made
			t.Field = w.Field
			was, err := now.inForce.Field(w.Field)
			if err != nil {
				return nil, nil, noField(now.inForce, err)
			}
			if t.Value, err = w.Value(was); err != nil {
				return nil, nil, operate.Invalid.With(err)
			}
			if _, err := now.inForce.With(t); errors.Is(err, lanes.ErrNotAValue) {
				return nil, nil, operate.Invalid.With(err)
			}
			if err := now.clash(t); err != nil {
				return nil, nil, err
			}
			set = append(set, t)
		}
		return set, nil, nil
	})
}

// Remove ends tunings, all or none: immediate ones by their fields, scheduled ones by the name of their schedule, or by
// both as in pools.general.min@friday.
func (d *Desk) Remove(ctx context.Context, terms Terms, names ...string) (Change, error) {
	now, err := d.look(ctx)
	if err != nil {
		return Change{}, err
	}
	var ids []string
	for _, name := range names {
		found, err := now.named(name)
		if err != nil {
			return Change{}, err
		}
		ids = append(ids, found...)
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	return d.change(ctx, terms, ids, func(now state) (_, remove []lanes.Tuning, err error) {
		for _, id := range ids {
			t, there := lanes.FindTuning(now.tunings, id)
			if !there {
				_, err := now.named(id)
				return nil, nil, err
			}
			remove = append(remove, t)
		}
		return nil, remove, nil
	})
}

// End takes a pause or a freeze back: its tuning goes, or where the file itself says so, a tuning says otherwise. It is
// false, and nothing is changed, when the field isn't true.
func (d *Desk) End(ctx context.Context, terms Terms, field string) (c Change, was bool, err error) {
	now, err := d.look(ctx)
	if err != nil {
		return c, false, err
	}
	file, err := now.written.Field(field)
	if err != nil {
		return c, false, noField(now.written, err)
	}
	is, err := now.inForce.Field(field)
	switch {
	case err != nil || string(is) != "true":
		return c, false, err
	case string(file) == "true":
		c, err = d.Set(ctx, terms, To(field, false))
	case now.scheduled(field, &terms):
		c, err = d.Set(ctx, terms, To(field, false))
	case terms.For != 0:
		err = operate.Invalid.Errorf("--for is for what the policy file says; %s is a tuning, and ends for good: "+
			"leave --for out", field)
	default:
		c, err = d.Remove(ctx, terms, field)
	}
	return c, true, err
}

// noField returns the error that there is nothing such to tune, with what there is.
func noField(p *lanes.Policy, err error) error {
	then := "; there are"
	if strings.HasSuffix(err.Error(), "?") {
		then = " There are"
	}
	return operate.NotFound.Errorf("%w%s the lanes %s and the pools %s", err, then, strings.Join(p.LaneNames(), ", "),
		strings.Join(p.PoolNames(), ", "))
}

// state is what a change is worked out on.
type state struct {
	written  *lanes.Policy // without tunings
	inForce  *lanes.Policy // with those there are
	tunings  []lanes.Tuning
	active   []lanes.Tuning // that are in force, those of the file's schedules too
	revision int64
	at       time.Time // by Redis' clock
}

func (d *Desk) look(ctx context.Context) (state, error) {
	e, err := operate.InForce(ctx, d.Board)
	if err != nil {
		return state{}, err
	}
	t, at, err := d.Tunings.Now(ctx)
	if err != nil {
		return state{}, err
	}
	written := e.Written()
	inForce, active, _ := written.Tuned(t.All, at)
	return state{written, inForce, t.All, active, t.Revision, at}, nil
}

// change works out a change on what is in force, checks it and writes it with its audit entries, unless it is a dry
// run. Should others have changed something meanwhile it is worked out anew; should they have changed one of these
// very tunings, they have won, and the error says so.
func (d *Desk) change(
	ctx context.Context, terms Terms, ids []string,
	work func(now state) (set, remove []lanes.Tuning, err error),
) (Change, error) {
	var first []lanes.Tuning
	for try := range mostTries {
		now, err := d.look(ctx)
		if err != nil {
			return Change{}, err
		}
		if terms.Revision != nil && now.revision != *terms.Revision {
			return Change{}, operate.Conflict.Errorf("the tunings are at revision %d, not %d; nothing of yours is "+
				"in force. "+
				"Look at `siren tunings` and `siren audit`, and retry", now.revision, *terms.Revision)
		}
		if try == 0 {
			first = now.tunings
		} else if err := overtaken(first, now.tunings, ids); err != nil {
			return Change{}, err
		}
		set, remove, err := work(now)
		if err != nil {
			return Change{}, err
		}
		c := Change{Set: set, Removed: remove, Old: now.tunings, At: now.at}
		c.Next = slices.DeleteFunc(slices.Clone(c.Old), func(t lanes.Tuning) bool {
			return slices.Contains(ids, t.ID())
		})
		c.Next = append(c.Next, set...)
		if err := c.fit(now.written); err != nil {
			return Change{}, err
		}
		notes := c.notes(now, d.By, terms.Reason)
		if terms.DryRun {
			return c, nil
		}
		_, err = d.Tunings.Change(ctx, now.revision, set, idsOf(remove), notes)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, redis.ErrChanged) {
			return Change{}, err
		}
	}
	return Change{}, operate.Conflict.Errorf("others kept changing the tunings; try again")
}

func idsOf(all []lanes.Tuning) (ids []string) {
	for _, t := range all {
		ids = append(ids, t.ID())
	}
	return ids
}

// overtaken returns the error that somebody else has changed one of the tunings meanwhile.
func overtaken(first, now []lanes.Tuning, ids []string) error {
	for _, f := range ids {
		was, had := lanes.FindTuning(first, f)
		is, has := lanes.FindTuning(now, f)
		switch {
		case had == has && same(was, is) && was.At.Equal(is.At):
		case has:
			return operate.Conflict.Errorf("%s was changed meanwhile: %s has set it to %s%s; nothing of yours is "+
				"in force. Look at `siren tunings` and retry",
				f, is.By, is.Spelled(), say.Because(is.Reason))
		default:
			return operate.Conflict.Errorf("%s was changed meanwhile: its tuning to %s by %s was removed; nothing "+
				"of yours is in force. "+
				"Look at `siren audit` and retry", f, was.Spelled(), was.By)
		}
	}
	return nil
}

// same reports whether two tunings of a field are of the same person, with the same value.
func same(x, y lanes.Tuning) bool { return x.By == y.By && string(x.Value) == string(y.Value) }

// fit refuses a change that breaks the policy's rules, with the rule: of a schedule, when it starts. It fills in which
// tunings were in force and, beside the change, can't be, and what is odd about the policy then.
func (c *Change) fit(written *lanes.Policy) error {
	at, then := c.At, ""
	if o, waits := c.Starts(); waits {
		at, then = o.Start, " "+say.Moment(o.Start)
	}
	before, inForce, _ := written.Tuned(c.Old, at)
	after, _, idle := written.Tuned(c.Next, at)
	for _, t := range idle {
		if _, mine := lanes.FindTuning(c.Set, t.ID()); mine {
			return operate.NotPossible.Errorf("refused:%s %s = %s breaks a rule of the policy: %s", then, t.Field,
				t.Spelled(), t.Why)
		}
		if _, was := lanes.FindTuning(inForce, t.ID()); was {
			c.Idled = append(c.Idled, t)
		}
	}
	c.Missed = c.misses(written)
	known := before.Warnings()
	c.Odd = slices.DeleteFunc(after.Warnings(), func(p lanes.Problem) bool { return slices.Contains(known, p) })
	return nil
}

// notes returns the change's entries for the audit log; it fills in what was before, and of what is removed what is
// now.
func (c *Change) notes(now state, by, reason string) (notes []audit.Entry) {
	for _, t := range c.Set {
		was, _ := now.inForce.Field(t.Field)
		c.Before = append(c.Before, lanes.Spell(was))
		notes = append(notes, audit.Entry{
			By: t.By, Verb: "tune", On: t.Field, Before: lanes.Spell(was), After: t.Spelled(), Reason: t.Reason,
			Until: t.Until, Schedule: schedule(t),
		})
	}
	for _, t := range c.Removed {
		value, err := now.written.Field(t.Field)
		file := lanes.Spell(value)
		note := audit.Entry{By: by, Verb: "remove", On: t.Field, Before: t.Spelled(), After: file, Reason: reason}
		if t.When != nil {
			note.After, note.Schedule = "", schedule(t)
		}
		notes = append(notes, note)
		if err != nil {
			file = "what the policy doesn't have any more"
		}
		c.Before, c.File = append(c.Before, t.Spelled()), append(c.File, file)
	}
	return notes
}

// Outlook is what a change leads to: the plans of now, and as they would be.
type Outlook struct {
	Before, After []fleet.Plan
}
