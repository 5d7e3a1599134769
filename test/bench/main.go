// Command bench measures what Siren adds to RabbitMQ, and whether lower lanes really pull over: `make bench`.
//
//	publish  jobs with confirms, beside the raw client library
//	take     no-op jobs through take, claim, complete and settle, beside raw get and raw push
//	express  from publish to start, with idle and with busy lower slots
//	nice     run time of express jobs beside bulk transcodes
//	scaler   a tick of the scaler with 1,000 lanes and 10,000 workers: CPU time and memory
//	start    what an idle worker process costs, and how soon it is there
//	tune     how soon a live tuning is in force and followed, under load
//	forecast how good the predicted starts of waiting jobs are
//	media    a job of each kind beside the bare commands that it runs
//	gateway  jobs over HTTP, singly and by the thousand, beside those by AMQP
//	many     lists and bulk verbs on fifty thousand jobs: time, and what is asked of Redis
//	hung     waits by lane when the leader of one lane's queue hangs, on three nodes, beside a raw push consumer
//	rolling  how soon each worker goes on, and who gets the jobs, as three nodes restart in turn
//
// Each figure is the median of so many runs; a ratio is the median of the runs' own ratios, since whatever it is
// compared with is measured in the same run, just before or after. It all happens on a private RabbitMQ and Redis,
// which end with it (stand). walk has the first five, handle media, command the others, yardstick what they are
// compared with, report the figures. docs/benchmarks.md tells how to read the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/test/bench/command"
	"github.com/polyglot-media/siren/test/bench/handle"
	"github.com/polyglot-media/siren/test/bench/nodes"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/bench/tick"
	"github.com/polyglot-media/siren/test/bench/walk"
)

// parts are what can be measured, in this order.
var parts = []struct {
	name    string
	measure func(context.Context, *stand.Bench) ([]report.Figure, error)
}{
	{"publish", walk.Publish},
	{"take", walk.Take},
	{"express", walk.Express},
	{"nice", walk.Nice},
	{"start", walk.Start},
	{"scaler", tick.Scaler},
	{"tune", command.Tune},
	{"forecast", command.Forecast},
	{"gateway", command.Gateway},
	{"many", command.Many},
	{"media", handle.Media},
	{"hung", nodes.Hung},
	{"rolling", nodes.Rolling},
}

// options is the command line.
type options struct {
	only    []string
	output  string
	profile string
	stand   stand.Options
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	was, err := tick.Child(ctx)
	if !was {
		var o options
		if o, err = parseOptions(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
			return
		}
		if err == nil {
			err = run(ctx, o)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop: run has
	}
}

func parseOptions(args []string) (options, error) {
	var o options
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", strings.Join(names, ","), "what to measure")
	f.IntVar(&o.stand.Runs, "runs", 5, "runs of each measurement; the figures are medians")
	f.StringVar(&o.output, "o", "table", "table or json")
	f.StringVar(&o.stand.Siren, "siren", "bin/siren", "the siren binary whose workers are measured")
	f.StringVar(&o.stand.Samples, "samples", "", "write each forecast, with what became of it, to a file as JSON")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of this process (clients and in-process workers) "+
		"to a file")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.only = strings.Split(*only, ",")
	for _, name := range o.only {
		if !slices.Contains(names, name) {
			return o, fmt.Errorf("-only %q: there is %s", name, strings.Join(names, ", "))
		}
	}
	if o.output != "table" && o.output != "json" {
		return o, fmt.Errorf("-o %q: say table or json", o.output)
	}
	if o.stand.Runs < 1 {
		return o, fmt.Errorf("-runs %d: at least one", o.stand.Runs)
	}
	return o, nil
}

// run measures and prints. Nothing that it started is left when it returns.
func run(ctx context.Context, o options) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(3+6*o.stand.Runs)*time.Minute,
		errors.New("it takes far longer than it should"))
	defer cancel()
	r := report.Report{Machine: report.ThisMachine(), Runs: o.stand.Runs}
	b, err := stand.Open(ctx, o.stand)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	r.Figures, err = measure(ctx, b, o.only)
	if len(r.Figures) == 0 {
		return err
	}
	return errors.Join(r.Print(os.Stdout, o.output), err) // what was measured before an error is true all the same
}

// measure measures the parts that were asked for.
func measure(ctx context.Context, b *stand.Bench, only []string) ([]report.Figure, error) {
	var all []report.Figure
	for _, p := range parts {
		if !slices.Contains(only, p.name) {
			continue
		}
		figures, err := p.measure(ctx, b)
		switch {
		case ctx.Err() != nil:
			return all, context.Cause(ctx)
		case err != nil:
			return all, fmt.Errorf("measure %s: %w", p.name, err)
		}
		all = append(all, figures...)
	}
	return all, nil
}
