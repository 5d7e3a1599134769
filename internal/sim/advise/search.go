package advise

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

// Load is a load that can be played again and again.
type Load struct {
	Play func(ctx context.Context, p *lanes.Policy, seed uint64) (*sim.Result, error)
	Jobs int           // how many there are
	Work time.Duration // the cores that they take alone, in all
	Seed uint64
}

// Search looks for a policy that serves a load better.
type Search struct {
	Load    Load
	Limit   int                            // simulated jobs, about
	Told    func(played int, doing string) // how far it is; nil: nobody is
	telling sync.Mutex
	mu      sync.Mutex
	spent   int // simulated jobs
}

// Step is one step that pays for itself.
type Step struct {
	Changes []Change `json:"changes"`
	Outcome
}

// Advice is what was found.
type Advice struct {
	AsItIs   Outcome       `json:"asItIs"`
	Steps    []Step        `json:"steps"`    // each on top of those before
	Budgets  []Budget      `json:"budgets"`  // larger ones, where the fleet is at its budget and lanes are late
	Promises []Promise     `json:"promises"` // on top of all steps
	Played   int           `json:"played"`   // simulations
	Limited  bool          `json:"limited"`  // it might have found more
	By       Limit         `json:"limitedBy,omitempty"`
	Looked   bool          `json:"-"`     // at all steps from the last policy: none of them gains anything
	Again    []Outcome     `json:"again"` // of all steps, with other seeds
	Policy   *lanes.Policy `json:"-"`     // with all steps
}

// Limit is what ends a search before its end.
type Limit string

// The limits there are; none is "".
const (
	LimitJobs Limit = "jobs" // as many were simulated as may be
	LimitTime Limit = "time" // the deadline came
)

// Outcome returns what all steps together lead to.
func (a Advice) Outcome() Outcome {
	if n := len(a.Steps); n > 0 {
		return a.Steps[n-1].Outcome
	}
	return a.AsItIs
}

// Budget is a larger budget, with larger pools in proportion, and what comes of it with all steps.
type Budget struct {
	Budget int `json:"budget"`
	Outcome
}

// Promise is another objective of a lane, and what it would take.
type Promise struct {
	Lane        string         `json:"lane"`
	StartWithin lanes.Duration `json:"startWithin"`
	Changes     []Change       `json:"changes"` // that it takes beside
	Outcome
}

const (
	mostSteps     = 12 // that are taken one after the other
	promiseSteps  = 2  // that a promise may take
	mostPromises  = 6  // lanes of which other objectives are tried
	otherSeeds    = 2
	leastPromised = 100 * time.Millisecond // as lanes.Policy warns
)

// errLimit is that the limit is reached.
var errLimit = errors.New("limit")

// Advise searches, unless ctx is cancelled before. At its deadline what is found by then is the advice.
func (s *Search) Advise(ctx context.Context, p *lanes.Policy) (Advice, error) {
	a := Advice{Policy: p, Steps: []Step{}, Budgets: []Budget{}, Promises: []Promise{}, Again: []Outcome{}}
	first, err := s.play(ctx, "the policy as it is", []step{{policy: p}})
	if by := limit(ctx, err); by != "" {
		return a, TooLowError{by}
	}
	if err != nil {
		return a, err
	}
	a.AsItIs = first[0]
	at := step{policy: p}
	for err == nil && len(a.Steps) < mostSteps {
		var next Step
		at, next, err = s.best(ctx, at, a.Outcome(), "")
		if err != nil || next.Changes == nil {
			a.Looked = err == nil
			break
		}
		a.Steps = append(a.Steps, next)
	}
	a.Policy = at.policy
	if err == nil {
		err = s.seeds(ctx, &a)
	}
	if err == nil {
		err = s.budgets(ctx, &a)
	}
	if err == nil {
		err = s.promises(ctx, &a)
	}
	if a.By = limit(ctx, err); a.By != "" {
		a.Limited, err = true, nil // what is found by then is found
	}
	a.Played = s.played()
	return a, err
}

// limit returns the limit that an error comes of.
func limit(ctx context.Context, err error) Limit {
	switch {
	case errors.Is(err, errLimit):
		return LimitJobs
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return LimitTime
	default:
		return ""
	}
}

// TooLowError is that a limit ended the first simulation, of the policy as it is.
type TooLowError struct{ By Limit }

func (e TooLowError) Error() string { return "the limit is too low for a single simulation" }

