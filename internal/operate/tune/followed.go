package tune

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

// Followed is how far a change has got.
type Followed struct {
	Revision  int64  // of the policy in force that has it; 0: none has yet
	Following int    // workers that follow that policy
	Workers   int    // that are alive
	Overtaken string // why it won't be in force any more; "" when nothing is known of that
	Waits     string // from when on it will be in force; "": at once
}

// Done reports whether the scaler has put the change into force and every worker follows it, or whether there is
// nothing to follow yet.
func (f Followed) Done() bool { return f.Waits != "" || f.Revision > 0 && f.Following == f.Workers }

// String says how far it has got.
func (f Followed) String() string {
	followers := fmt.Sprintf("%d of %s %s", f.Following, say.Plural(f.Workers, "worker"), say.Verb(f.Following,
		"follows", "follow"))
	if f.Workers == 0 {
		followers = "no worker is there to follow"
	}
	switch {
	case f.Waits != "":
		return "it starts " + f.Waits
	case f.Overtaken != "":
		return f.Overtaken
	case f.Done():
		return fmt.Sprintf("in force as policy revision %d: %s it", f.Revision, followers)
	case f.Revision > 0:
		return fmt.Sprintf("the scaler has put it into force; %s it so far", followers)
	default:
		return "no scaler has taken it up within " + TakenUp.String() + "; is one running? It will as soon as one leads"
	}
}

// Await waits until the scaler has put the change into force and the workers follow it, for five seconds at most, and
// returns how far it has got.
func (d *Desk) Await(ctx context.Context, c Change) (far Followed) {
	if o, waits := c.Starts(); waits {
		return Followed{Waits: say.Moment(o.Start)}
	}
	ctx, cancel := context.WithTimeout(ctx, TakenUp)
	defer cancel()
	for {
		if e, err := d.Board.Policy(ctx); err == nil && c.in(e) {
			if far, err = d.following(ctx, e); err == nil && far.Done() {
				return far
			}
		} else if far.Overtaken = d.overtakenSince(ctx, c.Set); far.Overtaken != "" {
			return far
		}
		select {
		case <-ctx.Done():
			return far
		case <-time.After(lookEvery):
		}
	}
}

// in reports whether the policy in force has the change.
func (c Change) in(e lanes.Effective) bool {
	return InForce(e, c.Set...) && !slices.ContainsFunc(c.Removed, func(t lanes.Tuning) bool {
		_, there := lanes.FindTuning(e.Tunings, t.ID())
		return there
	})
}

// InForce reports whether the policy in force has all of the tunings.
func InForce(e lanes.Effective, set ...lanes.Tuning) bool {
	return !slices.ContainsFunc(set, func(t lanes.Tuning) bool {
		got, ok := lanes.FindTuning(e.Tunings, t.ID())
		return !ok || !same(got, t) || !got.Until.Equal(t.Until)
	})
}

// overtakenSince returns why a tuning that was just made isn't there any more; "" while all of them are.
func (d *Desk) overtakenSince(ctx context.Context, set []lanes.Tuning) string {
	t, now, err := d.Tunings.Now(ctx)
	if err != nil {
		return ""
	}
	for _, mine := range set {
		is, there := lanes.FindTuning(t.All, mine.ID())
		switch {
		case !mine.Active(now):
			return fmt.Sprintf("%s: its time was over before every worker followed", mine.Field)
		case !there:
			return fmt.Sprintf("%s: somebody has removed it already; see `siren audit`", mine.Field)
		case !same(is, mine):
			return fmt.Sprintf("%s: %s has set it to %s meanwhile; yours is no longer in force", mine.Field, is.By,
				is.Spelled())
		}
	}
	return ""
}

// following counts the workers that are alive and, of them, those that follow the policy.
func (d *Desk) following(ctx context.Context, e lanes.Effective) (Followed, error) {
	workers, now, err := d.Roster.Workers(ctx)
	far := Followed{Revision: e.Revision}
	for _, w := range workers {
		if now.Sub(w.At) > e.Policy.Timing.GoneAfter.D() || w.Retired {
			continue
		}
		far.Workers++
		if w.Revision >= e.Revision {
			far.Following++
		}
	}
	return far, err
}
