package show

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Style is how a text looks on a terminal. Only this program's own code chooses it: what is in the text is cleaned
// first.
type Style string

// The styles. The zero Style is plain text.
const (
	Green  Style = "32"
	Red    Style = "31"
	Yellow Style = "33"
	Cyan   Style = "36"
	Dim    Style = "2"
)

// Terminal is a stream that people read. Whatever is written to it is cleaned, so that no text acts on the terminal or
// shows the secrets of a URL; Paint, Warn, Rewrite and a Screen alone do more. It is safe for concurrent use.
type Terminal struct {
	to     io.Writer
	looked io.Writer // what decides about colours

	mu   sync.Mutex
	rest []byte // the beginning of a character whose end hasn't been written yet
}

// NewTerminal makes one of a stream.
func NewTerminal(w io.Writer) *Terminal { return &Terminal{to: w, looked: w} }

// likeness makes a Terminal that writes elsewhere, in the colours of another.
func likeness(w, of io.Writer) *Terminal { return &Terminal{to: w, looked: Raw(of)} }

// Write writes text, cleaned.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append(t.rest, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-i:]) {
				whole -= i
			}
			break
		}
	}
	t.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(t.to, cleanText(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Raw returns the stream below a Terminal, for what is clean already or meant for a program; any other writer as it is.
func Raw(w io.Writer) io.Writer {
	if t, ok := w.(*Terminal); ok {
		return t.to
	}
	return w
}

// IsTerminal reports whether a stream is a terminal, where somebody may be looking or typing.
func IsTerminal(w any) bool {
	if t, ok := w.(*Terminal); ok {
		w = t.looked
	}
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// Draws reports whether w is a terminal that knows control sequences: not a dumb one (TERM), as an editor's.
func Draws(w io.Writer) bool {
	kind := os.Getenv("TERM")
	return kind != "" && kind != "dumb" && IsTerminal(w)
}

// closed reports whether a file was closed when the program began, as stdout is by a shell's >&-. Go has opened
// /dev/null in its place then: for reading as well, which nobody does who wants output thrown away.
func closed(w io.Writer) bool {
	f, ok := Raw(w).(*os.File)
	if !ok {
		return false
	}
	mode, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil || mode&unix.O_ACCMODE != unix.O_RDWR {
		return errors.Is(err, unix.EBADF)
	}
	is, err := f.Stat()
	null, nullErr := os.Stat(os.DevNull)
	return err == nil && nullErr == nil && os.SameFile(is, null)
}

// size returns how many characters and lines a terminal has; 0 where nobody knows.
func size(w io.Writer) (width, height int) {
	if t, ok := w.(*Terminal); ok {
		w = t.looked
	}
	if f, ok := w.(*os.File); ok {
		width, height, _ = term.GetSize(int(f.Fd()))
	}
	return max(0, width), max(0, height)
}

// painted returns a clean text in a style where w draws and NO_COLOR isn't set.
func painted(w io.Writer, s Style, clean string) string {
	if s == "" || !Draws(w) || os.Getenv("NO_COLOR") != "" {
		return clean
	}
	return "\x1b[" + string(s) + "m" + clean + "\x1b[0m"
}

// Paint writes a text on one line, in a style.
func Paint(w io.Writer, s Style, text string) {
	_, _ = io.WriteString(Raw(w), painted(w, s, Harmless(text)))
}

// Warn writes a line of warning.
func Warn(w io.Writer, text string) {
	Paint(w, Yellow, "warning:")
	fmt.Fprintln(w, " "+text)
}

// Rewrite writes a text over the line that the cursor is in: as much of it as fits, since what goes on in the next line
// would stay there.
func Rewrite(w io.Writer, text string) {
	if width, _ := size(w); width > 1 {
		text = Clip(text, width-1)
	}
	_, _ = io.WriteString(Raw(w), "\r"+restOfLine+Harmless(text))
}

// Bar draws a progress bar of n cells.
func Bar(fraction float64, n int) string {
	full := min(n, max(0, int(fraction*float64(n)+0.5)))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", n-full) + "]"
}

// Progress shows how far something is, on a terminal and in the place of what it showed before; "" clears it.
func Progress(w io.Writer, text string) {
	if Draws(w) {
		Rewrite(w, text)
	}
}
