package sandbox

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// The test binary doubles as the siren binary (run-limited), and as a program that was taken over (see
// confine_test.go).
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "run-limited" {
		err := error(nil)
		if lacks := os.Getenv(lacksVar); lacks != "" {
			err = lackThem(lacks)
		}
		if err == nil {
			err = RunLimited(os.Args[2:])
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "siren:", err)
			os.Exit(126)
		}
		os.Exit(0)
	}
	if len(os.Args) > 3 && os.Args[1] == "be-taken-over" {
		beTakenOver(os.Args[2], os.Args[3])
		return
	}
	os.Exit(m.Run())
}

// newBox returns a box with a folder of its own and an input.
func newBox(t *testing.T, l work.Limits) *Box {
	t.Helper()
	name := filepath.Join(t.TempDir(), "input")
	workertest.Must(t, os.WriteFile(name, []byte("x"), 0o600))
	input, err := os.Open(name)
	workertest.Must(t, err)
	t.Cleanup(func() { _ = input.Close() })
	return &Box{
		Self: os.Args[0], Limits: l, Folder: t.TempDir(), Input: input, Said: io.Discard,
		Log: slog.New(slog.DiscardHandler),
	}
}

func expect(t *testing.T, err error, want work.ErrorKind, says string) {
	t.Helper()
	if err == nil || work.KindOf(err) != want || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v, want %s: %s", work.KindOf(err), err, want, says)
	}
}
