package advise_test

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/advise"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
)

func policy(t *testing.T, pool string, budget string) *lanes.Policy {
	t.Helper()
	p, err := lanes.Parse([]byte(`
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
pools: [{name: general, lanes: [express, standard], ` + pool + `}]
budget: ` + budget + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// search returns one for a load of ten minutes.
func search(rate float64, service time.Duration, limit int) *advise.Search {
	const lasts = 10 * time.Minute
	made := load.Made{
		Pattern: load.Poisson, Rate: rate, Period: time.Hour, Service: service, Spread: load.Exponential,
		Shares: []float64{0.2, 0.8}, For: lasts, Seed: 1,
	}
	jobs := load.List(made.Jobs())
	work := time.Duration(0)
	for _, j := range jobs {
		work += j.Service
	}
	s := &advise.Search{Limit: limit, Load: advise.Load{Jobs: len(jobs), Work: work, Seed: 1}}
	s.Load.Play = func(ctx context.Context, p *lanes.Policy, seed uint64) (*sim.Result, error) {
		c := sim.NewConfig(p, jobs.Jobs(), lasts+time.Minute)
		c.Seed, c.Cold.CV = seed, 0.2
		return sim.Run(ctx, c, sim.NewSiren(p))
	}
	return s
}

func advised(t *testing.T, s *advise.Search, p *lanes.Policy) advise.Advice {
	t.Helper()
	a, err := s.Advise(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Policy.Validate(); err != nil {
		t.Error(err)
	}
	before := a.AsItIs
	for _, step := range a.Steps {
		for i, l := range step.Lanes {
			if was := before.Lanes[i]; was.Met && !l.Met {
				t.Errorf("%s: %s misses its objective for it", advise.Says(step.Changes), l.Name)
			}
		}
		before = step.Outcome
	}
	return a
}

const plenty = 100_000_000

// A fleet that is much too large gets smaller, and stays in time; the same search finds the same.
func TestTooLarge(t *testing.T) {
	p := policy(t, "shoulder: {express: 1}, min: 12, max: 20", "20")
	s := search(0.5, 5*time.Second, plenty)
	a := advised(t, s, p)
	last := a.Outcome()
	if len(a.Steps) == 0 || last.CoreHours > 0.6*a.AsItIs.CoreHours || a.Policy.Pools[0].Min >= 12 {
		t.Errorf("%+v\nafter %+v", a.Steps, a.AsItIs)
	}
	if p.Pools[0].Min != 12 {
		t.Error("the policy that it began with has changed")
	}
	for _, l := range last.Lanes {
		if !l.Met {
			t.Errorf("%+v", l)
		}
	}
	if len(a.Again) != 2 || len(a.Promises) != 4 || a.Limited {
		t.Errorf("%d other seeds, %d promises, limited: %t", len(a.Again), len(a.Promises), a.Limited)
	}
	s = search(0.5, 5*time.Second, plenty)
	if again := advised(t, s, p); !reflect.DeepEqual(a, again) {
		t.Errorf("another search finds\n%+v\nnot\n%+v", again, a)
	}
}

// Lanes that are late get more workers, within the budget and no further.
func TestTooSmall(t *testing.T) {
	p := policy(t, "min: 1, max: 3", "8")
	s := search(1, 5*time.Second, plenty)
	a := advised(t, s, p)
	if met := a.AsItIs.Lanes[1].Met; met {
		t.Fatal("the load is too small for the test")
	}
	if got := a.Policy.Pools[0].Max; got <= 3 || got > 8 {
		t.Errorf("max %d", got)
	}
	if !a.Outcome().Lanes[1].Met {
		t.Errorf("%+v", a.Outcome())
	}
}

// Where the budget is too small for any step, larger ones are tried until one does.
func TestBudgets(t *testing.T) {
	p := policy(t, "min: 2, max: 3", "3")
	s := search(1, 5*time.Second, plenty)
	a := advised(t, s, p)
	if a.Outcome().Lanes[1].Met || a.Policy.Budget != 3 || len(a.Budgets) < 2 {
		t.Fatalf("budget %d, %+v, and larger ones %+v", a.Policy.Budget, a.Outcome(), a.Budgets)
	}
	for i, b := range a.Budgets {
		met := b.Lanes[0].Met && b.Lanes[1].Met
		if last := i == len(a.Budgets)-1; met != last || b.Peak <= 3 || b.Peak > b.Budget {
			t.Errorf("a budget of %d: %+v", b.Budget, b.Outcome)
		}
	}
}

// Where no step is worth it there is none.
func TestNothingHelps(t *testing.T) {
	p := policy(t, "max: 1", "1")
	p.Lanes[0].StartWithin = lanes.Duration(time.Hour)
	p.Lanes[1].StartWithin = lanes.Duration(time.Hour)
	s := search(0.02, time.Second, plenty)
	if a := advised(t, s, p); len(a.Steps) > 0 || !a.Looked {
		t.Errorf("%+v after %+v", a.Steps, a.AsItIs)
	}
}

// It plays no more jobs than it may, and says that it might have found more; what it found until then is told.
func TestLimits(t *testing.T) {
	p := policy(t, "min: 12, max: 20", "20")
	s := search(0.5, 5*time.Second, 12_000)
	s.Load.Jobs = 1000
	if a := advised(t, s, p); !a.Limited || a.By != advise.LimitJobs || a.Played > 12 || len(a.Again) > 0 {
		t.Errorf("%d played, limited by %q", a.Played, a.By)
	}
	s = search(0.5, 5*time.Second, 1500)
	s.Load.Jobs = 1000
	if a := advised(t, s, p); len(a.Steps) > 0 || a.Looked || a.By != advise.LimitJobs {
		t.Errorf("looked at all steps: %t, limited by %q", a.Looked, a.By)
	}
	s = search(0.5, 5*time.Second, 10)
	var low advise.TooLowError
	if _, err := s.Advise(t.Context(), p); !errors.As(err, &low) || low.By != advise.LimitJobs {
		t.Error(err)
	}
	s = search(0.5, 5*time.Second, plenty)
	ctx, stop := context.WithCancel(t.Context())
	play := s.Load.Play
	s.Load.Play = func(ctx context.Context, p *lanes.Policy, seed uint64) (*sim.Result, error) {
		r, err := play(ctx, p, seed)
		stop()
		return r, err
	}
	if _, err := s.Advise(ctx, p); err == nil {
		t.Error("it goes on when it is called off")
	}
}

// A deadline ends it too: before the first simulation is over nothing is known, and later what is found by then is.
func TestDeadline(t *testing.T) {
	p := policy(t, "min: 12, max: 20", "20")
	advice := func(at int32) (advise.Advice, error) {
		ctx, played := &overdue{Context: t.Context()}, atomic.Int32{}
		s := search(0.5, 5*time.Second, plenty)
		play := s.Load.Play
		s.Load.Play = func(within context.Context, p *lanes.Policy, seed uint64) (*sim.Result, error) {
			if played.Add(1) == at {
				ctx.over.Store(true)
				return nil, errors.New("interrupted")
			}
			return play(within, p, seed)
		}
		return s.Advise(ctx, p)
	}
	var low advise.TooLowError
	if _, err := advice(1); !errors.As(err, &low) || low.By != advise.LimitTime {
		t.Errorf("in the first simulation: %v", err)
	}
	if a, err := advice(2); err != nil || a.By != advise.LimitTime || a.Looked || len(a.Steps) > 0 {
		t.Errorf("in the first step: %v, limited by %q, looked at all steps: %t", err, a.By, a.Looked)
	}
}

// overdue is a context whose deadline comes when the test says so.
type overdue struct {
	context.Context
	over atomic.Bool
}

func (o *overdue) Err() error {
	if o.over.Load() {
		return context.DeadlineExceeded
	}
	return o.Context.Err()
}

// Changes are what differs in the end, as a policy has it.
func TestChanges(t *testing.T) {
	p := policy(t, "shoulder: {express: 1}, min: 2, max: 8", "8")
	q, err := p.With()
	if err != nil {
		t.Fatal(err)
	}
	q.Pools[0].Shoulder, q.Pools[0].Min, q.Lanes[0].Reserve = nil, 4, 2
	want := "lanes.express.reserve 0 → 2, pools.general.shoulder express=1 → none, pools.general.min 2 → 4"
	if got := advise.Says(advise.Changes(p, q)); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
}
