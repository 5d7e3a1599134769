package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/ops"
	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler"
)

func newScaler(a *app) *cobra.Command {
	var policyFile, listen, data string
	var drain time.Duration
	c := &cobra.Command{
		Use:   "scaler --policy FILE",
		Short: "Publish the policy, size the pools, and bring retries back",
		Long: `Watch the lanes and size the pools as the policy says. The workers are local
processes of this one. Each scaler process also forwards the jobs whose retry is due.`,
		Example: "  SIREN_AMQP_URL=amqp://… SIREN_REDIS_URL=redis://… siren scaler --policy siren.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			policy, err := lanes.Load(policyFile)
			if err != nil {
				return err
			}
			log, err := a.logger(slog.LevelInfo)
			if err != nil {
				return err
			}
			amqpURL, redisURL, err := a.urls()
			if err != nil {
				return err
			}
			return runFleet(cmd.Context(), fleet{
				policy: policy, amqpURL: amqpURL, redisURL: redisURL, listen: listen, dir: data, drain: drain, log: log,
			})
		},
	}
	f := c.Flags()
	f.StringVar(&policyFile, "policy", "", "policy file (required)")
	f.StringVar(&listen, "listen", "127.0.0.1:0", "address of /metrics, /livez and /readyz; port 0 is any free one")
	f.StringVar(&data, "data", "", "folder for the workers' logs (default a temporary one)")
	f.DurationVar(&drain, "drain-timeout", 30*time.Second, "how long a worker's jobs may go on after it was told to stop")
	_ = c.MarkFlagRequired("policy")
	return c
}

// fleet is a scaler process with its workers as local processes.
type fleet struct {
	self      string // the siren that the workers are; "": this one
	policy    *lanes.Policy
	amqpURL   string
	redisURL  string
	listen    string // "": no metrics and probes
	dir       string
	drain     time.Duration
	workerArg []string // more flags for the workers
	log       *slog.Logger
}

// processName is unique among all processes of all machines.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// leadFor is how long a scaler leads without saying so again.
const leadFor = 10 * time.Second

// runFleet runs the scaler until ctx ends, and then stops its workers: they drain first, unless a second signal says that
// they are to return their jobs at once.
func runFleet(ctx context.Context, f fleet) error {
	hurry, done := untilSecondSignal(ctx)
	defer done()
	store, err := redis.Open(f.redisURL, f.log)
	if err != nil {
		return exit(exitUsage, err)
	}
	defer store.Close()
	workers, err := procs.NewFleet(procs.FleetOptions{
		Pools: poolList(f.policy), Command: f.command, Dir: f.dir, Log: f.log, Drain: f.drain,
	})
	if err != nil {
		return err
	}
	err = runScaler(ctx, scalerProcess{
		policy: f.policy, amqpURL: f.amqpURL, store: store, fleet: workers, listen: f.listen, log: f.log,
	})
	if ctx.Err() != nil { // told to stop: whatever that broke off is no failure
		err = nil
	}
	stop, cancel := context.WithTimeout(hurry, f.drain+10*time.Second)
	defer cancel()
	return errors.Join(err, workers.Stop(stop))
}

// command starts this same binary as a worker. The URLs travel in the environment, since arguments are for all to see.
func (f fleet) command(pool, name string) *exec.Cmd {
	self := f.self
	if self == "" {
		self, _ = os.Executable()
	}
	args := append([]string{"worker", "--pool", pool, "--name", name, "--drain-timeout", f.drain.String()}, f.workerArg...)
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), "SIREN_AMQP_URL="+f.amqpURL, "SIREN_REDIS_URL="+f.redisURL)
	return c
}

func poolList(p *lanes.Policy) []string {
	names := make([]string, len(p.Pools))
	for i, q := range p.Pools {
		names[i] = q.Name
	}
	return names
}

// scalerProcess is what every scaler runs, whatever its fleet is made of: the loop, the delay forwarder, the sweeping of
// expired records, metrics and probes.
type scalerProcess struct {
	policy  *lanes.Policy
	amqpURL string
	store   *redis.Store
	fleet   scaler.Fleet
	listen  string
	log     *slog.Logger
}

