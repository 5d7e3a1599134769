package procs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// killWait is how long a killed process may need to disappear before we stop waiting for it.
const killWait = 5 * time.Second

// Process is one child of ours, the leader of a process group of its own.
type Process struct {
	Name string
	PID  PID
	cmd  *exec.Cmd
	Done chan struct{} // closed when it has ended and is reaped
	err  error         // how it ended; read it after done
}

// start runs cmd as the leader of a new process group. The child gets onParentDeath when this process dies without
// stopping it; the end of the child takes what is left of its group with it.
func start(name string, cmd *exec.Cmd, onParentDeath syscall.Signal) (*Process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: onParentDeath}
	p := &Process{Name: name, cmd: cmd, Done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the *thread* that started the child ends. This goroutine keeps its
		// thread for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.PID, err = Identify(cmd.Process.Pid)
			if err != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		}
		started <- err
		if err == nil {
			p.watch()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// watch waits for the child's end, kills the rest of its group and reaps it. The order matters: as long as the leader
// is a zombie, the number of its group can't belong to anybody else.
func (p *Process) watch() {
	awaitExit(p.PID.Number)
	_ = syscall.Kill(-p.PID.Number, syscall.SIGKILL)
	p.err = p.cmd.Wait()
	close(p.Done)
}

// awaitExit blocks until the child has ended, and leaves it a zombie.
func awaitExit(number int) {
	const byPid, keepZombie = 1, 0x01000000 // P_PID, WNOWAIT
	var info [128]byte
	for {
		_, _, e := syscall.Syscall6(syscall.SYS_WAITID, byPid, uintptr(number),
			uintptr(unsafe.Pointer(&info)), syscall.WEXITED|keepZombie, 0, 0)
		if e != syscall.EINTR {
			return
		}
	}
}

// Running reports whether the child hasn't ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.Done:
		return false
	default:
		return true
	}
}

// Exit says how the child ended, for a person: exit status 3, signal: killed. Call it after done.
func (p *Process) Exit() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

// Terminate asks the child to end. It is no error when it has ended already.
func (p *Process) Terminate() error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Signal sends the child a signal.
func (p *Process) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the child and its group at once, and waits until it is reaped.
func (p *Process) Kill() error {
	if !p.Running() {
		return nil
	}
	_ = p.cmd.Process.Kill() // watch kills the group as soon as the leader has ended
	select {
	case <-p.Done:
		return nil
	case <-time.After(killWait):
		return fmt.Errorf("%s (pid %d) doesn't die", p.Name, p.PID.Number)
	}
}

// Stop terminates the child, waits until ctx ends or grace is over, and then kills it.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if err := p.Terminate(); err != nil {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	select {
	case <-p.Done:
		return nil
	case <-ctx.Done():
		return p.Kill()
	}
}
