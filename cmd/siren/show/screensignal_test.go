package show

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestMain runs the tests; as the program of a test it watches planets until it is told to end.
func TestMain(m *testing.M) {
	if os.Getenv("WATCH_PLANETS") == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l := Listing{Kind: "planet", Watching: true, Output: Output{Format: os.Getenv("WATCH_PLANETS")}}
	if err := l.Show(ctx, NewTerminal(os.Stdout), os.Stderr, func() (any, *Table, error) {
		return nil, planets(), nil
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// session is a program on a terminal of its own.
type session struct {
	*testing.T
	program *exec.Cmd
	keys    *os.File
	seen    strings.Builder
}

// begin runs a program on a terminal, as one that watches planets in this form if it is this test's.
func begin(t *testing.T, form, program string, args ...string) *session {
	t.Helper()
	s := &session{T: t, program: exec.Command(program, args...)}
	s.program.Env = append(os.Environ(), "WATCH_PLANETS="+form, "TERM=xterm")
	heard := make(chan os.Signal, 1) // what is caught here isn't ignored there, as under nohup
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	var err error
	if s.keys, err = pty.StartWithSize(s.program, &pty.Winsize{Cols: 80, Rows: 24}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.program.Process.Kill()
		_ = s.keys.Close()
	})
	return s
}

// await reads until the terminal has been sent this, and returns what came before it.
func (s *session) await(want string) (before string) {
	s.Helper()
	b := make([]byte, 4096)
	if err := s.keys.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.Fatal(err)
	}
	for {
		if before, after, found := strings.Cut(s.seen.String(), want); found {
			s.seen.Reset()
			s.seen.WriteString(after)
			return before
		}
		n, err := s.keys.Read(b)
		s.seen.Write(b[:n])
		if n == 0 {
			s.Fatalf("%v before %q: %q", err, want, s.seen.String())
		}
	}
}

func (s *session) press(keys string) {
	s.Helper()
	if _, err := s.keys.WriteString(keys); err != nil {
		s.Fatal(err)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Ctrl-Z gives the terminal back and stops a watch. It goes on, with the same picture, where a shell brings it to the
// front; in the background it stays stopped.
func TestCtrlZ(t *testing.T) {
	s := begin(t, "table", "bash", "-mc", noFlush+`"$0"; echo "[stopped $?]"; bg >/dev/null
until [ -n "$(jobs -s)" ]; do sleep 0.05; done; echo "[still stopped]"; fg >/dev/null; echo "[stopped $?]"
kill -9 %1; echo "[over]"`, self(t))
	s.await(otherScreen)
	s.await("Jupiter")
	for _, until := range []string{"[still stopped]", "[over]"} {
		s.press("\x1a")
		if before := s.await(firstScreen); strings.Contains(before, otherScreen) {
			t.Errorf("the other screen is taken twice: %q", before)
		}
		if before := s.await("[stopped 147]"); strings.Contains(before, "PLANET") {
			t.Errorf("drawn after the other screen was left: %q", before)
		}
		before := s.await(until)
		if strings.Contains(before, "PLANET") || strings.Contains(before, "\x1b") {
			t.Errorf("drawn while it is stopped: %q", before)
		}
		if until != "[over]" {
			s.await(otherScreen + home + "PLANET")
		}
	}
}

// noFlush has a terminal keep what is written to it while a key sends a signal.
const noFlush = "stty noflsh; "

// Where no shell could let it go on, Ctrl-Z doesn't stop a program.
func TestCtrlZWithoutAShell(t *testing.T) {
	s := begin(t, "table", "bash", "-c", noFlush+`exec "$0"`, self(t))
	s.await("Jupiter")
	s.press("\x1a")
	s.await(firstScreen)
	s.await(otherScreen + home + "PLANET")
}

// A signal that ends a watch leaves a terminal that can be used, and does what it does to any program.
func TestEndsOfAWatch(t *testing.T) {
	for _, c := range []struct {
		by   syscall.Signal
		then string // how it ended
	}{{syscall.SIGHUP, "signal: hangup"}, {syscall.SIGQUIT, "exit status 2"}, {syscall.SIGTERM, "exit status 0"}} {
		s := begin(t, "table", self(t))
		s.await("Jupiter")
		if err := s.program.Process.Signal(c.by); err != nil {
			t.Fatal(err)
		}
		s.await(firstScreen)
		rest, _ := io.ReadAll(s.keys) // the end is an error of its own
		_ = s.program.Wait()
		if got := s.program.ProcessState.String(); got != c.then || strings.Contains(string(rest), "\x1b[") {
			t.Errorf("%s: %s, and then %q", c.by, got, rest)
		}
	}
}

// A watch that can't write ends with the reason.
func TestWatchWithoutOutput(t *testing.T) {
	for _, form := range []string{"table", "name", "json", "yaml"} {
		for to, why := range map[string]string{">&-": "stdout is closed", ">/dev/full": "no space left on device"} {
			watch := exec.Command("bash", "-c", `"$0" `+to, self(t))
			watch.Env = append(os.Environ(), "WATCH_PLANETS="+form)
			out, err := watch.CombinedOutput()
			if err == nil || !strings.Contains(string(out), why) {
				t.Errorf("-o %s %s: %v, %q", form, to, err, out)
			}
		}
	}
	for _, opened := range []int{os.O_WRONLY, os.O_RDWR} {
		null, err := os.OpenFile(os.DevNull, opened, 0)
		if err != nil {
			t.Fatal(err)
		}
		if is := closed(NewTerminal(null)); is != (opened == os.O_RDWR) {
			t.Errorf("/dev/null opened as %d is closed: %v", opened, is)
		}
		_ = null.Close()
	}
	l := Listing{}
	if err := l.Stream(os.NewFile(^uintptr(0), "gone")).Add(1, planets()); err == nil {
		t.Error("a stream to no file goes on")
	}
}
