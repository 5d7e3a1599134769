package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// grace is how long a program has between SIGTERM and SIGKILL. It only has to let go; what it wrote is thrown away.
// Somebody may wait for it: a cancelled job's programs are to end within two seconds, and half of them are over when
// the worker hears of it.
const grace = 300 * time.Millisecond

// InputPath is the descriptor by which programs inherit the input, and InputName what ffmpeg is told to open.
const (
	InputPath = "/dev/fd/3"
	InputName = "file:" + InputPath
)

// Box is what the programs of one attempt run in.
type Box struct {
	Self   string       // the binary whose `run-limited` is RunLimited
	Limits work.Limits  // of each program
	Folder string       // where they work: the one folder that they may write
	Input  *os.File     // which they get as InputPath
	Env    []string     // variables that they get beside ours
	Said   io.Writer    // the job's log: what they say, and how they end
	Log    *slog.Logger // the worker's
	// Computed is told how long they have computed by now, all together; nil: nobody listens.
	Computed func(time.Duration)
	meter    meter
}

// Run runs a program under the limits, in a process group of its own. When ctx ends, the whole group does. What the
// program says on stderr goes to the job's log; the end of it, without warnings, is returned. The error carries a kind.
func (s *Box) Run(ctx context.Context, program string, args []string, stdout io.Writer) (said string, err error) {
	// The parent-death signal comes when the *thread* that started the program ends. Ours can't while it is locked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	argv := append(limitArgs(s.Limits, "--read", InputPath, "--folder", "."), program)
	cmd := exec.CommandContext(ctx, s.Self, append(argv, args...)...)
	cmd.Dir = s.Folder
	cmd.Env = []string{ // no secrets
		"PATH=" + os.Getenv("PATH"), "HOME=.", "TMPDIR=.", "LANG=C.UTF-8",
		// each arena, one a thread by default, takes 64 MiB of the slot's address space and uses little of it
		"MALLOC_ARENA_MAX=2",
		"SVT_LOG=1", // SVT-AV1 says what is wrong and not how it is set
	}
	cmd.Env = slices.Concat(cmd.Env, s.Env, calm)
	cmd.ExtraFiles = []*os.File{s.Input}
	stderr := &stderrLines{log: s.Said, errors: plain.Tail{Most: 8 << 10}}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 2 * grace
	var kill *time.Timer
	cmd.Cancel = func() error {
		kill = time.AfterFunc(grace, func() { signalGroup(cmd, syscall.SIGKILL) })
		signalGroup(cmd, syscall.SIGTERM)
		return nil
	}
	s.Log.Debug("running", slog.String("program", program), slog.Any("args", args))
	logStart(s.Said, program, args)
	began := time.Now()
	err = s.meter.run(cmd, s.Computed)
	stderr.end()
	if kill != nil {
		kill.Stop()
	}
	if cmd.Process != nil {
		signalGroup(cmd, syscall.SIGKILL) // whoever of the group is left
	}
	logEnd(s.Said, program, err, context.Cause(ctx), time.Since(began))
	said = stderr.errors.String()
	if err == nil {
		return said, nil
	}
	if ctx.Err() != nil {
		return said, context.Cause(ctx)
	}
	return said, explain(s.Limits, filepath.Base(program), err, said)
}

func signalGroup(cmd *exec.Cmd, s syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, s) }

