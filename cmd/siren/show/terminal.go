package show

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Colours of a terminal, and dimmed text.
const (
	Green  = "32"
	Red    = "31"
	Yellow = "33"
	Cyan   = "36"
	Dim    = "2"
)

// Colour wraps s in a terminal colour where w is a terminal and NO_COLOR isn't set.
func Colour(w io.Writer, code, s string) string {
	if !IsTerminal(w) || os.Getenv("NO_COLOR") != "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// IsTerminal is whether somebody may be looking at what is written to w.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Warning is a line of warning, in the colours of the terminal of w.
func Warning(w io.Writer, text string) string { return Colour(w, Yellow, "warning:") + " " + text }

// Bar is a progress bar of n cells.
func Bar(fraction float64, n int) string {
	full := min(n, max(0, int(fraction*float64(n)+0.5)))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", n-full) + "]"
}

// Progress shows how far something is, on a terminal and in the place of what it showed before; "" clears it.
func Progress(w io.Writer, text string) {
	if IsTerminal(w) {
		_, _ = io.WriteString(w, "\r\x1b[K"+text)
	}
}
