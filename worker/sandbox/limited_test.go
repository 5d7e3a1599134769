package sandbox

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/work"
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
	for _, c := range []struct{ own, lane, want string }{
		{"0", "0", "0"},
		{"0", "9", "9"},
		{"0", "19", "19"},
		{"10", "0", "10"},
		{"10", "9", "14"},
		{"10", "19", "19"},
		{"19", "9", "19"},
	} {
		out, err := exec.Command("nice", "-n", c.own, os.Args[0], "run-limited", "--nice", c.lane, "--",
			"nice").CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("worker at nice %s, lane at %s: the program runs at %q (%v), want %s", c.own, c.lane, got, err,
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
