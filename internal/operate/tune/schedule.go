package tune

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/calendar"
	"github.com/polyglot-media/siren/lanes/plain"
)

// schedule returns the name of the terms' schedule, "" when they are for now. One that nobody has named is called by
// what it changes and when it starts: general-fri-1800.
func (t Terms) schedule(wishes []Wish) (string, error) {
	switch {
	case t.When == nil && t.Name == "":
		return "", nil
	case t.When == nil:
		return "", operate.Invalid.Errorf("name: only what is scheduled has a name: say when it starts too (at, or a " +
			"cron line)")
	case t.Name != "":
		if err := lanes.CheckScheduleName(t.Name); err != nil {
			return "", operate.Invalid.With(err)
		}
		return t.Name, nil
	case t.When.Cron != "":
		return "", operate.Invalid.Errorf("name: a schedule with a cron line needs a name, as in mornings")
	}
	of := lanes.BudgetField
	if len(wishes) > 0 {
		if parts := strings.Split(wishes[0].Field, "."); len(parts) > 2 {
			of = parts[1]
		}
	}
	keep := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r == ' ', r == 't':
			return '-'
		}
		return -1
	}
	name := of + "-" + strings.Map(keep, strings.ToLower(strings.TrimSpace(t.When.At)))
	return strings.Trim(name[:min(len(name), 40)], "-"), nil
}

// plan puts a schedule into the tuning that is made. What happens once gets its date, and its end.
func (now state) plan(t *lanes.Tuning, name string, when lanes.When, lasts time.Duration) error {
	when.For = lanes.Duration(lasts)
	entry, err := when.Entry().Dated(now.at)
	if err == nil {
		when.At = entry.At
		err = entry.Check()
	}
	if err != nil {
		return operate.Invalid.With(err)
	}
	if slices.ContainsFunc(now.written.Schedules, func(s lanes.Schedule) bool { return s.Name == name }) {
		return operate.NotPossible.Errorf("the policy file has a schedule %q: change it there, or give this one "+
			"another "+
			"name", name)
	}
	t.Name, t.When = name, &when
	if when.Every == "" && when.Cron == "" {
		o, _ := when.Next(now.at)
		t.Until = o.End.UTC()
	}
	return nil
}

// otherTime refuses a schedule whose name another one has at another time, unless these IDs replace it: one name is one
// schedule, as in the policy file.
func (now state) otherTime(made lanes.Tuning, ids []string) error {
	for _, t := range now.tunings {
		if t.When == nil || t.Name != made.Name || *t.When == *made.When || !t.Active(now.at) ||
			slices.Contains(ids, t.ID()) {
			continue
		}
		return operate.NotPossible.Errorf("there is a schedule %s already, %s, with %s: a schedule has one time. Give "+
			"this one another name, or remove that one first (siren tunings remove %s)", t.Name, t.When, t.Field,
			t.Name)
	}
	return nil
}

// clash refuses a scheduled tuning that says otherwise than another one at the same time.
func (now state) clash(t lanes.Tuning) error {
	for _, other := range now.tunings {
		if other.ID() == t.ID() {
			continue
		}
		if at, clash := lanes.Clash(t, other); clash {
			return operate.NotPossible.Errorf("refused: schedule %s has %s %s at the same time, as from %s on: end "+
				"one "+
				"before the other starts, or remove that one (siren tunings remove %s)", other.Name, t.Field,
				other.Spelled(), say.Moment(at.In(zone(t))), other.Name)
		}
	}
	return nil
}

// zone returns the zone on whose wall clock a tuning is scheduled.
func zone(t lanes.Tuning) *time.Location {
	if loc, err := time.LoadLocation(t.When.Timezone); err == nil {
		return loc
	}
	return time.UTC
}

// named returns the IDs of the tunings with that ID, or of the schedule with that name.
func (now state) named(name string) (ids []string, err error) {
	var known []string
	for _, t := range now.tunings {
		if t.ID() == name || t.Name == name {
			ids = append(ids, t.ID())
		}
		known = append(known, t.ID())
		if t.Name != "" {
			known = append(known, t.Name)
		}
	}
	if len(ids) > 0 {
		return ids, nil
	}
	for _, t := range now.written.ScheduledTunings() {
		if t.ID() == name || t.Name == name {
			return nil, operate.NotPossible.Errorf("%s is a schedule of the policy file: change it there. A tuning "+
				"of the "+
				"same field counts more meanwhile", t.Name)
		}
	}
	return nil, operate.NotFound.Errorf("there is no tuning of %s%s; see `siren tunings`", name,
		plain.Suggest(name, known))
}

// scheduled reports whether a field is what it is by a schedule; then the terms are for as long as that lasts, unless
// they say otherwise.
func (now state) scheduled(field string, terms *Terms) bool {
	for _, t := range now.active {
		if t.Field == field && t.When != nil {
			if o, ok := t.When.Next(now.at); ok && terms.For == 0 {
				terms.For = o.End.Sub(now.at)
			}
			return true
		}
	}
	return false
}

// Starts returns the first occurrence of what is scheduled by the change. waits is whether it starts after the change.
func (c Change) Starts() (o calendar.Occurrence, waits bool) {
	if len(c.Set) == 0 || c.Set[0].When == nil {
		return o, false
	}
	o, ok := c.Set[0].When.Next(c.At)
	return o, ok && o.Start.After(c.At)
}

// schedule says which schedule a tuning belongs to, and when that is: friday: fri 18:00 every week for 4h
// (Europe/Berlin). "": none.
func schedule(t lanes.Tuning) string {
	if t.When == nil {
		return ""
	}
	return fmt.Sprintf("%s: %s", t.Name, t.When)
}
