package media

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/lanes"
)

// RunLimited is the body of the hidden command `siren run-limited`:
//
//	siren run-limited --nice N --as BYTES --fsize BYTES --cpu SECONDS --parent PID -- PROGRAM ARG…
//
// It puts the limits on itself and becomes the program, so it returns only when that fails. A limit of 0 is none. The
// program gets SIGKILL when the process PID, its parent, dies.
func RunLimited(args []string) error {
	flags := flag.NewFlagSet("run-limited", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	nice := flags.Int("nice", 0, "OS priority, 0 to 19")
	space := flags.Uint64("as", 0, "address space in bytes")
	fsize := flags.Uint64("fsize", 0, "largest file in bytes")
	cpu := flags.Uint64("cpu", 0, "CPU seconds")
	parent := flags.Int("parent", 0, "process that it must not outlive")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("run-limited: %w", err)
	}
	argv := flags.Args()
	if len(argv) == 0 {
		return errors.New("run-limited: no program to run")
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("run-limited: %w", err)
	}
	// Priority and parent-death signal belong to a thread: the one that becomes the program.
	runtime.LockOSThread()
	if err := dieWith(*parent); err != nil {
		return err
	}
	if *nice > 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, *nice); err != nil {
			return fmt.Errorf("run-limited: nice: %w", err)
		}
	}
	for _, l := range []struct {
		name          string
		resource      int
		soft, hard    uint64
		evenWhenItIs0 bool
	}{
		{"core", unix.RLIMIT_CORE, 0, 0, true},
		{"fsize", unix.RLIMIT_FSIZE, *fsize, *fsize, false},
		{"cpu", unix.RLIMIT_CPU, *cpu, *cpu + 5, false},
		{"as", unix.RLIMIT_AS, *space, *space, false}, // last: we need memory too
	} {
		if l.soft == 0 && !l.evenWhenItIs0 {
			continue
		}
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.soft, Max: l.hard}); err != nil {
			return fmt.Errorf("run-limited: limit %s to %d: %w", l.name, l.soft, err)
		}
	}
	return fmt.Errorf("run-limited: %s: %w", path, syscall.Exec(path, argv, os.Environ()))
}

// dieWith asks the kernel to kill this process together with its parent, and forgoes privileges that programs might gain.
func dieWith(parent int) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("run-limited: no_new_privs: %w", err)
	}
	if parent == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("run-limited: parent-death signal: %w", err)
	}
	if os.Getppid() != parent {
		return errors.New("run-limited: the worker is gone already")
	}
	return nil
}

// limitArgs is the command line of run-limited for l, up to the program.
func limitArgs(l lanes.Limits) []string {
	return []string{
		"run-limited",
		"--nice", strconv.Itoa(min(max(l.Nice, 0), 19)),
		"--as", strconv.FormatInt(int64(max(l.Memory, 0)), 10),
		"--fsize", strconv.FormatInt(int64(max(l.Scratch, 0)), 10),
		"--cpu", strconv.FormatInt(cpuSeconds(l), 10),
		"--parent", strconv.Itoa(os.Getpid()),
		"--",
	}
}

// cpuSeconds is all the CPU time that a program could use within maxRuntime; 0 when that has no limit.
func cpuSeconds(l lanes.Limits) int64 {
	cores := l.Threads
	if cores <= 0 {
		cores = runtime.NumCPU()
	}
	return int64(math.Ceil((l.MaxRuntime * time.Duration(cores)).Seconds()))
}
