// Package system_test looks at Siren from outside: the real binary with real RabbitMQ, Redis and ffmpeg, real worker
// processes, and the mishaps that they meet. It owns the promises that only the whole can keep: no confirmed job is
// lost, none is seen half done or done twice, a hostile one hurts nobody, and nothing is left running.
//
// What one part does by itself is that part's to test. A test here starts a siren of its own (newSite), and runs beside
// others.
package system_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/test/binary"
	"github.com/polyglot-media/siren/test/processes"
)

// The environment of the inner run (see outer).
const (
	binaryVar   = "SIREN_SYSTEM_BINARY"   // the siren under test
	isolatedVar = "SIREN_SYSTEM_ISOLATED" // set in a network of our own
)

// What all tests share. TestMain sets it.
var (
	sirenPath string
	rabbitmq  *servers.Server
	logins    = access.NewLogins() // of Redis: each process has that of its role
	// public is an address of this machine that isn't an internal one to Siren's guard: in a network of our own we may
	// have any. Without one it is a loopback address.
	public = "localhost"
)

func TestMain(m *testing.M) {
	run := outer
	if sirenPath = os.Getenv(binaryVar); sirenPath != "" {
		run = func() (int, error) { return inner(m) }
	}
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// outer builds the siren under test and runs the tests, this same program, in a network namespace of its own, where the
// machine allows that: then nothing there can reach the machine's network, and an address of ours can pass for a public
// one.
func outer() (int, error) {
	dir, err := os.MkdirTemp("", "siren-system-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, "siren")
	if err := binary.Build(context.Background(), built); err != nil {
		return 0, err
	}
	var code int
	for _, flags := range []uintptr{unix.CLONE_NEWNET, unix.CLONE_NEWNET | unix.CLONE_NEWUSER, 0} {
		if code, err = again(built, flags); !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOSPC) {
			break
		}
	}
	return code, err
}

// again runs this program once more, in new namespaces.
func again(built string, flags uintptr) (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), binaryVar+"="+built)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if flags != 0 {
		cmd.Env = append(cmd.Env, isolatedVar+"=1")
	}
	if flags&unix.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run the tests: %w", err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() < 0 {
		return 0, fmt.Errorf("the tests ended: %w", err)
	}
	return cmd.ProcessState.ExitCode(), nil
}

// inner starts the RabbitMQ that the tests share, and runs them.
func inner(m *testing.M) (code int, err error) {
	if os.Getenv(isolatedVar) != "" {
		if err := openNetwork([4]byte{8, 8, 8, 8}); err != nil {
			return 0, fmt.Errorf("set up a network of our own: %w", err)
		}
		public = "8.8.8.8"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	// The last deferred call is the first to run: after the servers have stopped, nothing of ours may be left.
	defer func() {
		if err == nil && code == 0 {
			err = errors.Join(goleak.Find(), leftProcesses())
		}
	}()
	defer removeClips()
	if rabbitmq, err = servers.StartRabbitMQ(ctx, servers.Options{}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rabbitmq.Stop(context.Background())) }()
	return m.Run(), nil
}

// openNetwork brings the loopback interface of a new network namespace up, with one more address.
func openNetwork(address [4]byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	alias, err := unix.NewIfreq("lo:0")
	if err != nil {
		return err
	}
	if err := alias.SetInet4Addr(address[:]); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias)
}

// leftProcesses returns an error that names what still runs of the siren under test.
func leftProcesses() error {
	left := processes.Running(func(p processes.Process) bool { return p.Exe == sirenPath })
	if len(left) > 0 {
		return fmt.Errorf("still running: %v", left)
	}
	return nil
}
