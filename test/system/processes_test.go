package system_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is a running process as /proc shows it.
type program struct {
	pid    int
	parent int
	frozen bool
	exe    string // path of its binary
	cwd    string
	args   []string
}

func (p program) String() string { return fmt.Sprintf("%d %s", p.pid, strings.Join(p.args, " ")) }

// running returns the processes of this machine that the condition chooses, but no zombies.
func running(chosen func(program) bool) []program {
	entries, _ := os.ReadDir("/proc")
	var found []program
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := inspect(pid); ok && chosen(p) {
			found = append(found, p)
		}
	}
	return found
}

// inspect reads one process; false when it is gone, or not ours to look at.
func inspect(pid int) (p program, ok bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, false
	}
	// the name before it may hold anything
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return p, false
	}
	p.pid, p.frozen = pid, fields[0] == "T"
	p.parent, _ = strconv.Atoi(fields[1])
	p.cwd, _ = os.Readlink(filepath.Join(dir, "cwd"))
	line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	p.args = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	if p.exe, err = os.Readlink(filepath.Join(dir, "exe")); err != nil {
		p.exe = p.args[0] // a siren hides it from all but root
	}
	return p, true
}

// below returns every process that comes from one of pid's, without pid itself.
func below(pid int) []program {
	family := map[int]bool{pid: true}
	found := map[int]program{}
	for grown := true; grown; {
		grown = false
		for _, p := range running(func(p program) bool { return family[p.parent] && !family[p.pid] }) {
			family[p.pid], found[p.pid], grown = true, p, true
		}
	}
	return slices.Collect(maps.Values(found))
}

// owners is whose the siren processes are: by pid, the folder of the site.
var owners sync.Map

// workers returns the running worker processes of the site, by name.
func (s *site) workers() map[string]program {
	named := map[string]program{}
	all := map[int]program{}
	for _, p := range running(func(program) bool { return true }) {
		all[p.pid] = p
	}
	for _, p := range all {
		i := slices.Index(p.args, "--name")
		if p.exe != sirenPath || !slices.Contains(p.args, "worker") || i < 0 || i+1 == len(p.args) {
			continue
		}
		for a, ok := p, true; ok; a, ok = all[a.parent] {
			if dir, known := owners.Load(a.pid); known {
				owners.Store(p.pid, dir) // also when it has outlived its scaler
			}
		}
		if dir, _ := owners.Load(p.pid); dir == s.dir {
			named[p.args[i+1]] = p
		}
	}
	return named
}

// programs returns the running media programs of a job; "" for those of all jobs of the site.
func (s *site) programs(job string) []program {
	scratch := filepath.Join(s.dir, "tmp") + "/"
	return running(func(p program) bool {
		return strings.HasPrefix(p.cwd, scratch) && (job == "" || strings.Contains(p.cwd, "/"+job+"-"))
	})
}

// frozen sends a job and stops its ffmpeg in the middle of its work, so that it runs for as long as the test likes. A
// quick machine may be done with a job before the call that sent it has returned, so the test lies in wait for it
// meanwhile.
func (s *site) frozen(job string, send func()) (thaw func()) {
	s.t.Helper()
	var p program
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
		if err := syscall.Kill(p.pid, syscall.SIGCONT); err != nil {
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
func (s *site) catch(job string) (program, error) {
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		for _, p := range s.programs(job) {
			if filepath.Base(p.exe) == "ffmpeg" && p.stop() {
				return p, nil
			}
		}
	}
	r, err := s.client.Get(s.t.Context(), job)
	return program{}, fmt.Errorf("no program was seen to work on job %s: %+v, %w", job, r, err)
}

// stop stops the program where it is; false when it has ended first.
func (p program) stop() bool {
	if syscall.Kill(p.pid, syscall.SIGSTOP) != nil {
		return false
	}
	for now, ok := inspect(p.pid); ok; now, ok = inspect(p.pid) {
		if now.frozen {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// gone waits until none of the processes runs any more.
func gone(t *testing.T, what string, pids ...program) {
	t.Helper()
	const within = time.Minute // far more than it takes, also on a busy machine
	var left []program
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		left = left[:0]
		for _, p := range pids {
			if now, ok := inspect(p.pid); ok && now.exe == p.exe {
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
