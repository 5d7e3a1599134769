package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// rootVar is set where a program runs as root of namespaces of its own.
const rootVar = "SIREN_TEST_ROOT"

// Root reports whether this program may mount disks and join hosts: it is root, or AsRoot runs it.
func Root() bool { return os.Geteuid() == 0 || os.Getenv(rootVar) != "" }

// AsRoot runs this program once more, as root of namespaces of its own, where anybody may mount disks and join hosts;
// false when it is root already. It has these arguments and this environment besides. In there is no network but
// loopback: what has to be fetched for a build must be there.
func AsRoot(args, env []string) (code int, done bool) {
	if os.Getenv(rootVar) != "" {
		if err := (namespace{}).ip(context.Background(), "link set lo up"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2, true
		}
		return 0, false
	}
	if Root() {
		return 0, false
	}
	self, err := os.Executable()
	if err == nil {
		cmd := exec.Command(self, append(os.Args[1:], args...)...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(append(os.Environ(), rootVar+"=1"), env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
			Pdeathsig:   syscall.SIGTERM,
		}
		err = cmd.Run()
		var exit *exec.ExitError
		if err == nil || errors.As(err, &exit) {
			return cmd.ProcessState.ExitCode(), true
		}
	}
	fmt.Fprintf(os.Stderr, "to mount disks and join hosts needs root or a user namespace: %v\n", err)
	return 2, true
}