// explain turns the end of a program into an error for the job's owner.
func explain(limits work.Limits, name string, err error, stderr string) error {
	line := LastWord(stderr)
	signal := syscall.Signal(0)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		// ffmpeg catches SIGXCPU and ends as if it had been asked to.
		used := exit.UserTime() + exit.SystemTime() + time.Second/2
		if cpu := cpuSeconds(limits); cpu > 0 && used > time.Duration(cpu)*time.Second {
			return work.Fail(work.TimedOut, fmt.Errorf("used all the CPU time that a run of %s gives",
				lanes.Duration(limits.MaxRuntime)))
		}
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			signal = status.Signal()
		}
	} else {
		return work.Fail(work.Transient, fmt.Errorf("start %s: %w", name, err))
	}
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(stderr, w) {
				return true
			}
		}
		return false
	}
	picture := PictureTooLarge(stderr)
	switch {
	case says("run-limited: ", "cannot open shared object file: "):
		// the second is the loader's: the installation is to blame, or what confines programs
		return work.Fail(work.Transient, fmt.Errorf("start %s: %s", name, line))
	case says("fatal error: "): // how a Go program dies: it never became ffmpeg
		return work.Fail(work.Transient, fmt.Errorf("start %s: run-limited died: %s", name, line))
	case picture != nil:
		return picture
	case signal == syscall.SIGXFSZ, says("File too large"):
		return work.Fail(work.OverLimit, fmt.Errorf("the output is larger than a slot's scratch space of %s",
			limits.Scratch))
	case says("Number of streams exceeds max_streams"): // of which ffprobe says that it has no memory for it
		return work.Fail(work.OverLimit, fmt.Errorf("the input has more than %d streams (sound, subtitles, pictures): "+
			"give one with those alone that are wanted", MaxStreams))
	case says("Cannot allocate memory", "failed to map segment", "malloc of size", "Out of memory", "out of memory",
		"could not allocate", "allocate memory failed", "Memory allocation error", "insufficient resources",
		"std::bad_alloc",                                           // of SVT-AV1, libvpx and x265
		"Resource temporarily unavailable", "get_buffer() failed"): // no room for a thread, or for a frame
		return NeedsMemory(limits, line)
	case limits.Memory > 0 && says("Error while opening encoder"):
		// its parameters are ours, and right; it doesn't say when it has no room for its threads
		return work.Fail(work.OverLimit, fmt.Errorf("the encoder can't be opened: it most likely needs more than a "+
			"slot's memory of %s: let such jobs run in a pool with a larger slot.memory", limits.Memory))
	case unknownEncoder.MatchString(stderr):
		return work.Fail(work.Transient, fmt.Errorf("this worker's ffmpeg lacks the encoder %s: install a full "+
			"build of "+
			"ffmpeg there (siren doctor says what it lacks), or choose another codec",
			unknownEncoder.FindStringSubmatch(stderr)[1]))
	case says("No space left on device", "Input/output error"):
		return work.Fail(work.Transient, fmt.Errorf("%s: %s", name, line))
	case signal != 0:
		return work.Fail(work.Transient, fmt.Errorf("%s was ended by a signal (%s): %s", name, signal, line))
	default:
		return work.Fail(work.BadInput, errors.New(line))
	}
}

// NeedsMemory returns the error of a program that had too little memory, and said that.
func NeedsMemory(limits work.Limits, said string) error {
	return work.Fail(work.OverLimit, fmt.Errorf("needs more than a slot's memory of %s: let such jobs run in a pool "+
		"with a larger slot.memory (%s)", limits.Memory, said))
}

var unknownEncoder = regexp.MustCompile(`Unknown encoder '([\w-]+)'`)

var (
	origin     = regexp.MustCompile(`^\[[^\]]* @ 0x[0-9a-f]+\] *`)
	boilerless = regexp.MustCompile(`^(Conversion failed!|Error while (de|en)coding stream|` +
		`Error while processing the decoded data|Error marking filters as finished|` +
		`Cannot determine format of input|Last message repeated|Exiting normally|` +
		// vips: that the output fails too, its warnings, and the number of an error of libheif
		`vips2\w+: unable to write to target|\(vips\w*:\d+\): VIPS-WARNING|\(\d+\.\d+\)$)|^\s*$`)
)

// LastWord returns the last line of a program's that says something, without our paths and its addresses.
func LastWord(stderr string) string {
	said := "it gave no reason"
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		for origin.MatchString(line) {
			line = origin.ReplaceAllString(line, "")
		}
		if boilerless.MatchString(line) {
			continue
		}
		said = line
	}
	return plain.Clip(tidy(said), 300)
}
