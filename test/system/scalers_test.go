package system_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/test/processes"
)

// Two scalers with fleets of their own follow one policy. The one that leads has the workers; the other has none. When
// the leader hangs, the other takes over, and the workers of both together never are more than the budget.
func TestTwoScalers(t *testing.T) {
	const budget = 3
	s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], slots: 1, min: 2, max: 3}`)
	text, err := os.ReadFile(s.policy)
	s.must(err)
	text = []byte(strings.Replace(string(text), "budget: 4", fmt.Sprint("budget: ", budget), 1))
	s.must(os.WriteFile(s.policy, text, 0o644))
	first := s.scaler()
	second := s.start("second", "scaler", "--policy", s.policy, "--data", s.fleet()+"-2", "--drain-timeout", "5s")
	clip := s.put("clip.mp4")
	own := func(p *process) (n int) {
		running := s.workers()
		for _, w := range running {
			if w.Parent == p.cmd.Process.Pid {
				n++
			}
		}
		if len(running) > budget {
			t.Errorf("%d workers run at a budget of %d: %v", len(running), budget, running)
		}
		return n
	}
	have := func(what string, ofFirst, ofSecond int) {
		t.Helper()
		s.await(what, 60*time.Second, func() (bool, string) {
			a, b := own(first), own(second)
			return !t.Failed() && a == ofFirst && b >= ofSecond, fmt.Sprintf("%d and %d workers", a, b)
		})
	}
	have("the leader to have all workers", 2, 0)

	if !stop(processes.Process{PID: first.cmd.Process.Pid}) {
		t.Fatal("the first scaler is gone")
	}
	defer func() { _ = syscall.Kill(first.cmd.Process.Pid, syscall.SIGCONT) }()
	s.await("the second to lead, and to count the workers of the first", 60*time.Second, func() (bool, string) {
		own(second)
		pools, err := s.pools()
		p := pools["general"]
		table := s.siren("", "pools").out
		return err == nil && p.Others == 2 && p.Replicas+p.Others <= budget &&
			strings.Contains(table, fmt.Sprintf("%d+2", p.Replicas)), fmt.Sprintf("%+v, %v", p, err)
	})
	s.must(s.send(s.jobs("meanwhile", clip, 1)[0]))
	s.completed("meanwhile-0", 60*time.Second)
	s.must(syscall.Kill(first.cmd.Process.Pid, syscall.SIGCONT))
	have("the first to give its workers up", 0, 2)
	s.says(first, "another scaler leads")
	s.outlives("after-all", clip)
}
