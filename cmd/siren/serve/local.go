package serve

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/serve/upkeep"
	"github.com/polyglot-media/siren/internal/procs/localfleet"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// Local is a scaler process with its workers as local processes.
type Local struct {
	Self       string // the siren that the workers are; "": this one
	Version    string // of siren
	Policy     *lanes.Policy
	At         reach.Endpoints // for the scaler
	Workers    reach.Endpoints // for the workers
	Listen     string          // address of metrics and probes; "": there are none
	Dir        string          // for the workers' logs; "": a temporary one
	Drain      time.Duration   // how long the workers' running jobs may go on once ctx has ended
	WorkerArgs []string        // more flags for the workers
	Log        *slog.Logger
	Draining   func(Draining) // told what the end waits for, each time that it changes; nil: nobody is
}

// Run runs the scaler until ctx ends, and then stops its workers: they drain first, unless a second signal says that
// they are to return their jobs at once.
func (f Local) Run(ctx context.Context) error {
	hurry, done := untilSecondSignal(ctx)
	defer done()
	store, err := f.At.Store(f.Log)
	if err != nil {
		return err
	}
	defer store.Close()
	workers, err := localfleet.New(localfleet.Options{
		Pools: f.Policy.PoolNames(), Command: f.command, Dir: f.Dir, Log: f.Log, Drain: f.Drain,
	})
	if err != nil {
		return err
	}
	board := redis.NewBoard(store, f.Log)
	election := redisElection{board, processName(), f.Log}
	err = scalerProcess{
		name: election.name, version: f.Version, policy: f.Policy, store: store, board: board, fleet: workers,
		leading: func(ctx context.Context) (bool, error) {
			leads, err := election.leading(ctx)
			if err != nil || leads {
				return leads, err
			}
			if n := workers.Yield(); n > 0 {
				f.Log.Warn("another scaler leads: the workers of this one drain and stop", "workers", n)
			}
			return false, nil
		},
		known:  (&upkeep.QueueMemory{Board: board}).Known,
		broker: func(name string) (*rabbitlink.Conn, error) { return f.At.Broker(store.Now, name, f.Log) },
		listen: f.Listen, log: f.Log,
	}.run(ctx)
	election.resign(ctx)
	if ctx.Err() != nil { // told to stop: whatever that broke off is no failure
		err = nil
	}
	stop, cancel := context.WithTimeout(hurry, f.Drain+10*time.Second)
	defer cancel()
	if f.Draining != nil {
		defer f.tellDraining(hurry, redis.NewRoster(store, f.Log), workers)()
	}
	return errors.Join(err, workers.Stop(stop))
}

// command starts this same binary as a worker. The endpoints travel in the environment, since arguments are for all to
// see.
func (f Local) command(pool, name string) *exec.Cmd {
	self := f.Self
	if self == "" {
		self, _ = os.Executable()
	}
	args := append([]string{"worker", "--pool", pool, "--name", name, "--drain-timeout", f.Drain.String()},
		f.WorkerArgs...)
	c := exec.Command(self, args...)
	c.Env = f.Workers.Environ()
	return c
}

// leadFor is how long a scaler leads without saying so again.
const leadFor = 10 * time.Second

// redisElection lets the scalers of one Redis elect their leader there.
type redisElection struct {
	board *redis.Board
	name  string
	log   *slog.Logger
}

func (e redisElection) leading(ctx context.Context) (bool, error) {
	return e.board.Lead(ctx, e.name, leadFor)
}

// resign lets another scaler lead at once.
func (e redisElection) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := e.board.Resign(ctx, e.name); err != nil {
		e.log.Debug("resign", "error", err)
	}
}
