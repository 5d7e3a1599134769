package calendar

import (
	"time"

	"github.com/adhocore/gronx"
)

const (
	horizon = 366 * 24 * time.Hour // every day of a year is looked at
	most    = 5000                 // moments that are looked at, of what is very often
)

// epoch is from when on calendars are compared, whatever the time is: a Monday.
var epoch = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// Check says what is wrong with an entry, a *Wrong, by looking at what a year of it would be.
func (e Entry) Check() error {
	c, err := e.Calendar()
	if err != nil || e.Cron == "" {
		return err
	}
	wall, last := epoch, time.Time{}
	for range most {
		next, err := gronx.NextTickAfter(c.line, wall, false)
		switch {
		case err != nil && last.IsZero():
			return wrong("cron", "%q never comes", e.Cron)
		case err != nil:
			return nil
		case !last.IsZero() && next.Sub(last) < e.For:
			return wrong("for", "%s is longer than the %s between two starts of %q", short(e.For),
				short(next.Sub(last)), e.Cron)
		case next.Sub(epoch) > horizon && !last.IsZero():
			return nil
		}
		wall, last = next, next
	}
	return nil
}

// Moment is a time from which on these of several calendars are within an occurrence, by their places.
type Moment struct {
	At  time.Time
	Are []int
}

// Together returns the moments at which it changes which of the calendars are within an occurrence, in a year that all
// of them have begun in.
func Together(calendars []*Calendar) func(yield func(Moment) bool) {
	return func(yield func(Moment) bool) {
		until, at := epoch, epoch
		next, is := make([]Occurrence, len(calendars)), make([]bool, len(calendars))
		for i, c := range calendars {
			if next[i], is[i] = c.Next(at); is[i] && next[i].Start.After(until) {
				until = next[i].Start
			}
		}
		until = until.Add(horizon)
		for range most {
			m, then := Moment{At: at}, until
			for i, c := range calendars {
				if is[i] && !at.Before(next[i].End) {
					next[i], is[i] = c.Next(at)
				}
				if !is[i] {
					continue
				}
				change := next[i].Start
				if next[i].Has(at) {
					m.Are, change = append(m.Are, i), next[i].End
				}
				if change.Before(then) {
					then = change
				}
			}
			if !yield(m) || !then.Before(until) {
				return
			}
			at = then
		}
	}
}
