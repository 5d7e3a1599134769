package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

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
