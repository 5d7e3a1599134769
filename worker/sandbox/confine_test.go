package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// deeds are what a program that was taken over would try; each is nil when it worked. Paths are those of another job's
// input, and of a folder to write.
var deeds = map[string]func(foreign, outside string) error{
	"read the worker's environment": func(string, string) error {
		return readAll(fmt.Sprintf("/proc/%d/environ", os.Getppid()))
	},
	"open the worker's memory": func(string, string) error {
		return readAll(fmt.Sprintf("/proc/%d/maps", os.Getppid()))
	},
	"trace the worker":         func(string, string) error { return syscall.PtraceAttach(os.Getppid()) },
	"signal the worker":        func(string, string) error { return syscall.Kill(os.Getppid(), 0) },
	"read another job's input": func(foreign, _ string) error { return readAll(foreign) },
	"read /etc/passwd":         func(string, string) error { return readAll("/etc/passwd") },
	"list /":                   func(string, string) error { _, err := os.ReadDir("/"); return err },
	"write outside": func(_, outside string) error {
		return os.WriteFile(filepath.Join(outside, "x"), nil, 0o600)
	},
	"remove another job's input": func(foreign, _ string) error { return os.Remove(foreign) },
	"write the input":            func(string, string) error { return touch(InputPath) },
	"start what it wrote": func(string, string) error {
		return errors.Join(os.WriteFile("script", []byte("#!/bin/sh\n"), 0o700), exec.Command("./script").Run())
	},
	"listen": func(string, string) error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
	"open a unix socket": func(string, string) error {
		_,
			err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return err
	},
	"open a pair of them": func(string, string) error {
		_,
			err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return err
	},
	"leave its group":       func(string, string) error { _, err := unix.Setsid(); return err },
	"make a user namespace": func(string, string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"be root in a clone": func(string, string) error {
		return (&exec.Cmd{
			Path:        "/bin/true",
			SysProcAttr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER},
		}).Run()
	},
	"read the input":            func(string, string) error { return readAll(InputPath) },
	"write a file of its own":   func(string, string) error { return os.WriteFile("own", []byte("x"), 0o600) },
	"start a program of theirs": func(string, string) error { return exec.Command("/bin/true").Run() },
	"see no secret around it": func(string, string) error {
		if env := strings.Join(os.Environ(), " "); strings.Contains(env, "SECRET") || strings.Contains(env, "SIREN_") ||
			strings.Contains(env, "AWS_") {
			return errors.New(env)
		}
		return nil
	},
}

func readAll(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func touch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	return errors.Join(err, f.Close())
}

