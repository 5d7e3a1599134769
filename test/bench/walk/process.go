package walk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/polyglot-media/siren/internal/procs/localfleet"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/wait"
)

// process is one real `siren worker`.
type process struct {
	fleet  *localfleet.Fleet
	cmd    *exec.Cmd     // started by the fleet
	beatIn time.Duration // from its creation to its first heartbeat
}

// workerProcess starts one and returns at its first heartbeat. The fleet sees to its end, whatever happens to us.
func workerProcess(ctx context.Context, b *stand.Bench, flags ...string) (p *process, err error) {
	p = &process{}
	command := func(pool, name string) *exec.Cmd {
		args := []string{
			"worker", "--pool", pool, "--name", name, "--drain-timeout", "0s", "--scratch",
			filepath.Join(b.Dir, "scratch"),
		}
		p.cmd = b.Command(context.Background(), append(args, flags...)...)
		return p.cmd
	}
	p.fleet, err = localfleet.New(localfleet.Options{
		Pools: []string{stand.Pool}, Command: command, Log: b.Log,
		Drain: time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx, redis.NewRoster(b.Store, b.Log)); err != nil {
		_ = p.stop()
		return nil, err
	}
	return p, nil
}

func (p *process) await(ctx context.Context, roster *redis.Roster) error {
	if err := p.fleet.Scale(ctx, stand.Pool, fleet.PoolState{Version: "0"}, 1, nil); err != nil {
		return err
	}
	return wait.Until(ctx, 30*time.Second, "a worker's first heartbeat", func() (bool, error) {
		workers, _, err := roster.Workers(ctx)
		if err != nil {
			return false, err
		}
		pools, err := p.fleet.Pools(ctx)
		if err != nil {
			return false, err
		}
		for _, m := range pools[stand.Pool].Members {
			if m.Stuck != "" {
				return false, fmt.Errorf("it doesn't start: %s", m.Stuck)
			}
			for _, w := range workers {
				if w.Worker == m.Name {
					p.beatIn = w.At.Sub(m.CreatedAt) // both clocks are this machine's
					return true, nil
				}
			}
		}
		return false, nil
	})
}

// stop ends the worker; what it runs goes back to its lane.
func (p *process) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	return p.fleet.Stop(ctx)
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
