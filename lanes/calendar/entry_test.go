package calendar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // of zones that the machine may not have
)

func TestWhatIsWrong(t *testing.T) {
	const berlin = "Europe/Berlin"
	for _, c := range []struct {
		entry       Entry
		field, says string
	}{
		{Entry{At: "fri 18:00", Every: "week"}, "for", "must be above 0: how long does it last? As in 4h"},
		{Entry{For: 1}, "at", "is required: when does it start? As in fri 18:00, with every: week; or give a cron " +
			"line"},
		{Entry{Every: "week", For: 1}, "at", "is required beside every: from when on? As in fri 18:00"},
		{Entry{At: "fry 18:00", Every: "week", For: 1}, "at", `"fry" is no weekday; did you mean "fri"?; write one ` +
			`of ` +
			"mon, tue, wed, thu, fri, sat and sun"},
		{Entry{At: "freitag 18:00", Every: "week", For: 1}, "at", `"freitag" is no weekday; write one of mon, tue, ` +
			"wed, thu, fri, sat and sun"},
		{Entry{At: "6 pm", Every: "day", For: 1}, "at", `"6 pm" is no start: write 18:00, fri 18:00 or 2026-12-24 ` +
			`18:00`},
		{Entry{At: "fri 25:00", Every: "week", For: 1}, "at", `"fri 25:00" is no start: write 18:00, fri 18:00 or ` +
			"2026-12-24 18:00"},
		{Entry{At: "2026-02-30 18:00", For: 1}, "at", `"2026-02-30 18:00" is no start: write 18:00, fri 18:00 or ` +
			"2026-12-24 18:00"},
		{Entry{At: "18:00", Every: "week", For: 1}, "at", "must name the weekday when it happens every week, as in " +
			"fri 18:00"},
		{Entry{At: "fri 18:00", Every: "day", For: 1}, "at", "names a weekday, but it happens every day: leave it " +
			"out, or write every: week"},
		{Entry{At: "fri 18:00", For: 1}, "every", "is required, since at has no date: write day or week, or give " +
			"the date, as in at: 2026-12-24 18:00"},
		{Entry{At: "fri 18:00", Every: "weak", For: 1}, "every", `"weak" is none of day and week; did you mean ` +
			`"week"?; for anything else write a cron line`},
		{Entry{At: "18:00", Every: "day", For: 25 * time.Hour}, "for", "25h is longer than a day, after which it " +
			"happens again"},
		{Entry{At: "fri 18:00", Every: "week", For: 169 * time.Hour}, "for", "169h is longer than a week, after " +
			"which it happens again"},
		{Entry{Cron: "0 18 * * fri", At: "18:00", For: 1}, "cron", "stands for itself: leave at and every out"},
		{Entry{Cron: "0 18 * *", For: 1}, "cron", `"0 18 * *" is no cron line: write minute, hour, day, month and ` +
			"weekday, as in 0 18 * * fri"},
		{Entry{Cron: "0 0 18 * * fri 2026", For: 1}, "cron", `"0 0 18 * * fri 2026" is no cron line: write minute, ` +
			"hour, day, month and weekday, as in 0 18 * * fri"},
		{Entry{Cron: "@daily", For: 1}, "cron", `"@daily" is no cron line: write minute, hour, day, month and ` +
			"weekday, as in 0 18 * * fri"},
		{Entry{Cron: "0 0 30 feb *", For: 1}, "cron", `"0 0 30 feb *" never comes`},
		{Entry{Cron: "0 8,18 * * *", For: 11 * time.Hour}, "for", `11h is longer than the 10h between two starts of ` +
			`"0 8,18 * * *"`},
		{Entry{At: "fri 18:00", Every: "week", For: 1, Timezone: "Europe/Berln"}, "timezone", `there is no time zone ` +
			`"Europe/Berln": write its IANA name, as in Europe/Berlin`},
		{Entry{At: "fri 18:00", Every: "week", For: 1, Timezone: "Local"}, "timezone", `there is no time zone ` +
			`"Local": ` +
			"write its IANA name, as in Europe/Berlin"},
	} {
		err := c.entry.Check()
		if w := (*Wrong)(nil); !errors.As(err, &w) || w.Field != c.field || w.Why != c.says {
			t.Errorf("%s:\n%v\nwant %s: %s", c.entry, err, c.field, c.says)
		}
	}
	for _, e := range []Entry{
		{At: "18:00", Every: "day", For: 24 * time.Hour},
		{At: "FRI 18:00", Every: "week", For: time.Hour, Timezone: berlin},
		{Cron: "0 8,18 * * *", For: 10 * time.Hour},
		{Cron: "0 0 29 feb *", For: time.Hour},
		{Cron: "*/5  * * * *", For: 5 * time.Minute},
	} {
		if err := e.Check(); err != nil {
			t.Errorf("%s: %v", e, err)
		}
	}
}

