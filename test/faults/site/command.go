package site

import (
	"bytes"
	"context"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopsWithin is how long a command may take to end once it is told to.
const stopsWithin = 10 * time.Second

// Ran is a command that has ended.
type Ran struct {
	Out, Err string // what it said
	Code     int    // -1: it was killed
	Problem  error  // why it doesn't claim to have done it; nil: it does
	Wrong    string // how it ended as none may; "": it didn't
	signal   syscall.Signal
}

// Run has a person run siren, past all links. When ctx ends, it is told to stop.
func (s *Site) Run(ctx context.Context, args ...string) Ran {
	runtime.LockOSThread() // else the kernel may take the end of the thread for ours
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, s.Siren, args...)
	cmd.Env = []string{
		"HOME=" + s.Dir, "SIREN_AMQP_URL=" + s.AMQPURL(), "SIREN_REDIS_URL=" + s.RedisURL(), "SIREN_USER=faults",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopsWithin
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	r := Ran{Problem: cmd.Run(), Code: -1}
	r.Out, r.Err = out.String(), stderr.String()
	if cmd.ProcessState != nil {
		r.Code = cmd.ProcessState.ExitCode()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			r.signal = status.Signal()
		}
	}
	r.Wrong = wrongEnd(r, ctx.Err() != nil)
	return r
}

// wrongEnd returns how a command ended as none may; "" when it didn't. Told is whether it was told to stop.
func wrongEnd(r Ran, told bool) string {
	const refusesFlags = 2 // and what a panic exits with
	switch {
	case strings.Contains(r.Err, "panic: ") || strings.Contains(r.Err, "fatal error: "):
		return "it panicked: " + r.Err
	case r.Code == refusesFlags:
		return "it was typed wrongly: " + r.Err
	case r.signal == syscall.SIGINT && told: // before it could listen to signals
		return ""
	case r.Code == -1 && told:
		return "it was told to stop and was still there after " + stopsWithin.String()
	case r.Code == -1:
		return "it didn't run to its end: " + r.Problem.Error()
	default:
		return ""
	}
}
