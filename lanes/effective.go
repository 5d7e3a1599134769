package lanes

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Effective is the policy in force, as the leading scaler publishes it: the file, and how lanes are taken right now.
type Effective struct {
	Revision int64             `json:"revision"` // grows with every change
	Policy   Policy            `json:"policy"`
	Turns    map[string]string `json:"turns,omitempty"`    // promoted lane → the lane it takes turns with
	NoGuests []string          `json:"noGuests,omitempty"` // pools that take no new guest jobs for now
	// Queues that the policy doesn't use (any more) and that aren't known to be empty: of lanes that left it, which are
	// served last, and of lanes that have changed their queue type, which are served before the lane's own.
	Former []Queue `json:"former,omitempty"`
	// What Policy would be without tunings and schedules, as it is written; nil when there are none.
	File    *Policy      `json:"file,omitempty"`
	Tunings []Tuning     `json:"tunings,omitempty"` // in force, one for each field; those of the file's schedules too
	Early   []Tuning     `json:"early,omitempty"`   // floors of schedules that begin soon: their workers start now
	Idle    []IdleTuning `json:"idle,omitempty"`    // can't be in force, and why
}

// Written returns the policy as it was written, without tunings.
func (e *Effective) Written() *Policy {
	if e.File != nil {
		return e.File
	}
	return &e.Policy
}

// Idles says why a tuning isn't in force; "" when it is, or when its time hasn't come, or was over.
func (e *Effective) Idles(t Tuning, at time.Time) string {
	for _, idle := range e.Idle {
		if idle.ID() == t.ID() {
			return idle.Why
		}
	}
	if t.When == nil {
		return ""
	}
	if o, comes := t.When.Next(at); !comes || !o.Has(at) {
		return ""
	}
	for _, other := range e.Tunings {
		if other.Field == t.Field && other.ID() != t.ID() {
			return fmt.Sprintf("the tuning to %s by %s counts more", other.Spelled(), other.By)
		}
	}
	return ""
}

// Planned returns the policy as it is meant to go on: the file with the immediate tunings that are in force, and with
// all scheduled ones as its schedules.
func (e *Effective) Planned(all []Tuning) (*Policy, error) {
	immediate, schedules := Parted(e.Tunings, all)
	p, err := e.Written().With(immediate...)
	if err != nil {
		return nil, err
	}
	p.Schedules = append(p.Schedules, schedules...)
	return p, nil
}

// Parted returns which of the tunings in force are immediate, and the schedules that all tunings belong to.
func Parted(inForce, all []Tuning) (immediate []Tuning, schedules []Schedule) {
	immediate = slices.DeleteFunc(slices.Clone(inForce), func(t Tuning) bool { return t.When != nil })
	for _, t := range all {
		if t.When == nil {
			continue
		}
		same := func(s Schedule) bool { return s.Name == t.Name && s.When() == *t.When }
		i := slices.IndexFunc(schedules, same)
		if i < 0 {
			w := t.When
			i, schedules = len(schedules), append(schedules, Schedule{
				Name: t.Name, At: w.At, Every: w.Every, Cron: w.Cron, For: w.For, Timezone: w.Timezone,
				Set: map[string]json.RawMessage{},
			})
		}
		schedules[i].Set[t.Field] = t.Value
	}
	return immediate, schedules
}
