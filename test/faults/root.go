package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// rootVar is set where this program runs as root of a namespace of its own.
const rootVar = "SIREN_FAULTS_ROOT"

// asRoot runs this program once more, as root of a user namespace of its own, where anybody may mount a disk; false
// when it is root already.
func asRoot() (code int, done bool) {
	if os.Geteuid() == 0 || os.Getenv(rootVar) != "" {
		return 0, false
	}
	self, err := os.Executable()
	if err == nil {
		cmd := exec.Command(self, os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), rootVar+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
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
	fmt.Fprintf(os.Stderr, "a small disk is to be mounted, which needs root or a user namespace: %v\n", err)
	return 2, true
}
