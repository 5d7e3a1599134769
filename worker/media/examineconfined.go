package media

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// unconfined starts our own binary as media programs are started, and returns what it finds open in there (see look).
func unconfined(ctx context.Context, self string) (open []string, err error) {
	said, err := startLimited(ctx, self, lanes.Limits{}, self, "run-limited", "--look")
	return strings.Fields(said), err
}

// startLimited runs a program as jobs do, but for the input and the folder, and returns what it prints.
func startLimited(ctx context.Context, self string, l lanes.Limits, program string, args ...string) (string, error) {
	runtime.LockOSThread() // the child ends with the thread that started it
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, slices.Concat(limitArgs(l), []string{program}, args)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}, calm...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, firstLine(said.String()))
	}
	return out.String(), nil
}

// examineConfined says which of the means that confine programs are in force here.
func examineConfined(ctx context.Context, self string) doctor.Finding {
	open, err := unconfined(ctx, self)
	if err != nil {
		return doctor.Finding{
			Check: "media.confined", Severity: doctor.Error, What: fmt.Sprintf("programs can't be confined: %v", err), Why: "every job would fail, and be tried again",
			Mend: "install the siren binary where this user may run it; else report it, with `uname -r`",
		}
	}
	return judgeConfined(open)
}

// judgeConfined is what it means that programs find these open.
func judgeConfined(open []string) doctor.Finding {
	f := doctor.Finding{Check: "media.confined", What: "programs are confined: they open no socket, read no file but their input and the system's, and see nothing of the worker"}
	var can, mends []string
	if slices.Contains(open, openFiles) {
		f.Severity = doctor.Note
		can = append(can, "read whatever files the worker can")
		mends = append(mends, "run Linux 5.13 or newer with Landlock on: `cat /sys/kernel/security/lsm` has to list landlock, and a container's seccomp profile has to let its calls pass")
	}
	if slices.Contains(open, openSockets) {
		f.Severity = doctor.Warning
		can = append(can, "open sockets")
		mends = append(mends, "run a kernel with seccomp filters (CONFIG_SECCOMP_FILTER), on amd64 or arm64")
	}
	if slices.Contains(open, openSecrets) {
		f.Severity = doctor.Warning
		can = append(can, "read the worker's environment")
		if len(mends) == 0 {
			mends = append(mends, "report it, with `uname -r`")
		}
	}
	if len(can) > 0 {
		f.What = "programs aren't wholly confined: they can " + strings.Join(can, ", and ")
		f.Why = "inputs are hostile: one that takes a decoder over could do that"
		f.Mend = strings.Join(mends, "; ")
	}
	return f
}

// sayConfined logs what programs find open, so that it is known without a doctor.
func sayConfined(self string, log *slog.Logger) {
	switch f := examineConfined(context.Background(), self); {
	case f.Severity > doctor.Note:
		log.Warn(f.What, slog.String("why", f.Why), slog.String("mend", f.Mend))
	default:
		log.Info(f.What)
	}
}
