package calendar

import (
	"fmt"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"github.com/polyglot-media/siren/lanes/plain"
)

// Entry is what is planned, as people write it.
type Entry struct {
	At       string        // 18:00, fri 18:00 or 2026-12-24 18:00, on the zone's wall clock; or a time of RFC 3339
	Every    string        // Day or Week; "": once
	Cron     string        // five fields: instead of At and Every
	For      time.Duration // how long an occurrence lasts
	Timezone string        // as IANA names it; "": UTC
}

// What Every may say.
const (
	Day  = "day"
	Week = "week"
)

var (
	weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	periods  = map[string]time.Duration{Day: 24 * time.Hour, Week: 7 * 24 * time.Hour}
)

// Wrong is what is wrong with one field of an entry: at, every, cron, for or timezone. It says what to write.
type Wrong struct{ Field, Why string }

func (w *Wrong) Error() string { return w.Field + ": " + w.Why }

func wrong(field, format string, args ...any) *Wrong {
	return &Wrong{field, fmt.Sprintf(format, args...)}
}

// String returns the entry as a sentence has it: fri 18:00 every week for 4h (Europe/Berlin).
func (e Entry) String() string {
	when := e.At
	if e.Cron != "" {
		when = fmt.Sprintf("cron %q", e.Cron)
	}
	if e.Every != "" {
		when += " every " + e.Every
	}
	zone := e.Timezone
	if zone == "" {
		zone = "UTC"
	}
	return fmt.Sprintf("%s for %s (%s)", when, short(e.For), zone)
}

// short returns the duration without the zero units that Go appends.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Dated returns the entry with the date of its next start after now, where it says none and happens once. The error
// says that its time is over.
func (e Entry) Dated(now time.Time) (Entry, error) {
	if e.Every != "" || e.Cron != "" || e.At == "" {
		return e, nil
	}
	zone, err := zoneOf(e.Timezone)
	if err != nil {
		return e, err
	}
	at, err := parseAt(e.At, zone)
	if err != nil {
		return e, err
	}
	if at.dated {
		if start := instant(at.wall, zone); !start.After(now) {
			return e, wrong("at", "%s is over: give a time to come, or say how it repeats (every: day or week)",
				start.Format(wallForm+" MST"))
		}
		e.At = at.wall.Format(wallForm)
		return e, nil
	}
	c := &Calendar{zone: zone, lasts: e.For, line: at.line("")}
	start, ok := c.after(now)
	if !ok {
		return e, wrong("at", "%q never comes", e.At)
	}
	e.At = start.Format(wallForm)
	return e, nil
}

// Calendar returns when the entry's occurrences are. The error is a *Wrong. What takes longer to find out, Check says.
func (e Entry) Calendar() (*Calendar, error) {
	zone, err := zoneOf(e.Timezone)
	if err != nil {
		return nil, err
	}
	c := &Calendar{zone: zone, lasts: e.For}
	switch {
	case e.For <= 0:
		return nil, wrong("for", "must be above 0: how long does it last? As in 4h")
	case e.Cron != "" && (e.At != "" || e.Every != ""):
		return nil, wrong("cron", "stands for itself: leave at and every out")
	case e.Cron != "":
		c.line, err = cronLine(e.Cron)
		return c, err
	case e.At == "" && e.Every != "":
		return nil, wrong("at", "is required beside every: from when on? As in fri 18:00")
	case e.At == "":
		return nil, wrong("at", "is required: when does it start? As in fri 18:00, with every: week; or give a cron "+
			"line")
	}
	at, err := parseAt(e.At, zone)
	if err != nil {
		return nil, err
	}
	switch period, known := periods[e.Every]; {
	case e.Every == "" && !at.dated:
		return nil, wrong("every", "is required, since at has no date: write day or week, or give the date, as in "+
			"at: 2026-12-24 %s", at.wall.Format("15:04"))
	case e.Every == "":
		c.once = true
	case !known:
		return nil, wrong("every", "%q is none of day and week%s; for anything else write a cron line", e.Every,
			plain.Suggest(e.Every, []string{Day, Week}))
	case e.Every == Day && at.weekday >= 0:
		return nil, wrong("at", "names a weekday, but it happens every day: leave it out, or write every: week")
	case e.Every == Week && !at.dated && at.weekday < 0:
		return nil, wrong("at", "must name the weekday when it happens every week, as in fri %s",
			at.wall.Format("15:04"))
	case e.For > period:
		return nil, wrong("for", "%s is longer than a %s, after which it happens again", short(e.For), e.Every)
	}
	c.line = at.line(e.Every)
	if at.dated {
		c.from = at.wall
	}
	return c, nil
}

