package lanes

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes/calendar"
)

// checkSchedules checks each schedule, and then what they make of the policy together in the course of a year.
func (p *Policy) checkSchedules(problems *Problems) {
	before, seen := len(*problems), map[string]bool{}
	for i, s := range p.Schedules {
		at := fmt.Sprintf("schedules[%d]", i)
		checkName(at, s.Name, seen, problems)
		if s.Name == BudgetField {
			problems.add(at+".name", "%q is a field's name: take another one", s.Name)
		}
		if wrong := (*calendar.Wrong)(nil); errors.As(s.When().Entry().Check(), &wrong) {
			problems.add(at+"."+wrong.Field, "%s", wrong.Why)
		}
		if len(s.Set) == 0 {
			problems.add(at+".set", "needs at least one field: what is otherwise then? As in pools.general.min: 6")
		}
		for _, t := range s.tunings() {
			if _, err := p.With(t); err != nil && !isRules(err) {
				problems.add(at+".set."+t.Field, "%s", strings.TrimPrefix(err.Error(), t.Field+": "))
			}
		}
	}
	if len(p.Schedules) > 0 && before == 0 && len(*problems) == 0 {
		p.checkYear(problems)
	}
}

// checkYear plays a year of the schedules: none may say of a field what another one says otherwise at the same time,
// nor break a rule.
func (p *Policy) checkYear(problems *Problems) {
	calendars := make([]*calendar.Calendar, len(p.Schedules))
	for i, s := range p.Schedules {
		calendars[i], _ = s.When().Entry().Calendar() // it was checked
	}
	known := map[string]bool{}
	for m := range calendar.Together(calendars) {
		if which := fmt.Sprint(m.Are); len(m.Are) > 0 && !known[which] {
			known[which] = true
			p.checkTogether(m, problems)
		}
	}
}

// checkTogether checks the schedules that are in force at one moment.
func (p *Policy) checkTogether(m calendar.Moment, problems *Problems) {
	last := m.Are[len(m.Are)-1]
	path, from := fmt.Sprintf("schedules[%d].set", last), p.Schedules[last].moment(m.At)
	var all []Tuning
	for _, i := range m.Are {
		for _, t := range p.Schedules[i].tunings() {
			other := slices.IndexFunc(all, func(o Tuning) bool { return o.Field == t.Field })
			if other < 0 {
				all = append(all, t)
				continue
			}
			if o := all[other]; o.Spelled() != t.Spelled() {
				add(problems, fmt.Sprintf("schedules[%d].set.%s", i, t.Field), "is %s, but at %s schedule %q has it "+
					"%s: let one end before the other starts, or give both the same value", t.Spelled(), from, o.Name,
					o.Spelled())
				return
			}
		}
	}
	if _, err := p.With(all...); err != nil {
		beside := ""
		if len(m.Are) > 1 {
			var names []string
			for _, i := range m.Are[:len(m.Are)-1] {
				names = append(names, p.Schedules[i].Name)
			}
			beside = " beside " + quoted(names)
		}
		add(problems, path, "at %s%s it breaks a rule: %s", from, beside, oneLine(err))
	}
}

// add adds a problem that isn't there yet: the same two schedules may meet beside others too.
func add(to *Problems, path, format string, args ...any) {
	if !slices.ContainsFunc(*to, func(q Problem) bool { return q.Path == path }) {
		to.add(path, format, args...)
	}
}

// moment returns a time on the wall clock of the schedule.
func (s Schedule) moment(at time.Time) string {
	if zone, err := time.LoadLocation(s.Timezone); err == nil { // "": UTC
		at = at.In(zone)
	}
	return at.Format("2006-01-02 15:04 MST")
}

// Clash returns a time at which scheduled tunings of the same field are in force with different values; false when
// there is none in a year that both have begun in.
func Clash(a, b Tuning) (at time.Time, clash bool) {
	if a.Field != b.Field || a.When == nil || b.When == nil || a.Spelled() == b.Spelled() {
		return at, false
	}
	x, err := a.When.Entry().Calendar()
	y, err2 := b.When.Entry().Calendar()
	if err != nil || err2 != nil {
		return at, false
	}
	for m := range calendar.Together([]*calendar.Calendar{x, y}) {
		if len(m.Are) == 2 {
			return m.At, true
		}
	}
	return at, false
}

// Over returns the names of the policy's schedules whose time was over before now.
func (p *Policy) Over(now time.Time) (names []string) {
	all := map[string]bool{}
	for _, s := range p.Schedules {
		if _, comes := s.When().Next(now); !comes {
			all[s.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
