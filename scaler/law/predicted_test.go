package law

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// traffic is what comes in: so many jobs at each second, and how long one runs that starts then, in seconds.
type traffic struct {
	name string
	jobs func(r *rand.Rand, second int) int
	runs func(r *rand.Rand, second int) float64
}

func poisson(r *rand.Rand, mean float64) (n int) {
	for left := r.ExpFloat64(); left < mean; left += r.ExpFloat64() {
		n++
	}
	return n
}

func rate(perSecond float64) func(*rand.Rand, int) int {
	return func(r *rand.Rand, _ int) int { return poisson(r, perSecond) }
}

func about(seconds float64) func(*rand.Rand, int) float64 {
	return func(r *rand.Rand, _ int) float64 { return seconds * (0.5 + r.Float64()) }
}

var traffics = []traffic{
	{"steady", rate(2), about(2)},
	{"longer jobs", rate(1), func(r *rand.Rand, s int) float64 { return about([]float64{2, 12}[s/150%2])(r, s) }},
	{"shorter jobs", rate(1), func(r *rand.Rand, s int) float64 { return about([]float64{12, 2}[s/150%2])(r, s) }},
	{"heavy tail", rate(1.5), func(r *rand.Rand, _ int) float64 {
		return min(120, 0.8/math.Pow(1-r.Float64(), 1/1.5))
	}},
	{"two kinds", rate(1.5), func(r *rand.Rand, s int) float64 {
		if r.IntN(10) == 0 {
			return about(20)(r, s)
		}
		return about(1)(r, s)
	}},
	{"batches", func(r *rand.Rand, s int) int {
		if s%60 == 0 {
			return 40
		}
		return 0
	}, func(r *rand.Rand, s int) float64 { return about([]float64{2, 15}[s/60%2])(r, s) }},
	{"flash", func(r *rand.Rand, s int) int {
		return poisson(r, []float64{0.5, 0.5, 4, 0.5}[s/60%4])
	}, about(5)},
	{"sparse", rate(0.05), about(10)},
}

// run lets ten minutes of the traffic pass over a pool. It returns how many of the jobs started within the objective,
// in percent, and what the workers cost, in seconds.
func (l traffic) run(
	t *testing.T, objective, cold int, seed uint64, predict func(time.Duration) time.Duration,
) (within, cost float64) {
	w := newWorld(t, fmt.Sprintf(`
budget: 60
lanes: [{name: work, startWithin: %ds}]
pools: [{name: p, lanes: [work], slots: 2, min: 1, max: 60}]
`, objective))
	second, in, each := 0, rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	w.cold, w.predict = time.Duration(cold)*time.Second, predict
	w.takes = func(string) time.Duration { return time.Duration(l.runs(each, second) * float64(time.Second)) }
	for ; second < 600; second++ {
		w.put("work", l.jobs(in, second))
		w.run(time.Second)
	}
	for _, wait := range w.waits["work"] {
		within += 100 * float64(btoi(wait <= w.p.Lanes[0].StartWithin.D())) / float64(len(w.waits["work"]))
	}
	return within, w.spent.Seconds()
}

// What is predicted of the running jobs, half or twice as long as they run in the worst case, costs nothing, and saves
// workers where a lane's jobs become longer and shorter by turns. With SIREN_EVERY_TRAFFIC it takes all that ADR 0015
// tells of, for a minute.
func TestPredictionsInTheServiceTime(t *testing.T) {
	seeds, ways, among := 6, []struct{ objective, cold int }{{60, 20}}, traffics[1:6]
	if os.Getenv("SIREN_EVERY_TRAFFIC") != "" {
		seeds, ways, among = 24, append(ways, struct{ objective, cold int }{10, 20}), traffics
	}
	without, with := 0.0, 0.0
	for _, c := range ways {
		for _, l := range among {
			var better, blind, seeing float64
			for seed := range uint64(seeds) {
				guess := rand.New(rand.NewPCG(seed, 3))
				in, cost := l.run(t, c.objective, c.cold, seed, nil)
				then, spent := l.run(t, c.objective, c.cold, seed, func(run time.Duration) time.Duration {
					return time.Duration(float64(run) * math.Pow(2, 2*guess.Float64()-1))
				})
				better, blind, seeing = better+(then-in)/float64(seeds), blind+cost, seeing+spent
			}
			without, with = without+blind, with+seeing
			t.Logf("objective %d s, cold start %d s, %s: %+.2f points in time, %+.1f %% cost", c.objective, c.cold,
				l.name, better, 100*(seeing/blind-1))
			if better < -0.5 {
				t.Errorf("%s: %+.2f points in time", l.name, better)
			}
			if l.name == "batches" && c.objective == 60 && seeing > 0.9*blind {
				t.Errorf("batches of which every second is longer cost %.0f s, %.0f s without predictions", seeing,
					blind)
			}
		}
	}
	if with > 1.02*without {
		t.Errorf("all together cost %.0f s, %.0f s without predictions", with, without)
	}
}