func TestDated(t *testing.T) {
	now := time.Date(2026, 12, 4, 17, 30, 0, 0, time.UTC) // a Friday, 18:30 in Berlin
	for _, c := range []struct{ at, zone, want string }{
		{"18:00", "", "2026-12-04 18:00"},
		{"18:00", "Europe/Berlin", "2026-12-05 18:00"},
		{"fri 18:00", "", "2026-12-04 18:00"},
		{"fri 18:00", "Europe/Berlin", "2026-12-11 18:00"},
		{"2026-12-24 18:00", "Europe/Berlin", "2026-12-24 18:00"},
		{"2026-12-24T18:00:00+01:00", "Europe/Berlin", "2026-12-24 18:00"},
	} {
		got, err := Entry{At: c.at, Timezone: c.zone, For: time.Hour}.Dated(now)
		if err != nil || got.At != c.want {
			t.Errorf("%s in %q: %s, %v; want %s", c.at, c.zone, got.At, err, c.want)
		}
		if err := got.Check(); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
	_, err := Entry{At: "2026-12-04 18:00", Timezone: "Europe/Berlin", For: time.Hour}.Dated(now)
	want := "at: 2026-12-04 18:00 CET is over: give a time to come, or say how it repeats (every: day or week)"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	weekly := Entry{At: "2026-01-02 18:00", Every: Week, For: time.Hour}
	if got, err := weekly.Dated(now); err != nil || got != weekly {
		t.Errorf("%s became %s, %v", weekly, got, err)
	}
}

func TestString(t *testing.T) {
	for want, e := range map[string]Entry{
		"fri 18:00 every week for 4h (Europe/Berlin)": {
			At: "fri 18:00", Every: Week, For: 4 * time.Hour, Timezone: "Europe/Berlin",
		},
		"2026-12-24 18:00 for 30m (UTC)":    {At: "2026-12-24 18:00", For: 30 * time.Minute},
		`cron "0 18 * * 5" for 1h30m (UTC)`: {Cron: "0 18 * * 5", For: 90 * time.Minute},
	} {
		if e.String() != want {
			t.Errorf("%s, want %s", e, want)
		}
	}
}

func TestTogether(t *testing.T) {
	at := func(e Entry) *Calendar {
		e.For = 2 * time.Hour
		c, err := e.Calendar()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	seen := map[string]int{}
	last := time.Time{}
	for m := range Together([]*Calendar{
		at(Entry{At: "fri 18:00", Every: Week}),
		at(Entry{At: "19:00", Every: Day, Timezone: "Europe/Berlin"}), // in summer 17:00 UTC
		at(Entry{At: "2027-01-01 19:30"}),
		at(Entry{At: "2019-01-01 19:30"}),
	}) {
		if !m.At.After(last) {
			t.Fatalf("%s after %s", m.At, last)
		}
		last = m.At
		seen[fmt.Sprint(m.Are)]++
	}
	for are, least := range map[string]int{"[]": 600, "[0]": 25, "[1]": 600, "[0 1]": 25, "[2]": 1, "[0 1 2]": 1} {
		if seen[are] < least {
			t.Errorf("%s: %d times, want %d; all: %v", are, seen[are], least, seen)
		}
	}
	if last.Year() < 2027 {
		t.Errorf("it ends at %s", last)
	}
}

// A cron line that is wrong is refused with the field that is.
func TestWrongCronField(t *testing.T) {
	for line, want := range map[string]string{
		"60 18 * * fri": `its minute is "60"`, "0 25 * * fri": `its hour is "25"`, "0 18 32 * *": `its day is "32"`,
		"0 18 * 13 *": `its month is "13"`, "0 18 * * fry": `its weekday is "fry"`,
		"0 18 * *": `"0 18 * *" is no cron line: write minute`,
	} {
		_, err := Entry{Cron: line, For: time.Hour}.Calendar()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}
