package simulatecmd

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim/advise"
	"github.com/polyglot-media/siren/lanes"
)

// What one should know before following the advice is said, and nothing else.
func TestNotes(t *testing.T) {
	p, err := lanes.Parse([]byte(strings.ReplaceAll(policy, "MIN", "4")))
	if err != nil {
		t.Fatal(err)
	}
	lane := func(name string, within time.Duration, jobs int, share float64) advise.Lane {
		return advise.Lane{
			Name: name, StartWithin: lanes.Duration(within), Jobs: jobs, Share: share, Met: share >= 0.95,
		}
	}
	outcome := func(express, standard float64) advise.Outcome {
		return advise.Outcome{CoreHours: 10, Peak: 8, Lanes: []advise.Lane{
			lane("express", 2*time.Second, 100, express), lane("standard", 30*time.Second, 900, standard),
		}}
	}
	step := func(o advise.Outcome) []advise.Step { return []advise.Step{{Outcome: o}} }
	good := func() advice {
		return advice{Jobs: 1000, lasts: time.Hour, cold: 10 * time.Second, Advice: advise.Advice{
			AsItIs: outcome(1, 1), Steps: step(outcome(1, 1)), Policy: p,
		}}
	}
	for name, c := range map[string]struct {
		change func(*advice)
		want   []string
	}{
		"nothing to know": {func(*advice) {}, nil},
		"a short trace": {func(r *advice) { r.lasts = 5 * time.Minute }, []string{
			"the trace is short, 1000 jobs in 5m",
		}},
		"few jobs of a lane": {func(r *advice) { r.AsItIs.Lanes[0].Jobs = 4 }, []string{
			"lane express has 4 jobs: one that is late is 25 % of it",
		}},
		"no step": {func(r *advice) { r.Steps, r.Looked = nil, true }, []string{"no step helps"}},
		"late": {func(r *advice) { r.AsItIs, r.Steps = outcome(0.5, 1), step(outcome(0.9, 1)) }, []string{
			"express misses its objective all the same: 90.0 % of its jobs start within 2s; a worker takes 10s",
		}},
		"at the budget": {func(r *advice) {
			r.AsItIs, r.Steps = outcome(1, 0.5), step(outcome(1, 0.9))
			r.Steps[0].Peak = 20
		}, []string{
			"standard misses its objective all the same: 90.0 % of its jobs start within 30s; the fleet is at its " +
				"budget of 20 workers at times",
		}},
		"worse": {func(r *advice) { r.Steps = step(outcome(0.97, 1)) }, []string{
			"fewer of express start in time than now: 97.0 %, not 100.0 %",
		}},
		"by chance": {func(r *advice) { r.Again = []advise.Outcome{outcome(1, 1), outcome(0.94, 1)} }, []string{
			"express is close to its objective: with another seed only 94.0 % of its jobs start within 2s",
		}},
		"limited": {func(r *advice) { r.Limited, r.By = true, advise.LimitJobs }, []string{
			"--limit ended the search: with a larger one it may find more",
		}},
		"limited in the first step": {
			func(r *advice) { r.Steps, r.Limited, r.By = nil, true, advise.LimitTime }, []string{
				"--within ended the search before all first steps were tried, so whether one helps isn't known: with " +
					"a larger one it may find more",
			},
		},
		"limited and late": {func(r *advice) {
			r.AsItIs, r.Steps, r.Limited, r.By = outcome(0.5, 1), nil, true, advise.LimitJobs
		}, []string{"express misses its objective: 50.0 %", "--limit ended the search before"}},
		"limited when no step helps": {
			func(r *advice) { r.Steps, r.Looked, r.Limited, r.By = nil, true, true, advise.LimitTime }, []string{
				"no step helps", "--within ended the search: with a larger one it may find more",
			},
		},
		"owed": {func(r *advice) { r.Steps[0].Owed = 2 }, []string{
			"when the trace ends, jobs of 2.00 core-hours haven't run",
		}},
		"other workers": {func(r *advice) {
			q, err := p.With()
			if err != nil {
				t.Fatal(err)
			}
			q.Pools[0].Slots, q.Pools[0].Max, r.Policy = 2, 9, q
		}, []string{"a smaller max saves by having jobs wait", "slots and shoulders change the memory"}},
	} {
		r := good()
		c.change(&r)
		got := r.notes(p)
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// With many lanes a table says how many meet their objectives, and which is worst.
func TestManyLanes(t *testing.T) {
	var o advise.Outcome
	for i := range 8 {
		o.Lanes = append(o.Lanes, advise.Lane{
			Name: string(rune('a' + i)), Jobs: i, Share: 1 - float64(i)/100, Met: i < 6,
		})
	}
	r := advice{Advice: advise.Advice{AsItIs: o}}
	var b strings.Builder
	if err := r.steps().Print(&b); err != nil || !strings.Contains(b.String(), "5 of 7  h 93.0%") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
