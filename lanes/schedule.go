package lanes

import (
	"maps"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes/calendar"
)

// When says when a scheduled tuning is in force: the fields of a Schedule.
type When struct {
	At       string   `json:"at,omitempty"`
	Every    string   `json:"every,omitempty"`
	Cron     string   `json:"cron,omitempty"`
	For      Duration `json:"for"`
	Timezone string   `json:"timezone,omitempty"`
}

// Entry returns it as the calendar knows it.
func (w When) Entry() calendar.Entry {
	return calendar.Entry{At: w.At, Every: w.Every, Cron: w.Cron, For: w.For.D(), Timezone: w.Timezone}
}

// String returns it as a sentence has it: fri 18:00 every week for 4h (Europe/Berlin).
func (w When) String() string { return w.Entry().String() }

// Next returns the first occurrence that ends after t, on the wall clock of its zone; false when there is none any
// more.
func (w When) Next(t time.Time) (o calendar.Occurrence, ok bool) {
	c, err := w.Entry().Calendar()
	if err != nil {
		return o, false
	}
	return c.Next(t)
}

// When says when the schedule is in force.
func (s Schedule) When() When { return When{s.At, s.Every, s.Cron, s.For, s.Timezone} }

// FilePolicy is who the tunings are by that a policy's schedules are.
const FilePolicy = "the policy file"

// tunings returns the schedule as tunings, one for each field.
func (s Schedule) tunings() (all []Tuning) {
	when := s.When()
	for _, field := range slices.Sorted(maps.Keys(s.Set)) {
		all = append(all, Tuning{Field: field, Value: s.Set[field], By: FilePolicy, Name: s.Name, When: &when})
	}
	return all
}

// ScheduledTunings returns the policy's schedules as tunings.
func (p *Policy) ScheduledTunings() (all []Tuning) {
	for _, s := range p.Schedules {
		all = append(all, s.tunings()...)
	}
	return all
}

// CheckScheduleName refuses a name that a schedule can't have.
func CheckScheduleName(name string) error {
	var problems Problems
	if checkName("schedule", name, map[string]bool{}, &problems); name == BudgetField {
		problems.add("schedule.name", "%q is a field's name: take another one", name)
	}
	return problems.err()
}

// endOf says of an occurrence when it ends, with the date unless that is within a day of its start.
func endOf(o calendar.Occurrence) string {
	if o.End.Sub(o.Start) < 24*time.Hour {
		return o.End.Format("15:04 MST")
	}
	return o.End.Format("2006-01-02 15:04 MST")
}
