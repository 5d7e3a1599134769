package sim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/internal/sim/rival"
	"github.com/polyglot-media/siren/lanes"
)

// policyOf reads a policy that has a storage, as all must.
func policyOf(t testing.TB, text string) *lanes.Policy {
	t.Helper()
	p, err := lanes.Parse([]byte(text + "storage: [{prefix: \"file:///media/\", read: true, write: true}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const usual = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s, reserve: 1}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, promote: {after: 20m, to: standard}}
pools:
  - {name: general, lanes: [express, standard], guests: [bulk], shoulder: {express: 1}, min: 2, max: 30}
  - {name: batch, lanes: [bulk], max: 4}
budget: 32
`

func play(t testing.TB, c sim.Config, by sim.Controller) *sim.Result {
	t.Helper()
	r, err := sim.Run(t.Context(), c, by)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A queue with so many servers is one of the few whose waits are known exactly (Erlang C).
func TestMatchesErlangC(t *testing.T) {
	for _, c := range []struct {
		servers int
		load    float64 // erlangs
		lasts   time.Duration
	}{{1, 0.7, 40 * time.Hour}, {8, 6.4, 10 * time.Hour}, {30, 24, 10 * time.Hour}} {
		p := policyOf(t, fmt.Sprintf("lanes: [{name: only, startWithin: 1s}]\n"+
			"pools: [{name: p, lanes: [only], min: %d, max: %d}]\nbudget: %d\n", c.servers, c.servers, c.servers))
		made := load.Made{
			Pattern: load.Poisson, Rate: c.load, Period: time.Hour, Service: time.Second, Spread: load.Exponential,
			Shares: []float64{1}, For: c.lasts, Seed: 7,
		}
		r := play(t, sim.NewConfig(p, made.Jobs(), c.lasts), rival.Static{})
		waits := rival.ErlangC(c.servers, c.load)
		mean := waits / (float64(c.servers) - c.load) // of all jobs, in service times
		got := r.Lanes[0].Mean.D().Seconds()
		if math.Abs(got-mean) > 0.05*mean {
			t.Errorf("%d servers, %g erlangs: a mean wait of %.3f s, want %.3f", c.servers, c.load, got, mean)
		}
		// those who wait longer than x are P(wait)·e^(−(c−a)x)
		late := waits * math.Exp(-(float64(c.servers) - c.load))
		if share := 1 - r.Lanes[0].Share(); math.Abs(share-late) > 0.1*late+0.002 {
			t.Errorf("%d servers, %g erlangs: %.4f wait longer than 1 s, want %.4f", c.servers, c.load, share, late)
		}
	}
}

// The same seed makes the same bytes, whatever goes wrong in it; another one doesn't.
func TestSameSeedSameResult(t *testing.T) {
	run := func(seed uint64) string {
		p := policyOf(t, usual)
		made := load.Made{
			Pattern: load.Flash, Rate: 1, Period: 10 * time.Minute, Service: 4 * time.Second, Spread: load.Exponential,
			Shares: []float64{0.1, 0.7, 0.2}, For: 20 * time.Minute, Seed: seed,
		}
		c := sim.NewConfig(p, made.Jobs(), 20*time.Minute)
		c.Seed, c.Cold.CV, c.Sample = seed, 0.5, time.Minute
		c.Faults = sim.Faults{
			Failing: 0.02, Crash: time.Hour, LostBeat: 0.02, LostDepth: 0.02, LateDepth: 2 * time.Second,
		}
		text, err := json.Marshal(play(t, c, sim.NewSiren(p)))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	one := run(1)
	if again := run(1); again != one {
		t.Errorf("the same seed:\n%s\n%s", one, again)
	}
	if two := run(2); two == one {
		t.Error("another seed makes the same result")
	}
}

// Whatever comes and goes wrong: no job is lost or there twice, nothing that runs is removed, and the budget holds.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := policyOf(t, usual)
		p.Budget = rapid.IntRange(6, 40).Draw(r, "budget")
		p.Pools[0].Slots = rapid.IntRange(1, 3).Draw(r, "slots")
		pattern := load.Pattern(rapid.SampledFrom(load.Patterns()).Draw(r, "pattern"))
		lasts := 4 * time.Minute
		made := load.Made{
			Pattern: pattern, Rate: rapid.Float64Range(0.1, 6).Draw(r, "rate"), Period: time.Minute,
			Service: time.Duration(rapid.IntRange(100, 20000).Draw(r, "service")) * time.Millisecond,
			Spread:  load.Exponential, Shares: []float64{0.2, 0.5, 0.3}, For: lasts / 2,
			Seed: rapid.Uint64().Draw(r, "seed"), Parts: rapid.IntRange(0, 4).Draw(r, "parts"),
		}
		c := sim.NewConfig(p, made.Jobs(), lasts)
		c.Seed, c.Cold = made.Seed, sim.Cold{
			Median: time.Duration(rapid.IntRange(1, 60).Draw(r, "cold")) * time.Second, CV: 0.5,
		}
		if rapid.Bool().Draw(r, "faults") {
			c.Faults = sim.Faults{
				Failing: 0.05, Crash: 10 * time.Minute, LostBeat: 0.05, LostDepth: 0.05, LateDepth: 5 * time.Second,
			}
		}
		got, err := sim.Run(t.Context(), c, sim.NewSiren(p))
		if err != nil {
			r.Fatal(err)
		}
		arrived := 0
		for _, l := range got.Lanes {
			arrived += l.Arrived
			if l.Left < 0 || l.Started > l.Arrived || l.Ended+l.Dead+l.Left != l.Arrived {
				r.Errorf("%+v", l)
			}
		}
		if want := len(load.List(made.Jobs())); arrived != want {
			r.Errorf("%d jobs arrived of %d", arrived, want)
		}
		if got.Total.Hits > 0 || got.Total.BusyRemoved > 0 {
			r.Errorf("running jobs were hit: %+v", got.Total)
		}
		if got.Total.Peak > p.Budget {
			r.Errorf("%d workers with a budget of %d", got.Total.Peak, p.Budget)
		}
	})
}

// A job costs no allocation, so that memory doesn't grow with the length of a load.
func TestJobsAllocateNothing(t *testing.T) {
	p := policyOf(t, usual)
	p.Pools[0].Min = 20
	allocs := func(lasts time.Duration) float64 {
		return testing.AllocsPerRun(2, func() {
			made := load.Made{
				Pattern: load.Poisson, Rate: 18, Period: time.Hour, Service: time.Second, Spread: load.Exponential,
				Shares: []float64{0.1, 0.8, 0.1}, For: lasts, Seed: 1,
			}
			play(t, sim.NewConfig(p, made.Jobs(), lasts), rival.Static{})
		})
	}
	few, many := allocs(10*time.Minute), allocs(40*time.Minute)
	if many-few > 100 {
		t.Errorf("%.0f allocations for 11,000 jobs, but %.0f for 43,000", few, many)
	}
}

// What is held in memory doesn't grow with the length of a trace, the scaler's memory of it included.
func TestMemoryIsFlat(t *testing.T) {
	p := policyOf(t, usual)
	held := func(jobs int) int64 {
		trace, err := load.NewTrace(&writer{jobs: jobs}, p)
		if err != nil {
			t.Fatal(err)
		}
		m := &meter{Source: trace}
		r := play(t, sim.NewConfig(p, m, time.Duration(jobs)*100*time.Millisecond+time.Minute), sim.NewSiren(p))
		if trace.Err() != nil || r.Lanes[1].Ended != jobs {
			t.Fatalf("%v: %+v", trace.Err(), r.Lanes[1])
		}
		return m.held
	}
	held(1000)
	short, long := held(10_000), held(80_000)
	if long > short+256<<10 {
		t.Errorf("at the end of a trace %d bytes are held, of one eight times as long %d", short, long)
	}
}

// writer is a trace that is written as it is read: ten jobs a second, of a second each.
type writer struct {
	jobs, n int
	rest    []byte
}

// Read implements io.Reader.
func (w *writer) Read(p []byte) (int, error) {
	switch {
	case len(w.rest) > 0:
	case w.n > w.jobs:
		return 0, io.EOF
	case w.n == 0:
		w.rest = append(w.rest, "time,lane,service\n"...)
		w.n++
	default:
		w.rest = fmt.Appendf(w.rest, "%.1f,standard,1\n", float64(w.n)/10)
		w.n++
	}
	n := copy(p, w.rest)
	w.rest = w.rest[:copy(w.rest, w.rest[n:])]
	return n, nil
}

// meter is a load that says at its end how many bytes are held in memory.
type meter struct {
	sim.Source
	held int64
}

// Next implements sim.Source.
func (m *meter) Next() (sim.Job, bool) {
	j, ok := m.Source.Next()
	if !ok {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		m.held = int64(s.HeapAlloc)
	}
	return j, ok
}
