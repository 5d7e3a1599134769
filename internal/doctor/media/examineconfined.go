package media

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/worker/media"
	"github.com/polyglot-media/siren/worker/sandbox"
)

// examineConfined says which of the means that confine programs are in force here.
func examineConfined(ctx context.Context, self string) doctor.Finding {
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	open, err := sandbox.Unconfined(ctx, self)
	if err != nil {
		return doctor.Finding{
			Check: "media.confined", Severity: doctor.Error, What: fmt.Sprintf("programs can't be confined: %v", err),
			Why: "every job would fail, and be retried",
			Fix: "install the siren binary where this user may run it; else report it, with `uname -r`",
		}
	}
	return judgeConfined(open)
}

// judgeConfined says what it means that programs find these open.
func judgeConfined(open []string) doctor.Finding {
	f := doctor.Finding{Check: "media.confined", What: "programs are confined: they open no socket, read no file " +
		"but their input and the system's, and see nothing of the worker"}
	var can, fixes []string
	if slices.Contains(open, sandbox.OpenFiles) {
		f.Severity = doctor.Note
		can = append(can, "read whatever files the worker can")
		fixes = append(fixes, "run Linux 5.13 or newer with Landlock on: `cat /sys/kernel/security/lsm` has to list "+
			"landlock, and a container's seccomp profile has to let its calls pass")
	}
	if slices.Contains(open, sandbox.OpenSockets) {
		f.Severity = doctor.Warning
		can = append(can, "open sockets")
		fixes = append(fixes, "run a kernel with seccomp filters (CONFIG_SECCOMP_FILTER), on amd64 or arm64")
	}
	if slices.Contains(open, sandbox.OpenSecrets) {
		f.Severity = doctor.Warning
		can = append(can, "read the worker's environment")
		if len(fixes) == 0 {
			fixes = append(fixes, "report it, with `uname -r`")
		}
	}
	if len(can) > 0 {
		f.What = "programs aren't wholly confined: they can " + strings.Join(can, ", and ")
		f.Why = "inputs are hostile: one that takes a decoder over could do that"
		f.Fix = strings.Join(fixes, "; ")
	}
	return f
}

// LogConfined logs what programs find open, so that it is known without a doctor. self is as in Options.
func LogConfined(ctx context.Context, self string, log *slog.Logger) {
	self, err := media.Self(self)
	if err != nil {
		return
	}
	switch f := examineConfined(ctx, self); {
	case f.Severity > doctor.Note:
		log.Warn(f.What, slog.String("why", f.Why), slog.String("fix", f.Fix))
	default:
		log.Info(f.What)
	}
}
