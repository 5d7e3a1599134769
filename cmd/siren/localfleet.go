package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// fleet is a scaler process with its workers as local processes.
type fleet struct {
	self      string // the siren that the workers are; "": this one
	policy    *lanes.Policy
	at        reach.Endpoints
	listen    string // "": no metrics and probes
	dir       string
	drain     time.Duration
	workerArg []string // more flags for the workers
	log       *slog.Logger
}

// runFleet runs the scaler until ctx ends, and then stops its workers: they drain first, unless a second signal says that
// they are to return their jobs at once.
func runFleet(ctx context.Context, f fleet) error {
	hurry, done := untilSecondSignal(ctx)
	defer done()
	store, err := f.at.Store(f.log)
	if err != nil {
		return err
	}
	defer store.Close()
	workers, err := procs.NewFleet(procs.FleetOptions{
		Pools: f.policy.PoolNames(), Command: f.command, Dir: f.dir, Log: f.log, Drain: f.drain,
	})
	if err != nil {
		return err
	}
	board := redis.NewBoard(store, f.log)
	election := redisElection{board, processName(), f.log}
	err = scalerProcess{
		name: election.name, policy: f.policy, store: store, board: board, fleet: workers, leading: election.leading,
		known:  (&queueMemory{board: board}).known,
		broker: func(name string) (*rabbit.Conn, error) { return f.at.Broker(store.Now, name, f.log) },
		listen: f.listen, log: f.log,
	}.run(ctx)
	election.resign(ctx)
	if ctx.Err() != nil { // told to stop: whatever that broke off is no failure
		err = nil
	}
	stop, cancel := context.WithTimeout(hurry, f.drain+10*time.Second)
	defer cancel()
	return errors.Join(err, workers.Stop(stop))
}

// command starts this same binary as a worker. The endpoints travel in the environment, since arguments are for all to see.
func (f fleet) command(pool, name string) *exec.Cmd {
	self := f.self
	if self == "" {
		self, _ = os.Executable()
	}
	args := append([]string{"worker", "--pool", pool, "--name", name, "--drain-timeout", f.drain.String()}, f.workerArg...)
	c := exec.Command(self, args...)
	c.Env = f.at.Environ()
	return c
}
