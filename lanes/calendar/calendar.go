package calendar

import (
	"time"

	"github.com/adhocore/gronx"
)

// Calendar is when the occurrences of an entry are.
type Calendar struct {
	zone  *time.Location
	line  string    // of cron, on the wall clock
	from  time.Time // on the wall clock: the first start there may be, of once the only one; zero: any
	once  bool
	lasts time.Duration
}

// Occurrence is from when until when something is, once.
type Occurrence struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Has reports whether t is within the occurrence.
func (o Occurrence) Has(t time.Time) bool { return !t.Before(o.Start) && t.Before(o.End) }

// Next returns the first occurrence that ends after t: the one that t is in, or else the next one. ok is false when
// there is none any more.
func (c *Calendar) Next(t time.Time) (o Occurrence, ok bool) {
	start, ok := c.after(t.Add(-c.lasts))
	return Occurrence{start, start.Add(c.lasts)}, ok
}

// after returns the first start after t. The wall clock of t shows no earlier start that is still to come: a start is
// where the wall clock shows it for the first time.
func (c *Calendar) after(t time.Time) (time.Time, bool) {
	if c.once {
		start := instant(c.from, c.zone)
		return start, start.After(t)
	}
	wall := wallOf(t.In(c.zone))
	if before := c.from.Add(-time.Second); wall.Before(before) {
		wall = before
	}
	for {
		next, err := gronx.NextTickAfter(c.line, wall, false)
		if err != nil {
			return time.Time{}, false // as on the 30th of February
		}
		if start := instant(next, c.zone); start.After(t) {
			return start, true
		}
		wall = next // inside the hour that comes twice, the second time: it has happened
	}
}

// wallOf returns what the wall clock shows at t, as if that were UTC.
func wallOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant returns when a zone's wall clock shows this for the first time; where it never does, when it jumps over it.
func instant(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	begins, ends := t.ZoneBounds()
	switch shown := wallOf(t); {
	case shown.Before(wall): // t is before the jump
		return ends
	case shown.After(wall):
		return begins
	case begins.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := begins.Add(-time.Second).Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); first.Before(begins) && first.Before(t) {
		return first
	}
	return t
}
