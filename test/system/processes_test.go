package system_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is a running process as /proc shows it.
type program struct {
	pid    int
	parent int
	exe    string // path of its binary
	cwd    string
	args   []string
}

func (p program) String() string { return fmt.Sprintf("%d %s", p.pid, strings.Join(p.args, " ")) }

// running is the processes of this machine that the condition chooses; zombies are none.
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
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // the name before it may hold anything
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return p, false
	}
	p.pid = pid
	p.parent, _ = strconv.Atoi(fields[1])
	p.exe, _ = os.Readlink(filepath.Join(dir, "exe"))
	p.cwd, _ = os.Readlink(filepath.Join(dir, "cwd"))
	line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	p.args = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	return p, true
}

// below is every process that comes from one of pid's, pid itself left out.
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

// workers are the running worker processes of the site, by name.
func (s *site) workers() map[string]program {
	named := map[string]program{}
	for _, p := range running(func(p program) bool { return p.exe == sirenPath && slices.Contains(p.args, "worker") }) {
		if i := slices.Index(p.args, "--name"); i >= 0 && i+1 < len(p.args) {
			named[p.args[i+1]] = p
		}
	}
	return named
}

// programs are the running media programs of a job; "" for those of all jobs of the site.
func (s *site) programs(job string) []program {
	scratch := filepath.Join(s.dir, "tmp") + "/"
	return running(func(p program) bool {
		return strings.HasPrefix(p.cwd, scratch) && (job == "" || strings.Contains(p.cwd, "/siren-"+job+"-"))
	})
}

// freeze stops the job's media program in the middle of its work, so that the job runs for as long as the test likes.
func (s *site) freeze(job string) (thaw func()) {
	s.t.Helper()
	var frozen program
	s.await("a program to work on job "+job, 60*time.Second, func() (bool, string) {
		for _, p := range s.programs(job) {
			if syscall.Kill(p.pid, syscall.SIGSTOP) == nil {
				frozen = p
				return true, ""
			}
		}
		r, err := s.client.Get(s.t.Context(), job)
		return false, fmt.Sprintf("%+v, %v", r, err)
	})
	return func() {
		if err := syscall.Kill(frozen.pid, syscall.SIGCONT); err != nil {
			s.t.Errorf("thaw job %s: its program is gone: %v", job, err)
		}
	}
}

// gone waits until none of the processes runs any more.
func gone(t *testing.T, what string, within time.Duration, pids ...program) {
	t.Helper()
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
