// Package showtest has a terminal for tests.
package showtest

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// Terminal opens a terminal of so many characters and lines, of a kind that draws. read ends it, and returns what was
// written to it.
func Terminal(t *testing.T, width, height uint16) (tty *os.File, read func() string) {
	t.Helper()
	t.Setenv("TERM", "xterm")
	ours, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := pty.Setsize(tty, &pty.Winsize{Cols: width, Rows: height}); err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	done := make(chan error)
	go func() { // a terminal may drop what isn't read yet when it's closed
		b := make([]byte, 4096)
		for {
			n, err := ours.Read(b)
			seen.Write(b[:n])
			if err != nil || bytes.HasSuffix(seen.Bytes(), []byte(end)) {
				done <- err
				return
			}
		}
	}()
	return tty, func() string {
		if _, err := tty.WriteString(end); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		_ = tty.Close()
		return strings.TrimSuffix(seen.String(), end)
	}
}

// end is what no picture has.
const end = "\x04\x03\x04"
