package simulatecmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
)

// loadFlags are the flags that say which jobs come.
type loadFlags struct {
	trace, pattern, spread, shares string
	rate                           float64
	service, period                time.Duration
	parts                          int
}

func (l *loadFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&l.trace, "trace", "", "CSV `FILE` of jobs")
	app.OneOf(c, &l.pattern, "pattern", "", "`PATTERN` by which jobs come", load.Patterns()...)
	f.Float64Var(&l.rate, "rate", 1, "`JOBS` a second; of square, while it is on; of flash, between its bursts")
	f.DurationVar(&l.service, "service", 10*time.Second, "`TIME` that a job runs, the mean")
	l.spread = string(load.Exponential)
	app.OneOf(c, &l.spread, "spread", "", "`SPREAD` of that", string(load.Exponential), string(load.Fixed),
		string(load.Lognormal))
	f.DurationVar(&l.period, "period", 10*time.Minute, "`TIME` after which flash, square, diurnal and batch repeat")
	f.StringVar(&l.shares, "lanes", "", "`PARTS` of the jobs by lane, as express=0.1; the default lane has the rest")
	f.IntVar(&l.parts, "parts", 0, "`NUMBER` of jobs that each job is split into, and joined from")
	app.CompleteFlag(c, "trace", app.Files("csv"))
}

// patterned are the flags that say how a pattern is: a trace says all of it itself.
var patterned = []string{"rate", "service", "spread", "period", "lanes", "parts"}

func (l *loadFlags) check(given *pflag.FlagSet) error {
	var beside []string
	for _, name := range patterned {
		if l.trace != "" && given.Changed(name) {
			beside = append(beside, "--"+name)
		}
	}
	switch {
	case l.trace == "" && l.pattern == "":
		return errors.New("no load: give --trace FILE, or --pattern with --rate and --service")
	case l.trace != "" && l.pattern != "":
		return errors.New("two loads: give --trace or --pattern")
	case len(beside) > 0:
		return fmt.Errorf("%s: of a --pattern; a --trace says itself when its jobs come, how long they run and "+
			"to which lanes", strings.Join(beside, ", "))
	case l.parts < 0 || l.parts > 10000:
		return fmt.Errorf("--parts: %d are no parts: give a number from 0 to 10000", l.parts)
	}
	return nil
}

// jobs is a load that can be played again and again.
type jobs struct {
	open    func(p *lanes.Policy) (*opened, error)
	says    string
	lasts   time.Duration
	service time.Duration // the mean
	// Of a trace: how many there are, how long they run in all, and how long workers took to start where it was
	// recorded; 0: it doesn't say.
	n          int
	work, cold time.Duration
	start      time.Time // of one whose times are dates; zero: it doesn't say
}

// opened is a load that is being played.
type opened struct {
	sim.Source
	file  io.Closer
	trace *load.Trace
}

func (o *opened) close() {
	if o.file != nil {
		o.file.Close()
	}
}

// err returns what was wrong with the trace.
func (o *opened) err() error {
	if o.trace == nil {
		return nil
	}
	return o.trace.Err()
}

// of returns the load that the flags name. bounded is whether somebody said how long it is played.
func (l *loadFlags) of(p *lanes.Policy, seed uint64, lasts time.Duration, bounded bool) (jobs, error) {
	if l.trace != "" {
		return l.ofTrace(p, lasts, bounded)
	}
	j := jobs{lasts: lasts, service: l.service, says: fmt.Sprintf("%s of %s at %g jobs/s, %s each",
		say.Span(lasts), l.pattern, l.rate, lanes.Duration(l.service))}
	made := func(p *lanes.Policy) (load.Made, error) {
		shares, err := load.ParseShares(l.shares, p.LaneNames(), p.DefaultLane())
		if err != nil {
			return load.Made{}, fmt.Errorf("--lanes: %w", err)
		}
		m := load.Made{
			Pattern: load.Pattern(l.pattern), Rate: l.rate, Period: l.period, Service: l.service,
			Spread: load.Spread(l.spread), Shares: shares, For: lasts, Seed: seed, Parts: l.parts,
		}
		return m, m.Check()
	}
	if _, err := made(p); err != nil {
		return j, exit.With(exit.Usage, err)
	}
	j.open = func(p *lanes.Policy) (*opened, error) {
		m, err := made(p)
		if err != nil {
			return nil, err
		}
		return &opened{Source: m.Jobs()}, nil
	}
	return j, nil
}

// after is how long a trace is played after its last job has come. It doesn't go on until the jobs have ended: policies
// would pay for times of different lengths, and for an idle fleet beside the last of a long job.
const after = time.Minute

// ofTrace reads the trace once: so that a fault in its last line is told at once, and what is known beforehand is.
func (l *loadFlags) ofTrace(p *lanes.Policy, lasts time.Duration, bounded bool) (jobs, error) {
	j := jobs{lasts: lasts, open: l.openTrace}
	o, err := l.openTrace(p)
	if err != nil {
		return j, err
	}
	defer o.close()
	last := time.Duration(0)
	for {
		job, ok := o.Next()
		if !ok {
			break
		}
		j.n, j.work, last = j.n+1, j.work+job.Service, job.At
	}
	if err := o.err(); err != nil {
		return j, fmt.Errorf("%s: %w", l.trace, err)
	}
	if j.n == 0 {
		return j, fmt.Errorf("%s has no jobs after its first line", l.trace)
	}
	if !bounded {
		j.lasts = last + after
	}
	j.service, j.cold, j.start = j.work/time.Duration(j.n), o.trace.Cold, o.trace.Began()
	j.says = fmt.Sprintf("%s of %s", say.Span(j.lasts), filepath.Base(l.trace))
	return j, nil
}

func (l *loadFlags) openTrace(p *lanes.Policy) (*opened, error) {
	f, err := os.Open(l.trace)
	if err != nil {
		return nil, fmt.Errorf("read the trace: %w", err)
	}
	t, err := load.NewTrace(f, p)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", l.trace, err)
	}
	return &opened{Source: t, file: f, trace: t}, nil
}
