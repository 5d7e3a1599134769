// Package simulatecmd is `siren simulate`: what a policy would make of a load, played through the scaler's own
// decisions in internal/sim; other scalers and another policy beside it.
package simulatecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/simulatecmd/page"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/internal/sim/rival"
	"github.com/polyglot-media/siren/lanes"
)

// command is what the flags say.
type command struct {
	app     *app.App
	show    show.Listing
	policy  string // file; "": the one in force
	against string // file of another policy
	compare bool
	html    string
	lasts   time.Duration
	start   string
	seed    uint64
	load    loadFlags
	cold    sim.Cold
	grace   time.Duration
	known   sim.Predicted
	faults  sim.Faults
}

// New makes `siren simulate`.
func New(a *app.App) *cobra.Command {
	s := command{app: a}
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Play a load through a policy, without a fleet",
		Long: `Play a load through a policy, much faster than it would take: with the decisions of the real
scaler, and with queues, workers and a cluster that are simulated. It says how long the jobs of
each lane waited, and what the fleet cost. The same seed gives the same result.

The load is a trace, a CSV whose first line names its columns: time (seconds, or dates), service
(the seconds that the job runs), and lane or labels (urgent=true;tier=premium). Or it is a pattern.

A trace is played until a minute after its last job has come, whatever the policy, so that all pay
for the same time; what hasn't ended then is said, and --for plays on.`,
		Example: `  siren simulate --policy siren.yaml --pattern flash --rate 0.5 --service 5s
  siren simulate --policy siren.yaml --trace jobs.csv --html simulation.html
  siren simulate --policy siren.yaml --pattern poisson --rate 3 --compare
  siren simulate --policy new.yaml --against siren.yaml --trace jobs.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := c.Flags()
	f.StringVar(&s.policy, "policy", "", "policy `FILE` (default: the policy in force)")
	f.StringVar(&s.against, "against", "", "policy `FILE` to compare it with")
	f.BoolVar(&s.compare, "compare", false, "also play it with KEDA and other scalers")
	f.StringVar(&s.html, "html", "", "`FILE` to write a page with pictures to")
	f.DurationVar(&s.lasts, "for", time.Hour, "`TIME` that is played; a whole trace, unless this is given")
	f.StringVar(&s.start, "start", "", "`TIME` at which it begins, by which the policy's schedules go, as in "+
		"\"2026-12-04 "+
		"16:00\" (UTC) or 2026-12-04T17:00:00+01:00 (default: the first date of the trace, or the beginning of 2026)")
	f.Uint64Var(&s.seed, "seed", 1, "`NUMBER` that all random numbers come from")
	s.load.add(c)
	f.DurationVar(&s.cold.Median, "cold-start", 0, "`TIME` that a worker takes to start, the median (default: as "+
		"recorded in the trace, else what the policy has)")
	f.Float64Var(&s.cold.CV, "cold-spread", 0.2, "standard deviation of that, as a `PART` of its mean")
	f.DurationVar(&s.grace, "grace", 0, "`TIME` that other scalers leave a removed worker for what it runs")
	f.Float64Var(&s.known.Part, "predicted", 0, "`PART` of the jobs whose run time is predicted")
	f.Float64Var(&s.known.Off, "predicted-off", 0.2, "standard deviation of a prediction, as a `PART` of it")
	f.BoolVar(&s.known.ByKind, "predicted-by-kind", false, "predict that a job runs as long as others of its kind "+
		"did, of a trace with kinds")
	f.Float64Var(&s.faults.Failing, "failing", 0, "`PART` of the attempts that fail")
	f.DurationVar(&s.faults.Crash, "crash-every", 0, "mean `TIME` until a worker crashes (default: never)")
	f.Float64Var(&s.faults.LostBeat, "lost-heartbeats", 0, "`PART` of the heartbeats that are lost")
	f.Float64Var(&s.faults.LostDepth, "lost-depths", 0, "`PART` of the looks at a lane that the broker doesn't answer")
	f.DurationVar(&s.faults.LateDepth, "late-depths", 0, "`TIME` that the broker's answers are late by")
	app.FormFlag(c, &s.show.Output, "table", "wide", "json", "yaml")
	for _, name := range []string{"policy", "against"} {
		app.CompleteFlag(c, name, app.Files("yaml", "yml"))
	}
	app.CompleteFlag(c, "html", app.Files("html"))
	return c
}

func (s *command) run(cmd *cobra.Command) (err error) {
	if err := s.check(cmd.Flags()); err != nil {
		return exit.With(exit.Usage, err)
	}
	p, err := s.policyOf(cmd)
	if err != nil {
		return err
	}
	made, err := s.writable() // now rather than when all is played
	if err != nil {
		return err
	}
	defer func() {
		if made && err != nil {
			err = errors.Join(err, os.Remove(s.html))
		}
	}()
	jobs, err := s.load.of(p, s.seed, s.lasts, cmd.Flags().Changed("for"))
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("cold-start") {
		s.cold.Median = cmp.Or(jobs.cold, p.Timing.ColdStart.D())
	}
	switch {
	case s.against != "":
		return s.whatIf(cmd, p, jobs)
	case s.compare:
		return s.sideBySide(cmd, p, jobs)
	default:
		return s.alone(cmd, p, jobs)
	}
}

// check says what is wrong with the flags together.
func (s *command) check(given *pflag.FlagSet) error {
	part := func(name string, v float64) error {
		if v >= 0 && v <= 1 {
			return nil
		}
		return fmt.Errorf("--%s: %g is no part: give a number from 0 to 1", name, v)
	}
	var errs []error
	if s.against != "" && s.compare {
		errs = append(errs, errors.New("--against compares policies and --compare scalers: give one of them"))
	}
	if s.known.ByKind && (s.known.Part > 0 || s.load.trace == "") {
		errs = append(errs, errors.New("--predicted-by-kind needs a --trace with kinds, and no --predicted"))
	}
	if s.lasts <= 0 {
		errs = append(errs, fmt.Errorf("--for: %s is no time to play", s.lasts))
	}
	if s.cold.Median < 0 || s.cold.CV < 0 || s.cold.CV > 10 || s.known.Off < 0 || s.known.Off > 10 {
		errs = append(errs, errors.New("--cold-start must not be negative, --cold-spread and --predicted-off numbers "+
			"from 0 to 10"))
	}
	if s.faults.LateDepth < 0 || s.faults.LateDepth > time.Hour {
		errs = append(errs, fmt.Errorf("--late-depths: %s is none: give a time of at most 1h", s.faults.LateDepth))
	}
	if _, err := s.starts(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, s.load.check(given), part("failing", s.faults.Failing),
		part("predicted", s.known.Part), part("lost-heartbeats", s.faults.LostBeat),
		part("lost-depths", s.faults.LostDepth))
	return errors.Join(errs...)
}

// policyOf returns the policy of the file, else the one in force.
func (s *command) policyOf(cmd *cobra.Command) (*lanes.Policy, error) {
	if s.policy != "" {
		return lanes.Load(s.policy)
	}
	store, err := s.app.Store()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	e, err := s.app.Effective(cmd.Context(), store)
	if err != nil {
		return nil, err
	}
	t, _, err := redis.NewTunings(store, slog.New(slog.DiscardHandler)).Now(cmd.Context())
	if err != nil {
		return nil, err
	}
	return e.Planned(t.All)
}

// starts returns when the simulation begins; zero when nobody says.
func (s *command) starts() (time.Time, error) {
	if s.start == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.Parse(form, s.start); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--start: %q is no time: write it as \"2026-12-04 16:00\" or "+
		"2026-12-04T17:00:00+01:00",
		s.start)
}

// points are as many as a picture shows.
const points = 360

// play plays the load with one scaler.
func (s *command) play(ctx context.Context, p *lanes.Policy, jobs jobs, by rival.Contender) (*sim.Result, error) {
	source, err := jobs.open(p)
	if err != nil {
		return nil, err
	}
	defer source.close()
	c := sim.NewConfig(p, source, jobs.lasts)
	c.Seed, c.Cold, c.Faults, c.Grace = s.seed, s.cold, s.faults, s.grace
	c.Predicted, c.Start = s.known, jobs.start
	if at, _ := s.starts(); !at.IsZero() { // it was checked
		c.Start = at
	}
	if s.html != "" {
		c.Sample = max(jobs.lasts/points, time.Second)
	}
	var again []*opened
	r, err := by.Run(ctx, c, rival.Known{Service: jobs.service, Jobs: func() sim.Source {
		o, err := jobs.open(p)
		if err != nil { // it could be opened a moment ago
			return load.Listed{}.Jobs()
		}
		again = append(again, o)
		return o
	}})
	for _, o := range again {
		o.close()
	}
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	return r, errors.Join(err, source.err())
}

// report is what -o json shows of one simulation.
type report struct {
	Seed uint64 `json:"seed"`
	Load string `json:"load"`
	*sim.Result
}

func (s *command) alone(cmd *cobra.Command, p *lanes.Policy, jobs jobs) error {
	r, err := s.play(cmd.Context(), p, jobs, rival.Siren())
	if err != nil {
		return err
	}
	if err := s.write(page.Page{Load: jobs.says, Policy: p, Cold: s.cold.Median, Runs: []page.Run{
		{Name: "Siren", Result: r},
	}}); err != nil {
		return err
	}
	if s.show.Format == "json" || s.show.Format == "yaml" {
		return s.show.Print(s.app.Out, report{s.seed, jobs.says, r})
	}
	fmt.Fprintf(s.app.Out, "%s, with seed %d and workers that start in %s:\n\n", jobs.says, s.seed, s.cold.Median)
	if err := s.table(cmd, laneTable(r)); err != nil {
		return err
	}
	fmt.Fprintln(s.app.Out)
	if err := s.table(cmd, poolTable(r)); err != nil {
		return err
	}
	s.left(jobs, versus{"", "", r})
	return nil
}

// left says what of a trace hasn't ended when it is over: it isn't all in the costs.
func (s *command) left(jobs jobs, runs ...versus) {
	var says []string
	for _, r := range runs {
		n := 0
		for _, l := range r.Lanes {
			n += l.Left
		}
		if n == 0 || jobs.n == 0 {
			continue
		}
		owed := max(0, jobs.work.Seconds()-r.Work) / 3600
		text := fmt.Sprintf("%s of %s core-hours", say.Plural(n, "job"), amount(owed))
		if r.Scaler != "" {
			text += " with " + r.Scaler
		}
		says = append(says, text)
	}
	if len(says) > 0 {
		fmt.Fprintln(s.app.Out)
		show.Sentence(s.app.Out, "", fmt.Sprintf("What hasn't ended when it is over isn't all in the costs: %s. "+
			"A longer --for plays on.", strings.Join(says, ", ")))
	}
}

// table shows a table in the form that was asked for.
func (s *command) table(cmd *cobra.Command, t *show.Table) error {
	return s.show.Show(cmd.Context(), s.app.Out, s.app.Err, func() (any, *show.Table, error) { return nil, t, nil })
}

// writable says whether the page can be written, and whether its file was made for that. One that is there stays as it
// is.
func (s *command) writable() (made bool, err error) {
	if s.html == "" {
		return false, nil
	}
	_, err = os.Stat(s.html)
	made = errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(s.html, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return false, fmt.Errorf("write the page: %w", err)
	}
	return made, f.Close()
}

// write writes the page, where one was asked for.
func (s *command) write(p page.Page) error {
	if s.html == "" {
		return nil
	}
	text, err := p.HTML()
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.html, text, 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	fmt.Fprintf(s.app.Err, "wrote %s\n", s.html)
	return nil
}
