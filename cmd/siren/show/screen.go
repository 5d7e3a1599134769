package show

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Screen shows one picture after the other in the same place of a terminal, without a flicker: on the other screen that
// terminals have for this. The last picture is left on the terminal when it closes. A signal that stops the program
// (Ctrl-Z) or ends it (SIGHUP, SIGQUIT) gives the terminal back first.
type Screen struct {
	out     io.Writer
	resized chan struct{}  // the terminal may have another size: a picture is due
	told    chan os.Signal // for heed
	closed  chan struct{}
	heeded  chan struct{} // closed when heed has ended

	mu    sync.Mutex // held while the terminal is written to, or given back
	last  string     // picture, whole
	drawn string     // what has drawn it
}

// The control sequences of a terminal (ECMA-48, and xterm's for the other screen).
const (
	otherScreen = "\x1b[?1049h\x1b[?25l" // and no cursor
	firstScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	restOfLine  = "\x1b[K" // is cleared
	restBelow   = "\x1b[J"
)

// NewScreen takes a terminal that draws. It has to be closed.
func NewScreen(out io.Writer) *Screen {
	s := &Screen{
		out: out, resized: make(chan struct{}, 1), told: make(chan os.Signal, 8), closed: make(chan struct{}),
		heeded: make(chan struct{}),
	}
	signal.Notify(s.told, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGQUIT)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(s.told, syscall.SIGHUP)
	}
	awaitForeground(out)
	_, _ = io.WriteString(Raw(out), otherScreen)
	go s.heed()
	return s
}

// Draw shows what draw writes in lines of so many characters (0: nobody knows), as much of it as the terminal has lines
// for.
func (s *Screen) Draw(draw func(w io.Writer, width int) error) error {
	width, height := size(s.out)
	var picture bytes.Buffer
	if err := draw(likeness(&picture, s.out), width); err != nil {
		return err
	}
	lines := fitted(strings.Split(strings.TrimSuffix(picture.String(), "\n"), "\n"), width, height)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.drawn = picture.String(), home+strings.Join(lines, restOfLine+"\n")+restOfLine+restBelow
	_, err := io.WriteString(Raw(s.out), s.drawn)
	return err
}

// Close gives the terminal back.
func (s *Screen) Close() {
	close(s.closed)
	<-s.heeded
	signal.Stop(s.told)
	_, _ = io.WriteString(Raw(s.out), firstScreen+s.last)
}

// heed does what the signals ask for.
func (s *Screen) heed() {
	defer close(s.heeded)
	for {
		select {
		case <-s.closed:
			return
		case told := <-s.told:
			if told != syscall.SIGWINCH {
				s.leave(told.(syscall.Signal))
			}
		}
		select {
		case s.resized <- struct{}{}:
		default:
		}
	}
}

// leave gives the terminal back while a signal stops the program, or ends it.
func (s *Screen) leave(by syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(Raw(s.out), firstScreen)
	if by != syscall.SIGTSTP {
		signal.Reset(by)
		_ = syscall.Kill(os.Getpid(), by)
		select {} // it ends the program
	}
	if stop() {
		awaitForeground(s.out)
	}
	_, _ = io.WriteString(Raw(s.out), otherScreen+s.drawn)
}

// awaitForeground returns once a terminal is this program's: a shell may run it in the background.
func awaitForeground(w io.Writer) {
	for !foreground(w) && stop() {
	}
}

// stop stops the program, and reports whether a shell lets it go on; not so that it ends. It does nothing where there
// is no shell for that: in a group of processes that began the session.
//
// SIGTSTP would do, but Go's signal.Reset doesn't give it back to the kernel.
func stop() (wentOn bool) {
	if session, err := unix.Getsid(0); err != nil || session == unix.Getpgrp() {
		return false
	}
	next := make(chan os.Signal, 1)
	signal.Notify(next, syscall.SIGCONT, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(next)
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	return <-next == syscall.SIGCONT
}

// foreground reports whether w isn't a terminal that is another program's now.
func foreground(w io.Writer) bool {
	f, ok := Raw(w).(*os.File)
	if !ok {
		return true
	}
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
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
