// Package procstest has the tests of internal/procs start themselves: the test's own program plays the children.
package procstest

import (
	"bufio"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// partVar makes the test's program play one of the parts instead of running tests.
const partVar = "SIREN_PROCS_PART"

// Main runs the tests, or plays the part that Command asks for; it doesn't return. Each part ends its process. There is
// always one that sleeps.
func Main(m *testing.M, parts map[string]func(args []string)) {
	switch part := os.Getenv(partVar); part {
	case "":
		goleak.VerifyTestMain(m)
	case "sleep":
		time.Sleep(time.Hour)
	default:
		parts[part](os.Args[1:])
	}
	os.Exit(0)
}

// Command returns a child that plays the part.
func Command(part string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), partVar+"="+part)
	return cmd
}

// Start starts a child that plays the part, and returns it with the first lines that it prints.
func Start(t *testing.T, lines int, part string, args ...string) (*exec.Cmd, []string) {
	t.Helper()
	cmd := Command(part, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var got []string
	for s := bufio.NewScanner(out); len(got) < lines; got = append(got, s.Text()) {
		if !s.Scan() {
			t.Fatalf("%s ended after %q", part, got)
		}
	}
	return cmd, got
}

// Log sends what is logged to the test.
func Log(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// Eventually fails the test unless the condition comes true within a minute.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
