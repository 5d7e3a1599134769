// Package say puts numbers, times and names into the sentences that a person reads: 2 jobs wait, in 14s, did you mean
// "bulk".
//
// The sentences live with who says them; what a terminal does to them in cmd/siren/show.
package say

import (
	"fmt"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

// Short says a duration as a person reads it at a glance: 0s, 240ms, 3.2s, 75s, 4m10s, 30m, 1h, 3h5m.
func Short(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return whole(int(d.Minutes()), "m", int(d.Seconds())%60, "s")
	default:
		return whole(int(d.Hours()), "h", int(d.Minutes())%60, "m")
	}
}

// whole says so many of a unit, and the rest in the next smaller one where there is any.
func whole(n int, unit string, rest int, smaller string) string {
	if rest == 0 {
		return fmt.Sprintf("%d%s", n, unit)
	}
	return fmt.Sprintf("%d%s%d%s", n, unit, rest, smaller)
}

// Age says how long ago t was; "-" for no time.
func Age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Short(max(0, now.Sub(t)))
}

// Ran says how long a job ran, or has run so far; "-" for one that hasn't started.
func Ran(r job.Record, now time.Time) string {
	switch {
	case r.StartedAt.IsZero():
		return "-"
	case r.EndedAt.IsZero():
		return Short(max(0, now.Sub(r.StartedAt)))
	default:
		return Short(max(0, r.EndedAt.Sub(r.StartedAt)))
	}
}

// Span says a time to come: 1h, 30m, 2h15m, 45s.
func Span(d time.Duration) string { return lanes.Duration(max(0, d).Round(time.Second)).String() }

// Clock says a time of day, with its zone: 15:04:05 CET.
func Clock(t time.Time) string { return t.Local().Format("15:04:05 MST") }

// Moment says when something is on the wall clock of its own zone: Fri 2026-12-04 18:00 CET.
func Moment(t time.Time) string { return t.Format("Mon 2006-01-02 15:04 MST") }

// Until says when something ends; the zero time is never.
func Until(until, now time.Time) string {
	if until.IsZero() {
		return "until it is removed"
	}
	at := Clock(until)
	if until.Sub(now) > 12*time.Hour {
		at = until.Local().Format("2006-01-02 15:04 MST")
	}
	return "until " + at + " (" + Span(until.Sub(now)) + " from now)"
}

// Because says a reason behind what was done for it; "" says nothing.
func Because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// Plural says a number of things: 1 job, 2 jobs.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Verb says what a number of things does: 1 waits, 2 wait.
func Verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Listed says words as a sentence lists them: table, json or yaml.
func Listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
