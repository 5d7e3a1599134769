// Command real plays a trace twice, on a real local fleet and in the simulator, and says how far apart they are: `make
// real`. Package replay has how; docs/simulating.md has what came of it.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/real/replay"
)

//go:embed siren.yaml
var policyYAML string

//go:embed trace.csv
var traceCSV string

// simulations of one run.
const simulations = 21

// options is the command line.
type options struct {
	siren, trace, picture string
	cold, lasts           time.Duration
	runs                  int
}

func main() {
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = o.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "real:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop: run has
	}
}

func parseOptions(args []string) (o options, err error) {
	f := flag.NewFlagSet("real", flag.ContinueOnError)
	f.StringVar(&o.siren, "siren", "bin/siren", "the binary that the workers are")
	f.StringVar(&o.trace, "trace", "", "another trace, as siren simulate reads it; its lanes are express, standard "+
		"and bulk")
	f.StringVar(&o.picture, "picture", "", "file to draw the fleets to, as SVG")
	f.DurationVar(&o.cold, "cold", 3*time.Second, "what a worker takes to start beyond what it needs anyway")
	f.DurationVar(&o.lasts, "for", 4*time.Minute, "how long a run lasts: the jobs must have ended by then")
	f.IntVar(&o.runs, "runs", 3, "real runs; each is also simulated")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.runs < 1 {
		return o, fmt.Errorf("-runs %d: at least one", o.runs)
	}
	o.siren, err = filepath.Abs(o.siren)
	return o, err
}

// pair is one run, as it was and as it was simulated.
type pair struct {
	real      replay.Outcome
	measured  replay.Measured
	simulated []replay.Outcome
}

func (o options) run(ctx context.Context) error {
	if _, err := os.Stat(o.siren); err != nil {
		return fmt.Errorf("%w: run `make build`, or say -siren", err)
	}
	if o.trace != "" {
		text, err := os.ReadFile(o.trace)
		if err != nil {
			return err
		}
		traceCSV = string(text)
	}
	var pairs []pair
	for i := range o.runs {
		fmt.Fprintf(os.Stderr, "run %d of %d, %s …\n", i+1, o.runs, o.lasts)
		p, err := o.once(ctx)
		if err != nil {
			return err
		}
		pairs = append(pairs, p)
		if err := table(os.Stdout, title(i, p), pairs[i:]); err != nil {
			return err
		}
	}
	if o.runs > 1 {
		if err := table(os.Stdout, fmt.Sprintf("\nthe means of all %d runs", o.runs), pairs); err != nil {
			return err
		}
	}
	if o.picture == "" {
		return nil
	}
	return os.WriteFile(o.picture, []byte(draw(pairs)), 0o644)
}

// once plays the trace on servers of its own, and in the simulator.
func (o options) once(ctx context.Context) (p pair, err error) {
	dir, err := os.MkdirTemp("", "siren-real-")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir)
	policy, err := lanes.Parse([]byte(strings.ReplaceAll(policyYAML, "@DIR@", dir)))
	if err != nil {
		return p, err
	}
	trace, err := load.NewTrace(strings.NewReader(traceCSV), policy)
	if err != nil {
		return p, err
	}
	jobs := load.List(trace)
	if err := trace.Err(); err != nil {
		return p, err
	}
	log := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})
	redis, err := servers.StartRedis(ctx, servers.Options{Log: slog.New(log)})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, redis.Stop(context.WithoutCancel(ctx))) }()
	rabbit, err := servers.StartRabbitMQ(ctx, servers.Options{Log: slog.New(log)})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, rabbit.Stop(context.WithoutCancel(ctx))) }()
	p.real, p.measured, err = replay.Real(ctx, replay.Ground{
		Siren: o.siren, AMQPURL: rabbit.URL, Redis: func(string) string { return redis.URL }, Dir: dir, Cold: o.cold,
		Log: log,
	}, policy, jobs, o.lasts)
	if err != nil {
		return p, err
	}
	p.simulated, err = replay.Simulate(ctx, policy, p.measured, o.lasts, simulations)
	return p, err
}
