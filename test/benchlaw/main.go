// Command benchlaw plays the loads of docs/simulating.md through Siren's scaling law, with its defaults, and through
// the rivals in all their settings: `make bench-law`. All of them are counted in the same way, and all results are
// printed, those that Siren lost first. -law plays Siren alone; -save and -against compare a change of the law with
// what was before it. The folder of the Azure trace is named by SIREN_TRACES; without it the two
// loads that need it are left out.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/rival"
)

// options is the command line.
type options struct {
	seeds   int
	only    string
	all     bool
	law     bool
	save    string
	against string
	workers int
	colds   []time.Duration
}

func main() {
	o := options{colds: []time.Duration{2 * time.Second, 10 * time.Second, 60 * time.Second}}
	flag.IntVar(&o.seeds, "seeds", 8, "how many seeds of each load are played")
	flag.StringVar(&o.only, "load", "", "play only loads whose name has this in it")
	flag.BoolVar(&o.all, "all", true, "print the results of every setting too")
	flag.BoolVar(&o.law, "law", false, "play Siren alone: for a change of the law")
	flag.StringVar(&o.save, "save", "", "`FILE` to keep Siren's results in")
	flag.StringVar(&o.against, "against", "", "`FILE` of kept results: print what became better and worse since")
	flag.IntVar(&o.workers, "parallel", runtime.NumCPU(), "how many simulations run at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "benchlaw:", err)
		os.Exit(1)
	}
}

// cell is one load at one cold start, and how each contender did.
type cell struct {
	load    aLoad
	cold    time.Duration
	results []outcome // of Siren, of the bound, and then of the grid in its order
}

// outcome is how a contender did, over all seeds.
type outcome struct {
	rival.Contender
	cost      float64   // worker-seconds, the mean
	shares    []float64 // by lane: of the jobs that started within the objective
	hits      int
	starts    int
	jobs      []rivalJobs
	simulated int
}

// rivalJobs counts a lane's jobs.
type rivalJobs struct{ inTime, late int }

func (o *outcome) add(r *sim.Result) {
	o.cost += r.Total.WorkerSeconds()
	o.hits += r.Total.Hits
	o.starts += r.Total.Starts
	if o.jobs == nil {
		o.jobs = make([]rivalJobs, len(r.Lanes))
	}
	for i, l := range r.Lanes {
		o.jobs[i].inTime += l.InTime
		o.jobs[i].late += l.Late
		o.simulated += l.Ended
	}
}

func (o *outcome) finish(seeds int) {
	o.cost /= float64(seeds)
	for _, j := range o.jobs {
		share := 1.0
		if n := j.inTime + j.late; n > 0 {
			share = float64(j.inTime) / float64(n)
		}
		o.shares = append(o.shares, share)
	}
}

// worst returns the share of the lane that fared worst.
func (o outcome) worst() float64 { return slices.Min(o.shares) }

// met reports whether 95 % of each lane's jobs started in time.
func (o outcome) met() bool { return o.worst() >= 0.95 }

func run(ctx context.Context, o options, out io.Writer) error {
	began := time.Now()
	var cells []*cell
	for _, l := range loads() {
		if strings.Contains(l.name, o.only) {
			for _, cold := range o.colds {
				cells = append(cells, &cell{load: l, cold: cold})
			}
		}
	}
	if len(cells) == 0 {
		return fmt.Errorf("no load has %q in its name", o.only)
	}
	todo := make(chan *cell)
	var wait sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range max(1, o.workers) {
		wait.Go(func() {
			for c := range todo {
				if err := c.play(ctx, o.seeds, o.law); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
				fmt.Fprintf(os.Stderr, "%s at D = %s, %s after the beginning\n", c.load.name, c.cold,
					time.Since(began).Round(time.Second))
			}
		})
	}
	for _, c := range cells {
		todo <- c
	}
	close(todo)
	wait.Wait()
	if failed != nil {
		return failed
	}
	if !o.law {
		report{cells, o}.print(out)
	}
	if o.against != "" {
		if err := compare(out, o.against, cells); err != nil {
			return err
		}
	}
	if o.save != "" {
		return save(o.save, cells)
	}
	return nil
}

// play plays a cell with all contenders, or with Siren alone: the same jobs for each.
func (c *cell) play(ctx context.Context, seeds int, alone bool) error {
	p, err := c.load.policyOf(c.cold)
	if err != nil {
		return err
	}
	contenders := []rival.Contender{rival.Siren()}
	if !alone {
		contenders = append(append(contenders, rival.Bound()), rival.Grid(p.Budget)...)
	}
	for _, n := range contenders {
		c.results = append(c.results, outcome{Contender: n})
	}
	if c.load.seeds > 0 {
		seeds = min(seeds, c.load.seeds)
	}
	for seed := range uint64(seeds) {
		jobs, err := c.load.jobs(seed + 1)
		if err != nil {
			return err
		}
		for i, n := range contenders {
			config := sim.NewConfig(p, jobs(), c.load.lasts)
			config.Seed, config.Cold = seed+1, sim.Cold{Median: c.cold, CV: 0.2}
			r, err := n.Run(ctx, config, rival.Known{Service: c.load.service, Jobs: jobs})
			if err != nil {
				return err
			}
			c.results[i].add(r)
		}
	}
	for i := range c.results {
		c.results[i].finish(seeds)
	}
	return nil
}
