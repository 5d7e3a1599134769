package system_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// process is a siren process that runs for a while.
type process struct {
	s    *site
	name string
	log  string // path
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start runs siren until it is stopped, at the end of the test at the latest; then it must exit with 0.
func (s *site) start(name string, args ...string) *process {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log", name+".log"))
	s.must(err)
	defer log.Close() // the process has its own copy
	p := &process{s: s, name: name, log: log.Name(), cmd: exec.Command(sirenPath, args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.env, s.dir, log, log
	// A group of its own, as a shell gives each command. Nothing of it must outlive a test run that is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	s.must(p.cmd.Start())
	owners.Store(p.cmd.Process.Pid, s.dir)
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code is read from its state
	}()
	s.t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			s.awaitEnd()
			p.stop(30 * time.Second)
		}
	})
	return p
}

// scaler starts a scaler with the workers that it wants.
func (s *site) scaler() *process {
	s.t.Helper()
	p := s.start("scaler", "scaler", "--policy", s.policy, "--data", s.fleet(), "--drain-timeout", "5s")
	s.staffed()
	return p
}

// fleet returns the folder of the scaler's workers.
func (s *site) fleet() string { return filepath.Join(s.dir, "log", "fleet") }

// staffed waits until every pool has its least number of workers.
func (s *site) staffed() {
	s.t.Helper()
	parsed, err := lanes.Load(s.policy)
	s.must(err)
	s.await("the fleet to be there", 60*time.Second, func() (bool, string) {
		pools, err := s.pools()
		if err != nil {
			return false, err.Error()
		}
		for _, q := range parsed.Pools {
			if pools[q.Name].Ready < q.Min {
				return false, fmt.Sprintf("%+v", pools)
			}
		}
		return true, ""
	})
}

// pools returns what `siren pools` says.
func (s *site) pools() (map[string]fleet.PoolStatus, error) {
	r := s.siren("", "pools", "-o", "json")
	var list []fleet.PoolStatus
	if err := json.Unmarshal([]byte(r.out), &list); err != nil {
		return nil, fmt.Errorf("siren pools: %s", r)
	}
	pools := map[string]fleet.PoolStatus{}
	for _, p := range list {
		pools[p.Name] = p
	}
	return pools, nil
}

// worker starts a worker by hand.
func (s *site) worker(name, pool, drain string) *process {
	s.t.Helper()
	return s.start(name, "worker", "--pool", pool, "--name", name, "--drain-timeout", drain)
}

// says waits until the process has logged a text.
func (s *site) says(p *process, text string) {
	s.t.Helper()
	s.await(p.name+" to say "+text, 60*time.Second, func() (bool, string) {
		log := tail(p.log, 30)
		return strings.Contains(log, text), log
	})
}

func (p *process) signal(sig syscall.Signal) {
	p.s.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.s.t.Fatalf("%s: %s: %v", sig, p.name, err)
	}
}

// ends waits for the process to exit with 0.
func (p *process) ends(within time.Duration) {
	p.s.t.Helper()
	within *= patience
	select {
	case <-p.done:
	case <-time.After(within):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		p.s.t.Errorf("%s was still there after %s", p.name, within)
		return
	}
	if !p.cmd.ProcessState.Success() {
		p.s.t.Errorf("%s ended with %s", p.name, p.cmd.ProcessState)
	}
}

// stop ends the process unless it has ended already.
func (p *process) stop(within time.Duration) {
	p.s.t.Helper()
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.ends(within)
}

// result is what a siren command said.
type result struct {
	out, err string
	code     int
}

func (r result) String() string { return fmt.Sprintf("exit code %d\n%s%s", r.code, r.out, r.err) }

// siren runs a command to its end.
func (s *site) siren(stdin string, args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, sirenPath, args...)
	c.Env, c.Dir, c.Stdin, c.Stdout, c.Stderr = s.env, s.dir, strings.NewReader(stdin), &out, &errs
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("siren %s: %v", strings.Join(args, " "), err)
	}
	return result{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

// enqueue puts a job into its lane by the command line, and returns its id.
func (s *site) enqueue(args ...string) string {
	s.t.Helper()
	r := s.siren("", append([]string{"enqueue"}, args...)...)
	if r.code != 0 {
		s.t.Fatalf("siren enqueue: %s", r)
	}
	return strings.TrimSpace(r.out)
}
