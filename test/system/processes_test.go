package system_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/test/processes"
)

// owners is whose the siren processes are: by pid, the folder of the site.
var owners sync.Map

// workers returns the running worker processes of the site, by name.
func (s *site) workers() map[string]processes.Process {
	named := map[string]processes.Process{}
	all := map[int]processes.Process{}
	for _, p := range processes.Running(func(processes.Process) bool { return true }) {
		all[p.PID] = p
	}
	for _, p := range all {
		i := slices.Index(p.Args, "--name")
		if p.Exe != sirenPath || !slices.Contains(p.Args, "worker") || i < 0 || i+1 == len(p.Args) {
			continue
		}
		for a, ok := p, true; ok; a, ok = all[a.Parent] {
			if dir, known := owners.Load(a.PID); known {
				owners.Store(p.PID, dir) // also when it has outlived its scaler
			}
		}
		if dir, _ := owners.Load(p.PID); dir == s.dir {
			named[p.Args[i+1]] = p
		}
	}
	return named
}

// programs returns the running media programs of a job; "" for those of all jobs of the site.
func (s *site) programs(job string) []processes.Process {
	scratch := filepath.Join(s.dir, "tmp") + "/"
	return processes.Running(func(p processes.Process) bool {
		return strings.HasPrefix(p.Cwd, scratch) && (job == "" || strings.Contains(p.Cwd, "/"+job+"-"))
	})
}

// frozen sends a job and stops its ffmpeg in the middle of its work, so that it runs for as long as the test likes. A
// quick machine may be done with a job before the call that sent it has returned, so the test lies in wait for it
// meanwhile.
func (s *site) frozen(job string, send func()) (thaw func()) {
	s.t.Helper()
	var p processes.Process
	caught := make(chan error, 1)
	go func() {
		var err error
		p, err = s.catch(job)
		caught <- err
	}()
	send()
	s.must(<-caught)
	return func() {
		s.t.Helper()
		if err := syscall.Kill(p.PID, syscall.SIGCONT); err != nil {
			s.t.Errorf("thaw job %s: its program is gone: %v", job, err)
		}
	}
}

// enqueueFrozen does what frozen does, for a job that the command line enqueues.
func (s *site) enqueueFrozen(id string, args ...string) (thaw func()) {
	s.t.Helper()
	return s.frozen(id, func() { s.enqueue(append(args, "--id", id)...) })
}

// catch waits for the job's ffmpeg and stops it. An ffprobe before it goes on.
func (s *site) catch(job string) (processes.Process, error) {
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		for _, p := range s.programs(job) {
			if filepath.Base(p.Exe) == "ffmpeg" && stop(p) {
				return p, nil
			}
		}
	}
	r, err := s.client.Get(s.t.Context(), job)
	return processes.Process{}, fmt.Errorf("no program was seen to work on job %s: %+v, %w", job, r, err)
}

// stop stops a program where it is; false when it has ended first.
func stop(p processes.Process) bool {
	if syscall.Kill(p.PID, syscall.SIGSTOP) != nil {
		return false
	}
	for now, ok := processes.Inspect(p.PID); ok; now, ok = processes.Inspect(p.PID) {
		if now.Frozen {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// gone waits until none of the processes runs any more.
func gone(t *testing.T, what string, pids ...processes.Process) {
	t.Helper()
	const within = time.Minute // far more than it takes, also on a busy machine
	var left []processes.Process
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		left = left[:0]
		for _, p := range pids {
			if now, ok := processes.Inspect(p.PID); ok && now.Exe == p.Exe {
				left = append(left, p)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s still runs after %s: %v", what, within, left)
			return
		}
	}
}
