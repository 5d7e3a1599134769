package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/polyglot-media/siren/test/wait"
)

// settleDown is how long a worker idles before its memory is read: a few heartbeats.
const settleDown = 2500 * time.Millisecond

// start measures one idle worker process: the time from its creation to its first heartbeat, and its resident memory.
func (b *bench) start(ctx context.Context) ([]figure, error) {
	first := figure{Name: "worker, exec to first heartbeat", Unit: "ms"}
	memory := figure{Name: "idle worker, resident memory", Unit: "MiB"}
	for run := range b.runs {
		b.say("start a worker, run %d of %d", run+1, b.runs)
		p, err := b.workerProcess(ctx)
		if err != nil {
			return nil, err
		}
		err = wait.Pause(ctx, settleDown)
		var resident float64
		if err == nil {
			resident, err = p.resident()
		}
		if stopped := p.stop(); err == nil {
			err = stopped
		}
		if err != nil {
			return nil, err
		}
		first.Siren, memory.Siren = append(first.Siren, millis(p.beatIn)), append(memory.Siren, resident)
	}
	return []figure{first, memory}, nil
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// resident returns the process's memory in MiB.
func (p *process) resident() (float64, error) {
	path := fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	m := residentLine.FindSubmatch(status)
	if m == nil {
		return 0, fmt.Errorf("%s has no VmRSS", path)
	}
	kib, err := strconv.ParseFloat(string(m[1]), 64)
	return kib / 1024, err
}
