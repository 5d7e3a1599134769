package calendar

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/adhocore/gronx"
)

// starts returns the starts after a time until another one.
func starts(t *testing.T, e Entry, from, until time.Time) (all []string) {
	t.Helper()
	c, err := e.Calendar()
	if err != nil {
		t.Fatalf("%s: %v", e, err)
	}
	for at := from; ; {
		start, ok := c.after(at)
		if !ok || start.After(until) {
			return all
		}
		all = append(all, start.Format("02 15:04 -0700"))
		at = start
	}
}

func day(t *testing.T, text, zone string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation(time.DateOnly, text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// What the wall clock of a zone shows is what counts, on the days on which it is put forward and back too.
func TestDaylightSaving(t *testing.T) {
	const berlin, york, howe = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
	for name, c := range map[string]struct {
		entry       Entry
		from, until string
		want        string
	}{
		"a Friday evening in winter and in summer": {
			Entry{At: "fri 18:00", Every: Week, Timezone: berlin},
			"2026-03-23", "2026-04-05",
			"27 18:00 +0100, 03 18:00 +0200",
		},
		"and back to winter": {
			Entry{At: "fri 18:00", Every: Week, Timezone: berlin},
			"2026-10-19", "2026-11-01",
			"23 18:00 +0200, 30 18:00 +0100",
		},
		"every day over New York's spring": {
			Entry{At: "18:00", Every: Day, Timezone: york},
			"2026-03-07", "2026-03-10",
			"07 18:00 -0500, 08 18:00 -0400, 09 18:00 -0400",
		},
		"in the hour that Berlin leaves out: at its end": {
			Entry{At: "02:30", Every: Day, Timezone: berlin},
			"2026-03-28", "2026-03-31",
			"28 02:30 +0100, 29 03:00 +0200, 30 02:30 +0200",
		},
		"in the hour that New York leaves out": {
			Entry{At: "sun 02:00", Every: Week, Timezone: york},
			"2026-03-01", "2026-03-16",
			"01 02:00 -0500, 08 03:00 -0400, 15 02:00 -0400",
		},
		"often within that hour: once": {
			Entry{Cron: "*/30 1-3 * * *", Timezone: berlin},
			"2026-03-29", "2026-03-30",
			"29 01:00 +0100, 29 01:30 +0100, 29 03:00 +0200, 29 03:30 +0200",
		},
		"in the hour that Berlin has twice: the first time": {
			Entry{At: "02:30", Every: Day, Timezone: berlin},
			"2026-10-24", "2026-10-27",
			"24 02:30 +0200, 25 02:30 +0200, 26 02:30 +0100",
		},
		"in the hour that New York has twice": {
			Entry{At: "01:00", Every: Day, Timezone: york},
			"2026-10-31", "2026-11-03",
			"31 01:00 -0400, 01 01:00 -0400, 02 01:00 -0500",
		},
		"often within that hour: each once": {
			Entry{Cron: "*/30 1-3 * * *", Timezone: berlin},
			"2026-10-25", "2026-10-26",
			"25 01:00 +0200, 25 01:30 +0200, 25 02:00 +0200, 25 02:30 +0200, 25 03:00 +0100, 25 03:30 +0100",
		},
		"half an hour is left out on Lord Howe": {
			Entry{At: "02:15", Every: Day, Timezone: howe},
			"2026-10-03", "2026-10-06",
			"03 02:15 +1030, 04 02:30 +1100, 05 02:15 +1100",
		},
		"a date, in the hour that is left out": {
			Entry{At: "2026-03-29 02:30", Timezone: berlin}, "2026-01-01", "2026-12-01", "29 03:00 +0200",
		},
		"a date, in the hour that comes twice": {
			Entry{At: "2026-10-25 02:30", Timezone: berlin}, "2026-01-01", "2026-12-01", "25 02:30 +0200",
		},
		"each week from a date on": {
			Entry{At: "2026-10-24 09:00", Every: Week, Timezone: berlin},
			"2026-10-01", "2026-11-08",
			"24 09:00 +0200, 31 09:00 +0100, 07 09:00 +0100",
		},
		"each day from a date on": {
			Entry{At: "2026-10-24 09:00", Every: Day, Timezone: berlin},
			"2026-10-01", "2026-10-27",
			"24 09:00 +0200, 25 09:00 +0100, 26 09:00 +0100",
		},
		"a moment of RFC 3339": {
			Entry{At: "2026-07-01T16:00:00Z", Timezone: berlin}, "2026-01-01", "2026-12-01", "01 18:00 +0200",
		},
		"UTC, unless it says": {Entry{At: "Friday 18:00", Every: Week}, "2026-03-27", "2026-03-28", "27 18:00 +0000"},
	} {
		t.Run(name, func(t *testing.T) {
			c.entry.For = time.Minute
			zone := c.entry.Timezone
			got := strings.Join(starts(t, c.entry, day(t, c.from, zone), day(t, c.until, zone)), ", ")
			if got != c.want {
				t.Errorf("%s: %s\nwant %s", c.entry, got, c.want)
			}
		})
	}
}

// Against a clock that is watched minute by minute.
func TestStartsAgainstAWatchedClock(t *testing.T) {
	lines := []string{"* * * * *", "*/7 * * * *", "30 2 * * *", "15,45 1-3 * * 0", "0 0 * * *", "5 */3 1 * 1"}
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"} {
		for _, line := range lines {
			c, err := Entry{Cron: line, For: time.Minute, Timezone: zone}.Calendar()
			if err != nil {
				t.Fatal(err)
			}
			for _, year := range []int{2017, 2026} { // in 2017 São Paulo put its clocks forward at midnight
				at := time.Date(year, 1, 1, 0, 0, 0, 0, c.zone)
				for range 2 {
					_, at = at.ZoneBounds()
					if at.IsZero() {
						break
					}
					from := at.UTC().Truncate(24 * time.Hour)
					compare(t, c, line, from.Add(-12*time.Hour), from.Add(36*time.Hour))
				}
			}
		}
	}
}

func compare(t *testing.T, c *Calendar, line string, from, until time.Time) {
	t.Helper()
	shown, last := map[time.Time]bool{}, wallOf(from.Add(-time.Minute).In(c.zone))
	due := func(wall time.Time) bool {
		yes, err := gronx.New().IsDue(line, wall)
		return err == nil && yes
	}
	// what was shown in the hours before doesn't begin again
	for at := from.Add(-3 * time.Hour); at.Before(from); at = at.Add(time.Minute) {
		shown[wallOf(at.In(c.zone))] = true
	}
	next, _ := c.after(from.Add(-time.Nanosecond))
	for at := from; at.Before(until); at = at.Add(time.Minute) {
		wall, starts := wallOf(at.In(c.zone)), false
		for w := last.Add(time.Minute); !w.After(wall); w = w.Add(time.Minute) { // also what it jumped over
			starts = starts || due(w) && !shown[w]
			shown[w] = true
		}
		last = wall
		if starts != next.Equal(at) {
			t.Fatalf("%s in %s: at %s starts is %t, and the next start is %s", line, c.zone, at.In(c.zone),
				starts, next)
		}
		if starts {
			next, _ = c.after(at)
		}
	}
}

func TestNextIsTheOccurrenceThatItIsIn(t *testing.T) {
	c, err := Entry{At: "fri 22:00", Every: Week, For: 6 * time.Hour, Timezone: "Europe/Berlin"}.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	friday := time.Date(2026, 3, 27, 22, 0, 0, 0, c.zone)
	for _, in := range []time.Duration{0, time.Second, 6*time.Hour - 1} {
		if o, ok := c.Next(friday.Add(in)); !ok || !o.Start.Equal(friday) || o.End.Sub(o.Start) != 6*time.Hour {
			t.Errorf("%s in: %v", in, o)
		}
	}
	if o, _ := c.Next(friday.Add(6 * time.Hour)); !o.Start.Equal(time.Date(2026, 4, 3, 22, 0, 0, 0, c.zone)) {
		t.Errorf("afterwards comes %v", o)
	}
	// how long it lasts is elapsed time: from Saturday 22:00 on, over the hour that is left out
	c, err = Entry{At: "sat 22:00", Every: Week, For: 6 * time.Hour, Timezone: "Europe/Berlin"}.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := c.Next(friday.AddDate(0, 0, 1)); o.End.Format("15:04 -0700") != "05:00 +0200" {
		t.Errorf("it ends at %s", o.End)
	}
	c, err = Entry{At: "2026-12-24 18:00", For: time.Hour}.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Next(time.Date(2026, 12, 24, 19, 0, 0, 0, time.UTC)); ok {
		t.Error("what happens once happens again")
	}
}

// Next never goes back, whenever it is asked, and what it answers ends after that.
func TestNextGoesOn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"} {
		for range 300 {
			e := Entry{
				Cron:     fmt.Sprintf("%d %d * * %d", r.IntN(60), r.IntN(24), r.IntN(7)),
				For:      time.Duration(1+r.IntN(1000)) * time.Minute,
				Timezone: zone,
			}
			c, err := e.Calendar()
			if err != nil {
				t.Fatal(err)
			}
			at := time.Unix(1262304000+r.Int64N(600_000_000), 0)
			o, ok := c.Next(at)
			later, _ := c.Next(o.End)
			if !ok || !o.End.After(at) || o.End.Sub(o.Start) != e.For || !later.Start.After(o.Start) ||
				later.Start.Sub(at) > 15*24*time.Hour {
				t.Fatalf("%s at %s: %v, then %v", e, at, o, later)
			}
		}
	}
}