func runScaler(ctx context.Context, s scalerProcess) error {
	conns := map[string]*rabbit.Conn{}
	for _, name := range []string{"topology", "backlog", "forwarder", "forwarder (publish)"} {
		c, err := rabbit.Open(rabbit.Options{URL: s.amqpURL, Name: "scaler " + name, Log: s.log})
		if err != nil {
			return exit(exitUsage, err)
		}
		defer c.Close()
		conns[name] = c
	}
	registry := newRegistry()
	if s.listen != "" {
		server, err := ops.Listen(s.listen, ops.Handler(registry, alive, readyOnce(conns["topology"])), s.log)
		if err != nil {
			return err
		}
		defer stopServer(server)
		s.log.Info("metrics and probes", "address", server.Addr)
	}
	board := redis.NewBoard(s.store, s.log)
	if err := s.declare(ctx, conns["topology"], board); err != nil {
		return err
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return rabbit.Forward(ctx, conns["forwarder"], rabbit.NewPublisher(conns["forwarder (publish)"], 0))
	})
	ledger := redis.NewLedger(s.store, s.log)
	ledger.SetPolicy(s.policy)
	group.Go(func() error { return sweep(ctx, ledger, s.log) })
	name := processName()
	defer s.resign(ctx, board, name)
	loop := scaler.New(s.options(name, registry, conns["backlog"], board, ledger))
	group.Go(func() error { return loop.Run(ctx) })
	return group.Wait()
}

// resign lets another scaler lead at once.
func (s scalerProcess) resign(ctx context.Context, board *redis.Board, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := board.Resign(ctx, name); err != nil {
		s.log.Debug("resign", "error", err)
	}
}

func (s scalerProcess) options(name string, r prometheus.Registerer, backlog *rabbit.Conn, board *redis.Board, ledger *redis.Ledger) scaler.Options {
	return scaler.Options{
		Name: name, Policy: s.policy,
		Backlog: rabbit.NewBacklog(backlog), Roster: redis.NewRoster(s.store, s.log), Board: board, Fleet: s.fleet,
		Retries: func(ctx context.Context, lane string) (scaler.Retries, error) {
			n, next, err := ledger.Retrying(ctx, lane)
			return scaler.Retries{Count: n, Next: next}, err
		},
		Leading: func(ctx context.Context) (bool, error) { return board.Lead(ctx, name, leadFor) },
		Known:   func(ctx context.Context) ([]string, error) { return board.KnownLanes(ctx, s.policy.LaneNames()...) },
		Log:     s.log, Metrics: scaler.NewMetrics(r),
	}
}

// declare makes the broker's queues and exchanges as the policy says, once the broker is there.
func (s scalerProcess) declare(ctx context.Context, c *rabbit.Conn, board *redis.Board) error {
	known, err := board.KnownLanes(ctx, s.policy.LaneNames()...)
	if err != nil {
		s.log.Warn("can't tell which lanes there were before; those that left the policy are not served until this is known", "error", err)
	}
	for said := false; ; {
		err := rabbit.Declare(ctx, c, s.policy, formerLanes(s.policy, known))
		var mismatch *rabbit.MismatchError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &mismatch), ctx.Err() != nil:
			return err
		case !said:
			s.log.Warn("declare the queues; trying again until the broker answers", "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// formerLanes is those of known that the policy doesn't have any more.
func formerLanes(p *lanes.Policy, known []string) []string {
	var former []string
	for _, k := range known {
		if _, ok := p.Lane(k); !ok {
			former = append(former, k)
		}
	}
	return former
}

// sweep removes what expired records leave in the ledger's indexes, once a minute.
func sweep(ctx context.Context, ledger *redis.Ledger, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Minute):
		}
		if _, err := ledger.Sweep(ctx); err != nil {
			log.Debug("sweep the ledger", "error", err)
		}
	}
}
