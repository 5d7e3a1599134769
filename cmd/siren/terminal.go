package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	green  = "32"
	red    = "31"
	yellow = "33"
	cyan   = "36"
	dim    = "2"
)

// colour wraps s in a terminal colour where w is a terminal and NO_COLOR isn't set.
func colour(w io.Writer, code, s string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// warn says something that isn't an error, on stderr.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintln(a.err, warning(a.err, fmt.Sprintf(format, args...)))
}

// warning is a line of warning, in the colours of the terminal of w.
func warning(w io.Writer, text string) string { return colour(w, yellow, "warning:") + " " + text }

// short is a duration as a person reads it at a glance: 0s, 240ms, 3.2s, 75s, 4m10s, 3h5m.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
}

// age is how long ago t was; "-" for no time.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return short(max(0, now.Sub(t)))
}

// bar is a progress bar of n cells.
func bar(fraction float64, n int) string {
	full := min(n, max(0, int(fraction*float64(n)+0.5)))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", n-full) + "]"
}
