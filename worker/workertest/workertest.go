// Package workertest is what the tests of the worker's rooms share: worker processes that are killed, servers, lines
// that break, and errors of a kind.
package workertest

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/polyglot-media/siren/lanes/work"
)

const orderVar = "SIREN_TEST_WORKER"

// Ordered reads the order that this process was started with; false when it wasn't started by Start.
func Ordered(order any) bool {
	text := os.Getenv(orderVar)
	if text == "" {
		return false
	}
	if err := json.Unmarshal([]byte(text), order); err != nil {
		panic(err)
	}
	return true
}

// Start starts the test binary as a worker process that gets the order, and returns how to kill it with SIGKILL.
func Start(t *testing.T, order any) (kill func()) {
	t.Helper()
	text, err := json.Marshal(order)
	Must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), orderVar+"="+string(text))
	cmd.Stderr = os.Stderr
	Must(t, cmd.Start())
	return func() {
		t.Helper()
		Must(t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
	}
}

// Must ends the test with an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Expect checks that err is of the kind, says so in one readable line, and names what it is about.
func Expect(t *testing.T, err error, want work.ErrorKind, says string) {
	t.Helper()
	t.Logf("%s: %v", work.KindOf(err), err)
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got := work.KindOf(err); got != want {
		t.Errorf("kind %q, want %q", got, want)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("doesn't say %q", says)
	}
	if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 600 {
		t.Errorf("isn't one readable line: %q", err)
	}
}

// Names returns what is in a folder.
func Names(t testing.TB, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	Must(t, err)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
