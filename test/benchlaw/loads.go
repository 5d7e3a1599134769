package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
)

// trace is the file in the folder that SIREN_TRACES names.
const trace = "azure-llm-code-2023.csv"

// aLoad is one load, and the policy that it meets. The policy's cold start is put in for each D.
type aLoad struct {
	name    string
	policy  string
	lasts   time.Duration
	service time.Duration // mean
	seeds   int           // at most so many are played; 0: all
	jobs    func(seed uint64) (func() sim.Source, error)
}

const storage = "storage: [{prefix: \"file:///media/\", read: true, write: true}]\n"

// two lanes, one slot and one shoulder a worker, up to 40 workers.
const two = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
pools: [{name: general, lanes: [express, standard], shoulder: {express: 1}, min: %d, max: 40}]
budget: 40
` + storage

// and bulk, as the policy has it that siren policy init writes.
const three = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, promote: {after: 20m, to: standard}}
pools:
  - {name: general, lanes: [express, standard], guests: [bulk], shoulder: {express: 1}, min: 1, max: 40}
  - {name: batch, lanes: [bulk], max: 20}
budget: 40
` + storage

var (
	tenth = []float64{0.1, 0.9}
	bulky = []float64{0.1, 0.7, 0.2}
)

// made returns a load that a pattern makes, for an hour.
func made(name string, m load.Made) aLoad {
	m.For = time.Hour
	if m.Shares == nil {
		m.Shares = tenth
	}
	if m.Period == 0 {
		m.Period = time.Hour
	}
	if m.Spread == "" {
		m.Spread = load.Exponential
	}
	return aLoad{
		name: name, policy: fmt.Sprintf(two, 1), lasts: m.For, service: m.Service,
		jobs: func(seed uint64) (func() sim.Source, error) {
			m := m
			m.Seed = seed
			return m.Jobs, nil
		},
	}
}

// loads returns all that are played, in the order of docs/simulating.md.
func loads() []aLoad {
	const s = time.Second
	sparse := made("sparse", load.Made{Pattern: load.Sparse, Rate: 5.0 / 86400, Service: 30 * s, Spread: load.Fixed})
	sparse.policy, sparse.lasts, sparse.seeds = fmt.Sprintf(two, 0), 7*24*time.Hour, 1
	sparse.jobs = func(seed uint64) (func() sim.Source, error) {
		return load.Made{
			Pattern: load.Sparse, Rate: 5.0 / 86400, Period: time.Hour, Service: 30 * s, Spread: load.Fixed,
			Shares: tenth, For: 7 * 24 * time.Hour, Seed: seed,
		}.Jobs, nil
	}
	over := func(name string, rate float64) aLoad {
		l := made(name, load.Made{Pattern: load.Poisson, Rate: rate, Service: 10 * s, Shares: bulky})
		l.policy = three
		return l
	}
	all := []aLoad{
		made("poisson-small", load.Made{Pattern: load.Poisson, Rate: 0.4, Service: 5 * s}),
		made("poisson-short", load.Made{Pattern: load.Poisson, Rate: 10, Service: 200 * time.Millisecond}),
		made("poisson-long", load.Made{Pattern: load.Poisson, Rate: 1.0 / 6, Service: 60 * s}),
		made("heavy-tail", load.Made{Pattern: load.HeavyTail, Rate: 1.2, Service: 10 * s}),
		made("step", load.Made{Pattern: load.Step, Rate: 3, Service: 5 * s}),
		made("flash", load.Made{Pattern: load.Flash, Rate: 0.5, Period: 30 * time.Minute, Service: 5 * s}),
		made("square-60", load.Made{Pattern: load.Square, Rate: 4, Period: time.Minute, Service: 5 * s}),
		made("square-300", load.Made{Pattern: load.Square, Rate: 4, Period: 5 * time.Minute, Service: 5 * s}),
		made("diurnal", load.Made{Pattern: load.Diurnal, Rate: 2.5, Service: 5 * s}),
		made("batch", load.Made{
			Pattern: load.Batch, Rate: 200.0 / 600, Period: 10 * time.Minute, Service: 10 * s, Spread: load.Fixed,
		}),
		sparse,
		over("bulk-1.1", 4.4),
		over("bulk-1.5", 6),
		onOneBudget(), eightPools(), longer(),
	}
	if dir := os.Getenv("SIREN_TRACES"); dir != "" {
		all = append([]aLoad{azure(dir, "azure", fmt.Sprintf(two, 1), tenth)}, all...)
		all = append(all, azure(dir, "azure-bulk", three, bulky))
	}
	return all
}

// azure is the trace: real arrivals and sizes, invented lanes.
func azure(dir, name, policy string, shares []float64) aLoad {
	return aLoad{
		name: name, policy: policy, lasts: time.Hour, service: 4800 * time.Millisecond,
		jobs: func(seed uint64) (func() sim.Source, error) {
			f, err := os.Open(filepath.Join(dir, trace))
			if err != nil {
				return nil, err
			}
			defer f.Close()
			jobs, err := load.Azure(f, shares, seed)
			return jobs.Jobs, err
		},
	}
}

// policyOf reads a load's policy, with D.
func (l aLoad) policyOf(cold time.Duration) (*lanes.Policy, error) {
	return lanes.Parse(fmt.Appendf(nil, "%stiming: {coldStart: %s}\n", l.policy, cold))
}
