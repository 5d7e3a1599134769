package main

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

// process is one place in the fleet: a worker or a scaler, and whoever comes after it.
type process struct {
	name string   // w1
	args []string // @NAME@ stands for the name of this life of it: w1-3
	env  []string
	site *site

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
	name       string
	from, to   time.Time // to: zero while it runs
	unexpected string    // how it ended although nobody wanted that
}

// launch starts a process with links of its own to both servers, and again whenever it ends.
func (s *site) launch(name string, args ...string) (*process, error) {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_STATE_HOME=" + s.path("state"),
		"TMPDIR=" + s.path("scratch"),
	}
	for _, to := range []struct{ server, variable string }{
		{"amqp", "SIREN_AMQP_URL"},
		{"redis", "SIREN_REDIS_URL"},
	} {
		url, err := s.link(name, to.server)
		if err != nil {
			return nil, err
		}
		env = append(env, to.variable+"="+url)
	}
	if s.bucket != nil && args[0] == "worker" {
		url, err := s.link(name, "s3")
		if err != nil {
			return nil, err
		}
		env = append(env, environ(url)...)
	}
	p := &process{name: name, args: args, env: env, site: s, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go p.keep()
	return p, nil
}

// keep starts it again and again. It keeps its thread: the kernel sends the parent-death signal when the thread ends
// that started it.
func (p *process) keep() {
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
		now.to = time.Now()
		if !p.wanted {
			now.unexpected = fmt.Sprint(err)
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
func (p *process) start() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return false
	}
	p.life++
	name := fmt.Sprintf("%s-%d", p.name, p.life)
	args := slices.Clone(p.args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "@NAME@", name)
	}
	log, err := os.Create(p.site.path("log", name+".log"))
	if err != nil {
		p.startErr = err
		return false
	}
	defer func() { _ = log.Close() }() // the process has its own copy
	p.cmd = exec.Command(p.site.siren, append(args, "--log-json", "--log-level", "debug")...)
	p.cmd.Env, p.cmd.Dir = slices.Concat(p.env, p.extra), p.site.dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.startErr = err
		return false
	}
	p.alive = true
	p.lives = append(p.lives, life{name: name, from: time.Now()})
	return true
}

// signal sends a signal to what runs now; the name of that life, "" when nothing does. One that ends it makes that end
// a wanted one.
func (p *process) signal(sig syscall.Signal) string {
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
	return p.lives[len(p.lives)-1].name
}

// with sets what the environment has beside the usual, from the next start on.
func (p *process) with(extra ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extra = extra
}

// current returns the name and pid of what runs now; "" for nothing.
func (p *process) current() (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive {
		return "", 0
	}
	return p.lives[len(p.lives)-1].name, p.cmd.Process.Pid
}

// history returns all its lives so far.
func (p *process) history() []life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lives)
}

// attempts returns the folders of the attempts at jobs that are on the disk of a worker.
func (p *process) attempts() []string {
	folders, _ := filepath.Glob(p.site.path("scratch", p.name, "siren-attempts-*", "*-*"))
	return folders
}

// stop ends it for good, in order; the error says that it didn't.
func (p *process) stop(within time.Duration) error {
	p.finish(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.startErr
	case <-time.After(within):
		p.end()
		return fmt.Errorf("%s was told to stop and was still there after %s", p.name, within)
	}
}

// end ends it for good, at once.
func (p *process) end() {
	p.finish(syscall.SIGKILL)
	<-p.done
}

// finish sends the signal, and starts it no more.
func (p *process) finish(sig syscall.Signal) {
	p.mu.Lock()
	p.ending = true
	p.mu.Unlock()
	p.signal(sig)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
