package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

func TestRunLimitedRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--nice", "3"}, "no program"},
		{[]string{"--wat", "3", "--", "true"}, "wat"},
		{[]string{"--", "no-such-program"}, "no-such-program"},
	} {
		if err := RunLimited(c.args); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.args, err, c.says)
		}
	}
	if got := cpuSeconds(work.Limits{MaxRuntime: 10 * time.Second}); got != int64(10*runtime.NumCPU()) {
		t.Errorf("CPU seconds without a thread limit: %d", got)
	}
}

// A worker that was itself started at a lower priority can't raise it: its lanes divide what is left.
func TestPullingOverFromALowerPriority(t *testing.T) {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	workertest.Must(t, err)
	ours := 20 - raw // the test may have been started at a lower priority, too
	for _, c := range []struct{ own, lane, want int }{
		{0, 0, 0},
		{0, 9, 9},
		{0, 19, 19},
		{10, 0, 10},
		{10, 9, 14},
		{10, 19, 19},
		{19, 9, 19},
	} {
		if c.own < ours {
			t.Logf("no worker at nice %d can be started from nice %d", c.own, ours)
			continue
		}
		out, err := exec.Command("nice", "-n", fmt.Sprint(c.own-ours), os.Args[0], "run-limited", "--nice",
			fmt.Sprint(c.lane), "--", "nice").CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != fmt.Sprint(c.want) {
			t.Errorf("worker at nice %d, lane at %d: the program runs at %q (%v), want %d", c.own, c.lane, got, err,
				c.want)
		}
	}
}

// A launcher that dies before it becomes the program says nothing about the input: the job is tried again.
func TestLauncherDies(t *testing.T) {
	limits := work.Limits{Memory: 640 << 20}
	died := exec.Command("false").Run()
	expect(t, explain(limits, "ffprobe", died, "fatal error: runtime: out of memory\n"), work.Transient,
		"run-limited died")
	expect(t, explain(limits, "ffmpeg", died, "[libx264 @ 0x55d0c0] malloc of size 1500068 failed\n"), work.OverLimit,
		"memory of 640Mi")
	expect(t, explain(limits, "ffmpeg", died, "Error initializing output stream 0:0 -- Error while opening encoder "+
		"for output stream #0:0 - maybe incorrect parameters\n"),
		work.OverLimit, "memory of 640Mi")
}