// best takes the step that gains most; without changes there is none.
func (s *Search) best(ctx context.Context, from step, before Outcome, wants string) (step, Step, error) {
	all := steps(from.policy, before, wants)
	outcomes, err := s.play(ctx, fmt.Sprintf("%d steps from %.2f core-hours", len(all), before.CoreHours), all)
	if err != nil {
		return from, Step{}, err
	}
	best, most := -1, 0.0
	for i, o := range outcomes {
		if g := o.gain(before); g > most {
			best, most = i, g
		}
	}
	if best < 0 {
		return from, Step{}, nil
	}
	return all[best], Step{all[best].changes, outcomes[best]}, nil
}

// seeds plays what is advised with other random numbers.
func (s *Search) seeds(ctx context.Context, a *Advice) error {
	for i := range uint64(otherSeeds) {
		o, err := s.playOne(ctx, a.Policy, s.Load.Seed+1+i)
		if err != nil {
			return err
		}
		a.Again = append(a.Again, o)
	}
	return nil
}

// budgets plays larger budgets, until one has all lanes meet their objectives.
func (s *Search) budgets(ctx context.Context, a *Advice) error {
	last, now := a.Outcome(), a.Policy.Budget
	if last.missing() == 0 || last.Peak < now {
		return nil
	}
	for _, n := range []int{now + (now+3)/4, now + (now+1)/2, 2 * now, 3 * now} {
		p, err := a.Policy.With()
		if err != nil {
			return err
		}
		p.Budget = n
		for i, q := range p.Pools {
			p.Pools[i].Max = (q.Max*n + now - 1) / now
		}
		outcomes, err := s.play(ctx, fmt.Sprintf("a budget of %d", n), []step{{policy: p}})
		if err != nil {
			return err
		}
		a.Budgets = append(a.Budgets, Budget{n, outcomes[0]})
		if outcomes[0].missing() == 0 {
			break
		}
	}
	return nil
}

// promises plays objectives half and twice as long.
func (s *Search) promises(ctx context.Context, a *Advice) error {
	tried := 0
	for i, l := range a.Policy.Lanes {
		if a.AsItIs.Lanes[i].Jobs == 0 || tried == mostPromises {
			continue
		}
		tried++
		for _, within := range []lanes.Duration{l.StartWithin / 2, l.StartWithin * 2} {
			if within.D() < leastPromised {
				continue
			}
			p, err := s.promise(ctx, a.Policy, i, within)
			if err != nil {
				return err
			}
			a.Promises = append(a.Promises, p)
		}
	}
	return nil
}

// promise plays another objective of a lane, and if that isn't met, with what may help.
func (s *Search) promise(ctx context.Context, from *lanes.Policy, i int, within lanes.Duration) (Promise, error) {
	l := from.Lanes[i]
	p, err := from.With()
	if err != nil {
		return Promise{}, err
	}
	p.Lanes[i].StartWithin = within
	done := Promise{Lane: l.Name, StartWithin: within, Changes: []Change{}}
	at := step{policy: p}
	first, err := s.play(ctx, l.Name+" within "+within.String(), []step{at})
	if err != nil {
		return done, err
	}
	done.Outcome = first[0]
	for range promiseSteps {
		if done.Lanes[i].Met {
			break
		}
		var next Step
		at, next, err = s.best(ctx, at, done.Outcome, l.Name)
		if err != nil || next.Changes == nil {
			break
		}
		done.Changes, done.Outcome = Changes(from, at.policy), next.Outcome
	}
	return done, err
}

// play plays the load with each of the policies.
func (s *Search) play(ctx context.Context, doing string, all []step) ([]Outcome, error) {
	s.tell(doing)
	outcomes, errs := make([]Outcome, len(all)), make([]error, len(all))
	next := make(chan int)
	var working sync.WaitGroup
	for range min(len(all), runtime.GOMAXPROCS(0)) {
		working.Go(func() {
			for i := range next {
				outcomes[i], errs[i] = s.playOne(ctx, all[i].policy, s.Load.Seed)
				s.tell(doing)
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	working.Wait()
	return outcomes, errors.Join(errs...)
}

func (s *Search) playOne(ctx context.Context, p *lanes.Policy, seed uint64) (Outcome, error) {
	if err := ctx.Err(); err != nil { // a short simulation doesn't look
		return Outcome{}, err
	}
	if !s.afford() {
		return Outcome{}, errLimit
	}
	r, err := s.Load.Play(ctx, p, seed)
	if err != nil {
		return Outcome{}, err
	}
	return outcome(p, r, s.Load.Work), nil
}

// afford reports whether the limit has room for one more simulation, and takes it.
func (s *Search) afford() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spent+s.Load.Jobs > s.Limit {
		return false
	}
	s.spent += s.Load.Jobs
	return true
}

// tell says how far it is, once at a time.
func (s *Search) tell(doing string) {
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.Told != nil {
		s.Told(s.played(), doing)
	}
}

func (s *Search) played() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spent / max(1, s.Load.Jobs)
}
