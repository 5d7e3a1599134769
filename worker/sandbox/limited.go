package sandbox

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/lanes/work"
)

// RunLimited runs the hidden command `siren run-limited`:
//
//	siren run-limited --nice N --as BYTES --fsize BYTES --cpu SECONDS --parent PID --read FILE --folder DIR \
//	      -- PROGRAM ARG…
//	siren run-limited --look
//
// It puts the limits on itself, confines itself (see confine) and becomes the program, so it returns only when that
// fails. A limit of 0 is none. The program gets SIGKILL when the process PID, its parent, dies. The second form is a
// program to be run by the first: it prints what isn't confined (see look).
func RunLimited(args []string) error {
	flags := flag.NewFlagSet("run-limited", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	nice := flags.Int("nice", 0, "OS priority, 0 to 19")
	space := flags.Uint64("as", 0, "address space in bytes")
	fsize := flags.Uint64("fsize", 0, "largest file in bytes")
	cpu := flags.Uint64("cpu", 0, "CPU seconds")
	parent := flags.Int("parent", 0, "process that it must not outlive")
	read := flags.String("read", "", "the one file that the program may read, beside the system's and its own")
	folder := flags.String("folder", "", "the one folder that it may write")
	looking := flags.Bool("look", false, "print what isn't confined")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("run-limited: %w", err)
	}
	if *looking {
		fmt.Println(strings.Join(look(), " "))
		return nil
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
	if err := pullOver(*nice); err != nil {
		return fmt.Errorf("run-limited: nice: %w", err)
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
	} {
		if l.soft == 0 && !l.evenWhenItIs0 {
			continue
		}
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.soft, Max: l.hard}); err != nil {
			return fmt.Errorf("run-limited: limit %s to %d: %w", l.name, l.soft, err)
		}
	}
	if err := confine(path, *read, *folder); err != nil {
		return fmt.Errorf("run-limited: confine %s: %w", path, err)
	}
	return fmt.Errorf("run-limited: %s: %w", path, become(path, argv, *space))
}

// calm is in the environment that run-limited is started with, and taken out of the program's: no garbage collector, no
// second goroutine at a time, and no goroutine in the place of one that didn't ask. So nothing else happens where
// become wants nothing to. Should it die all the same, it says so in a line.
var calm = []string{"GOGC=off", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1", "GOTRACEBACK=none"}

// become limits the address space (0: it doesn't), gives up root's capabilities but those to read files, and executes
// the program. In between no memory can be had: this process has mapped more than most programs may, and dies of the
// first block that it asks for. So all that is needed is made before, syscall.Exec, which makes it, is no help, and no
// other goroutine may run (see calm).
func become(path string, argv []string, space uint64) error {
	file, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return slices.Contains(calm, v)
	}))
	if err != nil {
		return err
	}
	limit := &unix.Rlimit{Cur: space, Max: space}
	version := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	keep := &[2]unix.CapUserData{} // the operator may have files that root alone can read
	if os.Geteuid() == 0 {
		if err := unix.Capget(version, &keep[0]); err != nil {
			return fmt.Errorf("look at the capabilities: %w", err)
		}
		const files = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
		keep[0] = unix.CapUserData{Effective: keep[0].Effective & files, Permitted: keep[0].Permitted & files}
		keep[1] = unix.CapUserData{}
	}
	if space > 0 {
		if err := unix.Setrlimit(unix.RLIMIT_AS, limit); err != nil {
			return fmt.Errorf("limit the address space to %d: %w", space, err)
		}
	}
	if err := unix.Capset(version, &keep[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	_, _, failed := syscall.RawSyscall(syscall.SYS_EXECVE,
		uintptr(unsafe.Pointer(file)), uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&env[0])))
	return failed
}

// pullOver lowers the priority. Where the worker itself was started at a lower one, which can't be raised again, nice
// divides what is left: the order of the lanes stays.
func pullOver(nice int) error {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil || nice <= 0 {
		return err
	}
	own := max(0, 20-raw) // the system call answers 20 - nice
	return unix.Setpriority(unix.PRIO_PROCESS, 0, own+nice*(19-own)/19)
}

// dieWith asks the kernel to kill this process together with its parent, and forgoes privileges that programs might
// gain.
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
		return errors.New("run-limited: the worker has already exited")
	}
	return nil
}

// limitArgs returns the command line of run-limited for l, with more flags, up to the program.
func limitArgs(l work.Limits, more ...string) []string {
	return slices.Concat([]string{
		"run-limited",
		"--nice", strconv.Itoa(min(max(l.Nice, 0), 19)),
		"--as", strconv.FormatInt(int64(max(l.Memory, 0)), 10),
		"--fsize", strconv.FormatInt(int64(max(l.Scratch, 0)), 10),
		"--cpu", strconv.FormatInt(cpuSeconds(l), 10),
		"--parent", strconv.Itoa(os.Getpid()),
	}, more, []string{"--"})
}

// cpuSeconds returns all the CPU time that a program could use within maxRuntime; 0 when that has no limit.
func cpuSeconds(l work.Limits) int64 {
	cores := l.Threads
	if cores <= 0 {
		cores = runtime.NumCPU()
	}
	return int64(math.Ceil((l.MaxRuntime * time.Duration(cores)).Seconds()))
}