// beTakenOver runs a program that tries them all, and prints what became of each.
func beTakenOver(foreign, outside string) {
	did := map[string]string{}
	for name, do := range deeds {
		did[name] = "worked"
		if err := do(foreign, outside); err != nil {
			did[name] = err.Error()
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(did)
}

// landlockABI returns the version of this kernel's Landlock; 0: it has none.
func landlockABI() int {
	v, err := ll.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return v
}

// A program that was taken over gets at nothing but its input, its folder and the system, also where the worker is
// root. Where the kernel has no Landlock it gets at files, and then Unconfined says so.
func TestProgramsAreConfined(t *testing.T) {
	t.Setenv("SIREN_AMQP_URL", "SECRET")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
	outside := t.TempDir()
	foreign := filepath.Join(outside, "foreign.mp4")
	workertest.Must(t, os.WriteFile(foreign, []byte("x"), 0o600))
	box := newBox(t, work.Limits{Nice: 3})
	var out bytes.Buffer
	_, err := box.Run(t.Context(), os.Args[0], []string{"be-taken-over", foreign, outside}, &out)
	workertest.Must(t, err)
	var did map[string]string
	workertest.Must(t, json.Unmarshal(out.Bytes(), &did))

	allowed := []string{
		"read the input", "write a file of its own", "start a program of theirs",
		"see no secret around it",
	}
	byLandlock := map[string]int{ // from which version on
		"read the worker's environment": 1, "open the worker's memory": 1, "signal the worker": 6,
		"read another job's input": 1, "read /etc/passwd": 1, "list /": 1, "write outside": 1,
		"remove another job's input": 1, "write the input": 1, "start what it wrote": 1,
	}
	abi := landlockABI()
	t.Logf("Landlock %d, user %d: %v", abi, os.Getuid(), did)
	for name := range deeds {
		worked := did[name] == "worked"
		switch needs := byLandlock[name]; {
		case slices.Contains(allowed, name) && !worked:
			t.Errorf("can't %s: %s", name, did[name])
		case !slices.Contains(allowed, name) && worked && needs <= abi:
			t.Errorf("could %s", name)
		}
	}
	open, err := Unconfined(t.Context(), os.Args[0])
	workertest.Must(t, err)
	if slices.Contains(open, OpenFiles) != (abi == 0) || abi > 0 && len(open) > 0 {
		t.Errorf("open: %v", open)
	}
}

// What programs may read of the system has no secret in it: neither the chart's, nor the token of the worker's pod.
func TestNoSecretIsOfTheSystem(t *testing.T) {
	for _, secret := range []string{
		"/var/run/secrets/kubernetes.io/serviceaccount/token", "/run/secrets/kubernetes.io/serviceaccount/token",
		"/etc/siren/s3/credentials", "/etc/siren/rabbitmq/url",
	} {
		for _, open := range slices.Concat(systemFolders, systemFiles) {
			if secret == open || strings.HasPrefix(secret, strings.TrimSuffix(open, "/")+"/") {
				t.Errorf("%s is open by %s", secret, open)
			}
		}
	}
}

// lacksVar has this binary be a run-limited on a kernel without the things that it names.
const lacksVar = "SIREN_TEST_KERNEL_LACKS"

// lackThem takes them from this thread, as an older kernel, or a container's profile of one, would.
func lackThem(lacks string) error {
	runtime.LockOSThread()
	arch := architectures[runtime.GOARCH]
	var all []bpf.Instruction
	if strings.Contains(lacks, "seccomp") { // prctl is otherwise needed
		all = []bpf.Instruction{
			bpf.LoadAbsolute{Off: callNumber, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_PRCTL, SkipTrue: 3},
			bpf.LoadAbsolute{Off: callFlags, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PR_SET_SECCOMP, SkipTrue: 1},
			bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)},
		}
	}
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = loadFilter(append(all, filter(arch, []uintptr{unix.SYS_LANDLOCK_CREATE_RULESET})...))
	}
	if errors.Is(err, unix.EINVAL) { // whoever started us has lost them already
		return nil
	}
	return err
}

// What the filter answers, call by call. The virtual machine reads numbers with the highest byte first, so they are
// laid out like that.
func TestFilter(t *testing.T) {
	for name, arch := range architectures {
		vm, err := bpf.NewVM(filter(arch, refused))
		workertest.Must(t, err)
		for _, c := range []struct {
			name  string
			arch  uint32
			call  uint32
			flags uint32
			want  uint32
		}{
			{"read", arch, unix.SYS_READ, 0, unix.SECCOMP_RET_ALLOW},
			{"socket", arch, unix.SYS_SOCKET, 0, unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
			{
				"the last of the list", arch, uint32(refused[len(refused)-1]), 0,
				unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM),
			},
			{"a thread", arch, unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_THREAD, unix.SECCOMP_RET_ALLOW},
			{
				"a namespace", arch, unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_NEWUSER,
				unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM),
			},
			{"clone3", arch, unix.SYS_CLONE3, 0, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
			{"read of x32", arch, otherABI + unix.SYS_READ, 0, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
			{"anything of i386", unix.AUDIT_ARCH_I386, unix.SYS_READ, 0, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
			{"a call that is yet to come", arch, 9999, 0, unix.SECCOMP_RET_ALLOW},
		} {
			data := make([]byte, 64)
			for at, v := range map[int]uint32{callNumber: c.call, callArch: c.arch, callFlags: c.flags} {
				copy(data[at:], []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
			}
			if got, err := vm.Run(data); err != nil || uint32(got) != c.want {
				t.Errorf("%s, %s: %#x (%v), want %#x", name, c.name, got, err, c.want)
			}
		}
	}
}
