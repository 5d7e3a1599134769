package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// metered is how often a running program's computing is looked at.
const metered = 500 * time.Millisecond

// tick is what the kernel counts it in, in /proc: USER_HZ, the same on all of Go's Linux ports.
const tick = 10 * time.Millisecond

// meter counts how long the programs of an attempt compute.
type meter struct {
	mu    sync.Mutex
	ended time.Duration // those that have ended
}

// run runs a program, and tells how long all have computed by now: while it runs, as far as the kernel says, and when
// it has ended.
func (m *meter) run(cmd *exec.Cmd, tell func(time.Duration)) error {
	if tell == nil {
		return cmd.Run()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done, silent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(silent)
		m.watch(cmd.Process.Pid, done, tell)
	}()
	err := cmd.Wait()
	close(done)
	<-silent
	m.mu.Lock()
	if state := cmd.ProcessState; state != nil {
		m.ended += state.UserTime() + state.SystemTime()
	}
	total := m.ended
	m.mu.Unlock()
	tell(total)
	return err
}

// watch tells it every now and then until done.
func (m *meter) watch(pid int, done <-chan struct{}, tell func(time.Duration)) {
	ticker := time.NewTicker(metered)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		if running, ok := computed(pid); ok {
			m.mu.Lock()
			total := m.ended + running
			m.mu.Unlock()
			tell(total)
		}
	}
}

// computed returns how long a process has computed: utime and stime of proc_pid_stat(5), its 14th and 15th fields.
func computed(pid int) (time.Duration, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, behind, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")) // a name may hold blanks
	fields := bytes.Fields(behind)
	if err != nil || !found || len(fields) < 13 {
		return 0, false
	}
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			return 0, false
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, true
}
