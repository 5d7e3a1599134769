package lanes

import (
	"errors"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes/calendar"
)

// Tuned returns the policy with those of the tunings and of its own schedules applied that are in force at now: of one
// field the immediate tuning counts before a scheduled one, and that before the policy's schedule. A tuning is idle
// when it has ended, when it names what the policy doesn't have, or when it would break a rule together with those that
// count more.
func (p *Policy) Tuned(tunings []Tuning, now time.Time) (tuned *Policy, inForce []Tuning, idle []IdleTuning) {
	return p.tunedAt(p.overlays(tunings), now)
}

// overlay is a tuning with its calendar.
type overlay struct {
	Tuning
	calendar *calendar.Calendar // nil: it is immediate
	err      error              // of the calendar
}

// overlays returns all that may be laid over the policy, what counts most last.
func (p *Policy) overlays(tunings []Tuning) []overlay {
	all := make([]overlay, 0, len(tunings))
	for _, t := range append(p.ScheduledTunings(), tunings...) {
		o := overlay{Tuning: t}
		if t.When != nil {
			o.calendar, o.err = t.When.Entry().Calendar()
		}
		all = append(all, o)
	}
	slices.SortStableFunc(all, func(a, b overlay) int { return a.weight() - b.weight() })
	return all
}

// weight orders overlays: of one field the heavier counts.
func (o overlay) weight() int {
	switch {
	case o.When == nil:
		return 2
	case o.By != FilePolicy:
		return 1
	default:
		return 0
	}
}

// occurrence returns the one that t is in, or the next one; false when there is none any more.
func (o overlay) occurrence(t time.Time) (calendar.Occurrence, bool) {
	if o.calendar == nil {
		return calendar.Occurrence{}, false
	}
	return o.calendar.Next(t)
}

// stands says whether the overlay is in force at now by its times, and if it never will be, why.
func (o overlay) stands(now time.Time) (active bool, why string) {
	switch {
	case o.err != nil:
		return false, o.err.Error()
	case !o.Active(now):
		return false, expired
	case o.When == nil:
		return true, ""
	}
	next, ok := o.occurrence(now)
	if !ok {
		return false, expired
	}
	return next.Has(now), ""
}

const expired = "it has expired"

// tunedAt lays over the policy what is in force at now. Of each field one counts; only those are in inForce.
func (p *Policy) tunedAt(all []overlay, now time.Time) (tuned *Policy, inForce []Tuning, idle []IdleTuning) {
	var active []Tuning
	last := map[string]int{}
	for _, o := range all {
		stands, why := o.stands(now)
		if stands {
			// by itself it may break a rule that it keeps together with others, as a min and a max do
			if _, err := p.With(o.Tuning); err != nil && !isRules(err) {
				stands, why = false, err.Error()
			}
		} else if _, err := p.Field(o.Field); err != nil && why == "" {
			why = err.Error()
		}
		switch {
		case stands:
			last[o.Field] = len(active)
			active = append(active, o.Tuning)
		case why != "" && o.By == FilePolicy && why == expired: // the file says so itself
		case why != "":
			idle = append(idle, IdleTuning{o.Tuning, why})
		}
	}
	for i, t := range active {
		if last[t.Field] == i {
			inForce = append(inForce, t)
		}
	}
	if len(inForce) == 0 {
		return p, nil, idle
	}
	if tuned, err := p.With(inForce...); err == nil {
		return tuned, inForce, idle
	}
	return p.fitting(inForce, idle)
}

// fitting lays over the policy as many of the tunings as keep its rules together: first those that count most, and what
// one schedule sets at once if that is possible.
func (p *Policy) fitting(all []Tuning, idle []IdleTuning) (tuned *Policy, fits []Tuning, _ []IdleTuning) {
	tuned = p
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Tuning) int {
		return overlay{Tuning: b}.weight() - overlay{Tuning: a}.weight()
	})
	try := func(more []Tuning) error {
		next, err := p.With(slices.Concat(fits, more)...)
		if err == nil {
			tuned, fits = next, slices.Concat(fits, more)
		}
		return err
	}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[0].Name != "" && all[n].Name == all[0].Name && all[n].By == all[0].By {
			n++
		}
		if n == 1 || try(all[:n]) != nil {
			for _, t := range all[:n] {
				if err := try([]Tuning{t}); err != nil {
					idle = append(idle, IdleTuning{t, oneLine(err)})
				}
			}
		}
		all = all[n:]
	}
	return tuned, fits, idle
}

// isRules reports whether the error is rules of the policy that are broken.
func isRules(err error) bool {
	var rules Problems
	return errors.As(err, &rules)
}
