package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own on this machine. It has no name that could be left behind: it ends with the last
// process in it, once this process has ended or closed it.
type namespace struct{ file *os.File }

// newNamespace makes an empty one. This thread is in it for a moment.
func newNamespace() (n namespace, err error) {
	const here = "/proc/thread-self/ns/net"
	runtime.LockOSThread()
	home, err := os.Open(here)
	if err != nil {
		runtime.UnlockOSThread()
		return n, err
	}
	defer func() { _ = home.Close() }()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return n, fmt.Errorf("make a network namespace: %w; this needs root, in a container CAP_SYS_ADMIN and "+
			"CAP_NET_ADMIN", err)
	}
	n.file, err = os.Open(here)
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil { // the thread ends with its goroutine
		return n, errors.Join(err, fmt.Errorf("leave a network namespace: %w", back))
	}
	runtime.UnlockOSThread()
	return n, err
}

// path returns where programs find it for as long as this process has it.
func (n namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// enter begins the argument list of a program that runs in there.
func (n namespace) enter() []string {
	if n.file == nil { // this machine itself
		return nil
	}
	return []string{"/usr/bin/nsenter", "--net=" + n.path(), "--"}
}

// ip has iproute2 do these commands in there.
func (n namespace) ip(ctx context.Context, commands ...string) error {
	argv := append(n.enter(), "ip", "-batch", "-")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (n namespace) close() {
	if n.file != nil {
		_ = n.file.Close()
	}
}