// zoneOf returns the zone with that name.
func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || zone == time.Local { // which is another one on each machine
		return nil, wrong("timezone", "there is no time zone %q: write its IANA name, as in Europe/Berlin", name)
	}
	return zone, nil
}

var cronFields = []string{"minute", "hour", "day", "month", "weekday"}

// cronLine returns a line of five fields as gronx reads it.
func cronLine(text string) (string, error) {
	fields := strings.Fields(text)
	if line := strings.Join(fields, " "); len(fields) == 5 && gronx.IsValid(line) {
		return line, nil
	}
	if len(fields) == len(cronFields) {
		for i, field := range fields {
			alone := []string{"*", "*", "*", "*", "*"}
			if alone[i] = field; !gronx.IsValid(strings.Join(alone, " ")) {
				return "", wrong("cron", "%q is no cron line: its %s is %q; write minute, hour, day, month and "+
					"weekday, as in 0 18 * * fri", text, cronFields[i], field)
			}
		}
	}
	return "", wrong("cron", "%q is no cron line: write minute, hour, day, month and weekday, as in 0 18 * * fri",
		text)
}

// start is what At says.
type start struct {
	wall    time.Time // on the wall clock, as if that were UTC; without a date, on no special day
	dated   bool
	weekday int // -1: none
}

const wallForm = "2006-01-02 15:04"

func parseAt(text string, zone *time.Location) (start, error) {
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(text)); err == nil {
		return start{wall: wallOf(t.In(zone)).Truncate(time.Minute), dated: true, weekday: -1}, nil
	}
	s := start{weekday: -1}
	fields := strings.Fields(strings.ToLower(text))
	malformed := wrong("at", "%q is no start: write 18:00, fri 18:00 or 2026-12-24 18:00", text)
	if len(fields) == 0 || len(fields) > 2 {
		return s, malformed
	}
	day, clock := fields[0], fields[len(fields)-1]
	var err error
	if s.wall, err = time.Parse("15:04", clock); err != nil {
		return s, malformed
	}
	if len(fields) == 1 {
		return s, nil
	}
	if date, err := time.Parse(time.DateOnly, day); err == nil {
		s.dated, s.wall = true, date.Add(time.Duration(s.wall.Hour())*time.Hour+
			time.Duration(s.wall.Minute())*time.Minute)
		return s, nil
	}
	if day[0] >= '0' && day[0] <= '9' {
		return s, malformed
	}
	for i, name := range weekdays {
		if day == name || day == strings.ToLower(time.Weekday(i).String()) {
			s.weekday = i
			return s, nil
		}
	}
	return s, wrong("at", "%q is no weekday%s; write one of mon, tue, wed, thu, fri, sat and sun", day,
		plain.Suggest(day, weekdays))
}

// line returns the cron line of what begins so and repeats every day or week.
func (s start) line(every string) string {
	day := "*"
	switch {
	case s.weekday >= 0:
		day = fmt.Sprint(s.weekday)
	case s.dated && every == Week:
		day = fmt.Sprint(int(s.wall.Weekday()))
	}
	return fmt.Sprintf("%d %d * * %s", s.wall.Minute(), s.wall.Hour(), day)
}
