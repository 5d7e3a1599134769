// Command faults breaks a small real fleet at random and checks what it promises, in the manner of Jepsen: `make
// faults`.
//
// Producers enqueue real media jobs and note each one that the broker confirmed, with the output that it must have.
// Meanwhile a nemesis kills, freezes, cuts, slows, fills and restarts whatever the fleet is made of, as a printed seed
// says. Then all is fixed, the fleet works off what is left, and a checker looks at every confirmed job: it has
// exactly one visible, correct output, or a dead letter with the reason that is expected of it, and there is nothing
// else.
//
// How the rooms hang together: run.go is the walk. workload and nemesis decide by the seed alone what is enqueued and
// what is broken, and when, and do it to a site. operators and waiters are people and programs at work meanwhile.
// witness looks on, and gathers what there is at the end into a history. verdict judges that, and knows no I/O.
//
// The seed decides the schedule of jobs and faults. Real processes and real time do the rest, so two runs with one seed
// differ. docs/reliability.md tells what is covered and what isn't.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/faults/nemesis"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/faults/verdict"
)

// options is the command line.
type options struct {
	duration  time.Duration // how long producers and nemesis are at work
	seed      uint64
	rate      float64  // jobs a second
	nodes     int      // of RabbitMQ; several: and a Redis with a replica and Sentinels
	queueType string   // broker.queueType of the policy; "": what is usual there
	only      []string // kinds of fault; empty: all
	calm      bool     // no nemesis
	output    string   // table or json
	siren     string   // the binary; "": it is built
	keep      bool     // the folder stays although nothing is wrong
	log       *slog.Logger
}

// whole is whether everything there is takes part: poisonous jobs, operators, and waves of jobs.
func (o options) whole() bool { return !o.calm && len(o.only) == 0 }

// site returns those that the site goes by.
func (o options) site() site.Options {
	return site.Options{QueueType: o.queueType, Clustered: o.nodes > 1, Siren: o.siren, Log: o.log}
}

func main() {
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		if code, done, failed := asRoot(o); done {
			os.Exit(code)
		} else if failed != nil {
			err = failed
		}
	}
	var r verdict.Report
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		r, err = run(ctx, o)
	}
	if err == nil {
		err = r.Print(os.Stdout, o.output)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2) //nolint:gocritic // nothing is left to stop: run has
	}
	if len(r.Violations) > 0 {
		os.Exit(1)
	}
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("faults", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.DurationVar(&o.duration, "duration", 5*time.Minute, "how long jobs come and things break")
	f.Uint64Var(&o.seed, "seed", 0, "of the schedule (0: a new one, printed)")
	f.Float64Var(&o.rate, "rate", 3, "jobs a second")
	f.IntVar(&o.nodes, "nodes", 1, "1, or 3: a RabbitMQ of three nodes, and a Redis with a replica and Sentinels")
	f.StringVar(&o.queueType, "queue-type", "", "classic or quorum (default classic; on three nodes quorum)")
	only := f.String("only", "", "kinds of fault, with commas between them (default all)")
	f.BoolVar(&o.calm, "calm", false, "break nothing")
	f.StringVar(&o.output, "o", "table", "table or json")
	f.StringVar(&o.siren, "siren", "", "the siren binary to test (default: it is built)")
	f.BoolVar(&o.keep, "keep", false, "keep the folder with logs and outputs although nothing is wrong")
	f.Usage = func() {
		fmt.Fprintln(stderr, "Break a small real fleet at random, and check that no confirmed job is lost and no "+
			"result is duplicate.")
		f.PrintDefaults()
		fmt.Fprintln(stderr, "Kinds of fault:")
		told := map[string]bool{}
		for _, name := range append(nemesis.KindNames(false), nemesis.KindNames(true)...) {
			if !told[name] {
				fmt.Fprintf(stderr, "  %-20s %s\n", name, nemesis.About(name))
			}
			told[name] = true
		}
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	o.log = slog.New(slog.NewTextHandler(stderr, nil))
	return o, o.check()
}

func (o *options) check() error {
	kinds := nemesis.KindNames(o.nodes > 1)
	for _, name := range o.only {
		if !slices.Contains(kinds, name) {
			return fmt.Errorf("-only %q: with -nodes %d there are %s", name, o.nodes, strings.Join(kinds, ", "))
		}
	}
	if o.queueType == "" {
		o.queueType = lanes.Classic
		if o.nodes > 1 {
			o.queueType = lanes.Quorum
		}
	}
	switch {
	case o.nodes != 1 && o.nodes != len(site.NodeNames):
		return fmt.Errorf("-nodes %d: say 1 or %d", o.nodes, len(site.NodeNames))
	case o.nodes > 1 && o.queueType == lanes.Classic:
		return errors.New("-queue-type classic: such a queue is on one of the nodes only, and away with it")
	case o.duration < time.Second:
		return fmt.Errorf("-duration %s: give at least 1s", o.duration)
	case o.rate <= 0 || o.rate > 50:
		return fmt.Errorf("-rate %g: above 0, and at most 50", o.rate)
	case o.queueType != lanes.Classic && o.queueType != lanes.Quorum:
		return fmt.Errorf("-queue-type %q: say classic or quorum", o.queueType)
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("-o %q: say table or json", o.output)
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	return nil
}
