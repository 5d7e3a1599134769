package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/polyglot-media/siren/lanes/work"
)

// Try runs a program as jobs do, but for the input and the folder, and returns what it prints.
func Try(ctx context.Context, self string, l work.Limits, program string, args ...string) (string, error) {
	runtime.LockOSThread() // the child ends with the thread that started it
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, self, slices.Concat(limitArgs(l), []string{program}, args)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}, calm...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return "", fmt.Errorf("%w: %s", err, line)
	}
	return out.String(), nil
}

// Unconfined starts our own binary as media programs are started, and returns what it finds open in there (see look).
func Unconfined(ctx context.Context, self string) (open []string, err error) {
	said, err := Try(ctx, self, work.Limits{}, self, "run-limited", "--look")
	return strings.Fields(said), err
}

// TryScratch does below an operator's folder what openScratch and make do there, and takes it away again.
func TryScratch(in string) error {
	if ours, err := openAttempts(in, false); err == nil {
		_ = ours.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	probe, err := os.MkdirTemp(in, ".siren-doctor-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(probe) }()
	root, err := os.OpenRoot(probe)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	held, err := lock(root, ".", syscall.LOCK_EX)
	if err != nil {
		return err
	}
	return errors.Join(root.WriteFile("file", make([]byte, 4096), 0o600), held.Close())
}

// ScratchDir returns the absolute path of the folder that an operator names; "" is the system's temporary folder.
func ScratchDir(dir string) (string, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("scratch folder: %w", err)
	}
	return dir, nil
}
