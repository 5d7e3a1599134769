package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/polyglot-media/siren/internal/procs/localfleet"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// process is one real `siren worker`.
type process struct {
	fleet  *localfleet.Fleet
	cmd    *exec.Cmd     // started by the fleet
	beatIn time.Duration // from its creation to its first heartbeat
}

// workerProcess starts one and returns at its first heartbeat. The fleet sees to its end, whatever happens to us.
func (b *bench) workerProcess(ctx context.Context, flags ...string) (p *process, err error) {
	p = &process{}
	command := func(pool, name string) *exec.Cmd {
		args := []string{
			"worker", "--pool", pool, "--name", name, "--drain-timeout", "0s", "--scratch",
			filepath.Join(b.dir, "scratch"),
		}
		p.cmd = exec.Command(b.siren, append(args, flags...)...)
		p.cmd.Env = append(os.Environ(), "SIREN_AMQP_URL="+b.amqpURL, "SIREN_REDIS_URL="+b.redisURL)
		return p.cmd
	}
	p.fleet, err = localfleet.New(localfleet.Options{
		Pools: []string{pool}, Command: command, Log: b.log,
		Drain: time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx, redis.NewRoster(b.store, b.log)); err != nil {
		_ = p.stop()
		return nil, err
	}
	return p, nil
}

func (p *process) await(ctx context.Context, roster *redis.Roster) error {
	if err := p.fleet.Scale(ctx, pool, fleet.PoolState{Version: "0"}, 1, nil); err != nil {
		return err
	}
	return await(ctx, 30*time.Second, "a worker's first heartbeat", func() (bool, error) {
		workers, _, err := roster.Workers(ctx)
		if err != nil {
			return false, err
		}
		pools, err := p.fleet.Pools(ctx)
		if err != nil {
			return false, err
		}
		for _, m := range pools[pool].Members {
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
