package simulatecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/advise"
	"github.com/polyglot-media/siren/internal/sim/rival"
	"github.com/polyglot-media/siren/lanes"
)

// adviser is what the flags of siren advise say.
type adviser struct {
	command
	budget, limit int
	price         float64
	within        time.Duration
	write         string
	force         bool
}

// NewAdvise makes `siren advise`.
func NewAdvise(a *app.App) *cobra.Command {
	s := adviser{command: command{app: a}}
	c := &cobra.Command{
		Use:   "advise",
		Short: "Look for a policy that serves a trace better, or for less",
		Long: `Look for a policy that serves a trace better, or for less: the trace is played (see siren simulate)
through policies that differ in one step, a pool's min, max, slots or shoulder or a lane's reserve,
and the step that gains most is taken, again and again. A step that has more of a lane's jobs late
leaves 96 % of them in time. Then it says what it costs to promise more: objectives half, and twice,
as long. The same trace and seed give the same advice.

What is compared is core-hours: a worker has as many cores as shared slots (slot.cores says otherwise).
What is advised is right for this trace, in a simulation: record one that has what matters.`,
		Example: `  siren advise --trace trace.csv
  siren advise --trace trace.csv --policy siren.yaml --budget 30 --price 0.05
  siren advise --trace trace.csv --policy siren.yaml --write new.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := c.Flags()
	f.StringVar(&s.load.trace, "trace", "", "CSV `FILE` of jobs, as siren record writes it")
	f.StringVar(&s.policy, "policy", "", "policy `FILE` to begin with (default: the policy in force)")
	f.IntVar(&s.budget, "budget", 0, "most `WORKERS` of all pools together (default: what the policy has)")
	f.Float64Var(&s.price, "price", 0, "`PRICE` of a core for an hour, in whatever money")
	f.StringVar(&s.write, "write", "", "`FILE` to write the policy to that is advised")
	f.BoolVar(&s.force, "force", false, "write over a file that is there")
	f.IntVar(&s.limit, "limit", 20_000_000, "`JOBS` to simulate at most, in all")
	f.DurationVar(&s.within, "within", 10*time.Minute, "`TIME` to look at most")
	f.Uint64Var(&s.seed, "seed", 1, "`NUMBER` that all random numbers come from")
	f.DurationVar(&s.cold.Median, "cold-start", 0, "`TIME` that a worker takes to start, the median (default: as "+
		"recorded in the trace, else what the policy has)")
	f.Float64Var(&s.cold.CV, "cold-spread", 0.2, "standard deviation of that, as a `PART` of its mean")
	f.Float64Var(&s.faults.Failing, "failing", 0, "`PART` of the attempts that fail")
	f.BoolVar(&s.known.ByKind, "predicted-by-kind", false, "predict that a job runs as long as others of its kind "+
		"did, of a trace with kinds")
	app.FormFlag(c, &s.show.Output, "table", "wide", "json", "yaml")
	app.CompleteFlag(c, "trace", app.Files("csv"))
	for _, name := range []string{"policy", "write"} {
		app.CompleteFlag(c, name, app.Files("yaml", "yml"))
	}
	return c
}

func (s *adviser) check(cmd *cobra.Command) error {
	var errs []error
	if s.load.trace == "" {
		errs = append(errs, errors.New("no trace: give --trace FILE; siren record writes one"))
	}
	if cmd.Flags().Changed("budget") && s.budget < 1 {
		errs = append(errs, fmt.Errorf("--budget: %d workers are none", s.budget))
	}
	if s.price < 0 || s.limit < 1 || s.within <= 0 {
		errs = append(errs, errors.New("--price must not be negative, and --limit and --within must be above 0"))
	}
	if s.cold.Median < 0 || s.cold.CV < 0 || s.cold.CV > 10 || s.faults.Failing < 0 || s.faults.Failing > 1 {
		errs = append(errs, errors.New("--cold-start must not be negative, --cold-spread a number from 0 to 10, and "+
			"--failing one from 0 to 1"))
	}
	return errors.Join(errs...)
}

func (s *adviser) run(cmd *cobra.Command) error {
	if err := s.check(cmd); err != nil {
		return exit.With(exit.Usage, err)
	}
	was, err := s.policyOf(cmd)
	if err != nil {
		return err
	}
	p, err := s.bounded(was)
	if err != nil {
		return err
	}
	if err := s.mayWrite(); err != nil {
		return exit.With(exit.Usage, err)
	}
	jobs, err := s.load.ofTrace(p, 0, false)
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("cold-start") {
		s.cold.Median = cmp.Or(jobs.cold, p.Timing.ColdStart.D())
	}
	a, err := s.search(cmd.Context(), p, jobs)
	if err != nil {
		return err
	}
	r := s.report(was, p, jobs, a)
	if s.write != "" {
		if r.Written, err = s.writePolicy(was, a.Policy); err != nil {
			return err
		}
	}
	if s.show.Format == "json" || s.show.Format == "yaml" {
		return s.show.Print(s.app.Out, r)
	}
	return s.tell(cmd, r)
}

// bounded returns the policy with the budget that was asked for.
func (s *adviser) bounded(p *lanes.Policy) (*lanes.Policy, error) {
	if s.budget == 0 || s.budget == p.Budget {
		return p, nil
	}
	b, err := p.With()
	if err != nil {
		return nil, err
	}
	b.Budget = s.budget
	for i := range b.Pools {
		b.Pools[i].Max = max(b.Pools[i].Min, min(b.Pools[i].Max, s.budget))
	}
	if err := b.Validate(); err != nil {
		return nil, exit.With(exit.Usage, fmt.Errorf("--budget %d: %w", s.budget, err))
	}
	return b, nil
}

// search looks for better policies.
func (s *adviser) search(ctx context.Context, p *lanes.Policy, jobs jobs) (advise.Advice, error) {
	bounded, end := context.WithTimeout(ctx, s.within)
	defer end()
	search := advise.Search{
		Limit: s.limit,
		Load: advise.Load{Jobs: jobs.n, Work: jobs.work, Seed: s.seed, Play: func(
			ctx context.Context, p *lanes.Policy, seed uint64,
		) (*sim.Result, error) {
			one := s.command
			one.seed = seed
			return one.play(ctx, p, jobs, rival.Siren())
		}},
		Told: func(played int, doing string) {
			show.Progress(s.app.Err, fmt.Sprintf("%s: now %s", say.Plural(played, "simulation"), doing))
		},
	}
	a, err := search.Advise(bounded, p)
	show.Progress(s.app.Err, "")
	if ctx.Err() != nil {
		return a, errors.New("interrupted")
	}
	if low := (advise.TooLowError{}); errors.As(err, &low) {
		err = fmt.Errorf("%s is too low for a single simulation of %s", map[advise.Limit]string{
			advise.LimitJobs: fmt.Sprintf("--limit %d", s.limit), advise.LimitTime: "--within " + s.within.String(),
		}[low.By], say.Plural(jobs.n, "job"))
	}
	return a, err
}
