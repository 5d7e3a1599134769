package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
)

// The loads here are those on which the law is known to be weak.

// budgeted is two pools on one budget, which binds every other minute.
const budgeted = `
lanes:
  - {name: urgent, match: ["urgent=true"], startWithin: 30s}
  - {name: slow, startWithin: 5m}
pools:
  - {name: a, lanes: [urgent], max: 20}
  - {name: b, lanes: [slow], max: 20}
budget: 20
` + storage

// onOneBudget is a busy minute of short urgent jobs after each quiet one, and long ones all the time: 18 workers would
// serve both.
func onOneBudget() aLoad {
	const lasts = time.Hour
	return aLoad{
		name: "one-budget", policy: budgeted, lasts: lasts, service: 12 * time.Second,
		jobs: func(seed uint64) (func() sim.Source, error) {
			urgent := load.Made{
				Pattern: load.Square, Rate: 2, Period: 2 * time.Minute, Service: 5 * time.Second,
				Spread: load.Exponential, Shares: []float64{1, 0}, For: lasts, Seed: seed,
			}
			slow := load.Made{
				Pattern: load.Poisson, Rate: 0.1, Period: time.Hour, Service: 80 * time.Second,
				Spread: load.Exponential, Shares: []float64{0, 1}, For: lasts, Seed: seed + 1000,
			}
			return func() sim.Source { return load.Merge(urgent.Jobs(), slow.Jobs()) }, nil
		},
	}
}

// eightPools is twenty lanes in eight pools on a budget of 60, each lane on and off at its own pace: 30 erlangs in the
// mean, twice that when all are on.
func eightPools() aLoad {
	const lanes, pools, lasts = 20, 8, time.Hour
	within := []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}
	var laneText, poolText strings.Builder
	homes := make([][]string, pools)
	for i := range lanes {
		match := ""
		if i < lanes-1 {
			match = fmt.Sprintf("match: [\"lane=l%d\"], ", i)
		}
		fmt.Fprintf(&laneText, "  - {name: l%d, %sstartWithin: %s}\n", i, match, within[i*len(within)/lanes])
		homes[i%pools] = append(homes[i%pools], fmt.Sprintf("l%d", i))
	}
	for i, home := range homes {
		fmt.Fprintf(&poolText, "  - {name: p%d, lanes: [%s], max: 60}\n", i, strings.Join(home, ", "))
	}
	return aLoad{
		name: "eight-pools", lasts: lasts, service: 15 * time.Second,
		policy: "lanes:\n" + laneText.String() + "pools:\n" + poolText.String() + "budget: 60\n" + storage,
		jobs: func(seed uint64) (func() sim.Source, error) {
			return func() sim.Source {
				var all []sim.Source
				for i := range lanes {
					service := time.Duration(5*(1+i%4)) * time.Second
					shares := make([]float64, lanes)
					shares[i] = 1
					all = append(all, load.Made{
						Pattern: load.Square, Rate: 3 / service.Seconds(), Period: time.Duration(2+i%5) * time.Minute,
						Service: service, Spread: load.Exponential, Shares: shares, For: lasts,
						Seed: seed*100 + uint64(i),
					}.Jobs())
				}
				return load.Merge(all...)
			}, nil
		},
	}
}

// longer is many jobs of 5 s, and eight of 20 s at once every five minutes: longer than what was learnt, and one more
// than there are workers.
func longer() aLoad {
	const lasts = time.Hour
	return aLoad{
		name: "longer", lasts: lasts, service: 6 * time.Second,
		policy: "lanes: [{name: only, startWithin: 10s}]\n" +
			"pools: [{name: p, lanes: [only], min: 7, max: 10}]\nbudget: 10\n" + storage,
		jobs: func(seed uint64) (func() sim.Source, error) {
			usual := load.Made{
				Pattern: load.Poisson, Rate: 0.5, Period: time.Hour, Service: 5 * time.Second,
				Spread: load.Exponential, Shares: []float64{1}, For: lasts, Seed: seed,
			}
			long := load.Made{
				Pattern: load.Batch, Rate: 8.0 / 300, Period: 5 * time.Minute, Service: 20 * time.Second,
				Spread: load.Fixed, Shares: []float64{1}, For: lasts, Seed: seed,
			}
			return func() sim.Source { return load.Merge(usual.Jobs(), long.Jobs()) }, nil
		},
	}
}
