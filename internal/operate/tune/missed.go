package tune

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
)

// Missed is a scheduled tuning that won't be in force when it starts, because it breaks a rule beside a change.
type Missed struct {
	lanes.IdleTuning
	Start time.Time // on the wall clock of its zone
}

// String says what won't be in force and when, and what to do if it should be.
func (m Missed) String() string {
	do := "remove the schedule (siren tunings remove " + m.Name + ")"
	if m.By == lanes.FilePolicy {
		do = "change the schedule in the policy file"
	}
	return fmt.Sprintf("schedule %s starts on %s, but %s = %s can't be in force beside this: %s; to keep it, let "+
		"this end before then (for), or else %s", m.Name, say.Moment(m.Start), m.Field, m.Spelled(), m.Why, do)
}

// misses returns the scheduled tunings that, beside an immediate change, can't be in force at the next start of one of
// the schedules. The change is made all the same: an operator in an incident must be able to act, and what is done by
// hand counts more than a schedule.
func (c *Change) misses(written *lanes.Policy) (missed []Missed) {
	if len(c.Set) == 0 || c.Set[0].When != nil {
		return nil
	}
	warned := map[string]bool{}
	for _, t := range c.Idled {
		warned[t.ID()] = true
	}
	for _, start := range nextStarts(slices.Concat(c.Next, written.ScheduledTunings()), c.At) {
		if !c.Set[0].Active(start) {
			continue
		}
		_, before, _ := written.Tuned(c.Old, start)
		_, _, idle := written.Tuned(c.Next, start)
		for _, t := range idle {
			_, was := lanes.FindTuning(before, t.ID())
			if t.When != nil && was && !warned[t.ID()] {
				warned[t.ID()] = true
				missed = append(missed, Missed{t, start})
			}
		}
	}
	return missed
}

// nextStarts returns when each of the scheduled tunings starts next after now, in order.
func nextStarts(all []lanes.Tuning, now time.Time) (starts []time.Time) {
	for _, t := range all {
		if t.When == nil {
			continue
		}
		o, comes := t.When.Next(now)
		if comes && o.Has(now) {
			o, comes = t.When.Next(o.End)
		}
		if comes {
			starts = append(starts, o.Start)
		}
	}
	slices.SortFunc(starts, func(a, b time.Time) int { return cmp.Compare(a.UnixNano(), b.UnixNano()) })
	return slices.CompactFunc(starts, time.Time.Equal)
}
