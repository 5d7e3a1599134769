package site

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// restartAfter is the pause before a process that ended is started again, as a kubelet does.
const restartAfter = 300 * time.Millisecond

// Process is one place in the fleet: a worker or a scaler, and whoever comes after it.
type Process struct {
	Name string   // w1
	args []string // @NAME@ stands for the name of this life of it: w1-3
	env  []string
	site *Site

	wake chan struct{} // ends the pause before a restart
	done chan struct{} // closed when it has ended for good

	mu       sync.Mutex
	extra    []string // more environment, from the next start on
	cmd      *exec.Cmd
	life     int
	alive    bool
	wanted   bool // its end is somebody's will: the nemesis', or ours
	ending   bool
	lives    []life
	startErr error
}

// life is one run of a process from start to end.
type life struct {
	Name       string
	from, To   time.Time // to: zero while it runs
	Unexpected string    // how it ended although nobody wanted that
}

// launch starts a process with links of its own to both servers, and again whenever it ends.
func (s *Site) launch(name string, args ...string) (*Process, error) {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "XDG_STATE_HOME=" + s.Path("state"),
		"TMPDIR=" + s.Path("scratch"),
	}
	for _, to := range []struct{ server, variable string }{
		{"amqp", "SIREN_AMQP_URL"},
		{"redis", "SIREN_REDIS_URL"},
	} {
		url, err := s.Connect(name, to.server)
		if err != nil {
			return nil, err
		}
		env = append(env, to.variable+"="+url)
	}
	if s.Bucket != nil && args[0] == "worker" {
		url, err := s.Connect(name, "s3")
		if err != nil {
			return nil, err
		}
		env = append(env, environ(url)...)
	}
	p := &Process{Name: name, args: args, env: env, site: s, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go p.keep()
	return p, nil
}

// keep starts it again and again. It keeps its thread: the kernel sends the parent-death signal when the thread ends
// that started it.
func (p *Process) keep() {
	runtime.LockOSThread()
	defer close(p.done)
	for {
		if !p.start() {
			return
		}
		err := p.cmd.Wait()
		p.mu.Lock()
		p.alive = false
		now := &p.lives[len(p.lives)-1]
		now.To = time.Now()
		if !p.wanted {
			now.Unexpected = fmt.Sprint(err)
		}
		p.wanted = false
		p.mu.Unlock()
		select {
		case <-time.After(restartAfter):
		case <-p.wake:
		}
	}
}

// start starts the process; false when it isn't to run any more.
func (p *Process) start() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return false
	}
	p.life++
	name := fmt.Sprintf("%s-%d", p.Name, p.life)
	args := slices.Clone(p.args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "@NAME@", name)
	}
	log, err := os.Create(p.site.Path("log", name+".log"))
	if err != nil {
		p.startErr = err
		return false
	}
	defer func() { _ = log.Close() }() // the process has its own copy
	p.cmd = exec.Command(p.site.Siren, append(args, "--log-json", "--log-level", "debug")...)
	p.cmd.Env, p.cmd.Dir = slices.Concat(p.env, p.extra), p.site.Dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.startErr = err
		return false
	}
	p.alive = true
	p.lives = append(p.lives, life{Name: name, from: time.Now()})
	return true
}

// Signal sends a signal to what runs now; the name of that life, "" when nothing does. One that ends it makes that end
// a wanted one.
func (p *Process) Signal(sig syscall.Signal) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive {
		return ""
	}
	if sig == syscall.SIGKILL || sig == syscall.SIGTERM {
		p.wanted = true
	}
	if p.cmd.Process.Signal(sig) != nil {
		return ""
	}
	return p.lives[len(p.lives)-1].Name
}

// With sets what the environment has beside the usual, from the next start on.
func (p *Process) With(extra ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extra = extra
}

// Current returns the name and pid of what runs now; "" for nothing.
func (p *Process) Current() (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive {
		return "", 0
	}
	return p.lives[len(p.lives)-1].Name, p.cmd.Process.Pid
}

// History returns all its lives so far.
func (p *Process) History() []life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lives)
}

// Attempts returns the folders of the attempts at jobs that are on the disk of a worker.
func (p *Process) Attempts() []string {
	folders, _ := filepath.Glob(p.site.Path("scratch", p.Name, "siren-attempts-*", "*-*"))
	return folders
}

// Stop ends it for good, in order; the error says that it didn't.
func (p *Process) Stop(within time.Duration) error {
	p.finish(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.startErr
	case <-time.After(within):
		p.end()
		return fmt.Errorf("%s was told to stop and was still there after %s", p.Name, within)
	}
}

// end ends it for good, at once.
func (p *Process) end() {
	p.finish(syscall.SIGKILL)
	<-p.done
}

// finish sends the signal, and starts it no more.
func (p *Process) finish(sig syscall.Signal) {
	p.mu.Lock()
	p.ending = true
	p.mu.Unlock()
	p.Signal(sig)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
