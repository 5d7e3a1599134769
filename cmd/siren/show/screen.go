package show

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Screen shows one picture after the other in the same place of a terminal, without a flicker: on the other screen that
// terminals have for this. The last picture is left on the terminal when it closes.
type Screen struct {
	out     io.Writer
	last    string
	resized chan os.Signal // the terminal may have another size
}

// The control sequences of a terminal (ECMA-48, and xterm's for the other screen).
const (
	otherScreen = "\x1b[?1049h\x1b[?25l" // and no cursor
	firstScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	restOfLine  = "\x1b[K" // is cleared
	restBelow   = "\x1b[J"
)

// newScreen takes a terminal that draws.
func newScreen(out io.Writer) *Screen {
	_, _ = io.WriteString(Raw(out), otherScreen)
	s := &Screen{out: out, resized: make(chan os.Signal, 1)}
	signal.Notify(s.resized, syscall.SIGWINCH)
	return s
}

// draw shows what draw writes in lines of so many characters (0: nobody knows), as much of it as the terminal has lines
// for.
func (s *Screen) draw(draw func(w io.Writer, width int) error) error {
	width, height := size(s.out)
	var picture bytes.Buffer
	if err := draw(likeness(&picture, s.out), width); err != nil {
		return err
	}
	s.last = picture.String()
	lines := fitted(strings.Split(strings.TrimSuffix(s.last, "\n"), "\n"), width, height)
	_, err := io.WriteString(Raw(s.out), home+strings.Join(lines, restOfLine+"\n")+restOfLine+restBelow)
	return err
}

// close gives the terminal back.
func (s *Screen) close() {
	signal.Stop(s.resized)
	_, _ = io.WriteString(Raw(s.out), firstScreen+s.last)
}

// fitted returns the lines that a terminal has room for, the last one with how many there are no room for.
func fitted(lines []string, width, height int) []string {
	if width == 0 || height == 0 {
		return lines
	}
	used := 0
	for i, line := range lines {
		rows := max(1, (seen(line)+width-1)/width)
		left := len(lines) - i
		if room := height - used; rows > room || rows == room && left > 1 {
			return append(lines[:i:i], Clip(fmt.Sprintf("… and %d more lines", left), width))
		}
		used += rows
	}
	return lines
}

// painting is what sets and ends a style.
var painting = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// seen returns how many characters of a line are seen.
func seen(line string) int { return utf8.RuneCountInString(painting.ReplaceAllString(line, "")) }
