package law

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// BenchmarkDecide is what one tick of the scaler costs beside its I/O, at 1,000 lanes, 200 pools and 10,000 workers
// (docs/benchmarks.md).
func BenchmarkDecide(b *testing.B) {
	p, o, h := fleetOf(200)
	b.ReportAllocs()
	for b.Loop() {
		Decide(p, o, h)
	}
}

// A tick makes about 100 allocations for each of these pools, and twice the fleet twice as many. This says nothing of
// work that allocates nothing, for which there is the benchmark: a test doesn't look at the clock.
func TestDecideAllocatesWithTheFleet(t *testing.T) {
	allocs := func(pools int) float64 {
		p, o, h := fleetOf(pools)
		return testing.AllocsPerRun(3, func() { Decide(p, o, h) })
	}
	few, twice := allocs(10), allocs(20)
	if twice > 20*120 {
		t.Errorf("%.0f allocations for 20 pools, want at most 120 for each", twice)
	}
	if twice > 2.2*few {
		t.Errorf("%.0f allocations for 20 pools, but %.0f for 10", twice, few)
	}
}

// fleetOf is a busy fleet of so many pools, and what the scaler remembers of it after a minute. Each pool is home to
// five lanes and takes the next pool's as guests; of its fifty workers of two slots some are idle, some parked, some
// run guests.
func fleetOf(pools int) (*lanes.Policy, facts.Observation, facts.History) {
	const lanesEach, workersEach, minute = 5, 50, 60
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	p := &lanes.Policy{Budget: pools * workersEach}
	lane := func(pool, i int) string { return fmt.Sprintf("lane-%d", (pool%pools)*lanesEach+i) }
	worker := func(pool, i int) string { return fmt.Sprintf("pool-%d-%d", pool, i) }
	for pool := range pools {
		q := lanes.Pool{Name: fmt.Sprintf("pool-%d", pool), Slots: 2, Min: 1, Max: 2 * workersEach}
		for i := range lanesEach {
			l := lanes.Lane{Name: lane(pool, i), StartWithin: lanes.Duration(time.Duration(i+1) * time.Minute)}
			if pool+i > 0 { // the first one is the default lane
				l.Match = []string{"lane=" + l.Name}
			}
			p.Lanes = append(p.Lanes, l)
			q.Lanes, q.Guests = append(q.Lanes, l.Name), append(q.Guests, lane(pool+1, i))
		}
		q.Shoulder = map[string]int{q.Lanes[0]: 1}
		p.Pools = append(p.Pools, q)
	}
	p.Default()

	waits := slices.Repeat([]int64{900, 1000}, fleet.RecentWaits/2)
	// look is what is seen at one second of the minute.
	look := func(second int) facts.Observation {
		o := facts.Observation{
			At: at.Add(time.Duration(second) * time.Second), Depths: map[string]fleet.Depth{},
			Pools: map[string]fleet.PoolState{},
		}
		for i, l := range p.Lanes {
			o.Depths[l.Name] = fleet.Depth{Ready: (i + second) % 40, Consumers: workersEach}
		}
		for pool, q := range p.Pools {
			state := fleet.PoolState{Replicas: workersEach}
			for i := range workersEach {
				hb := fleet.Heartbeat{
					Worker: worker(pool, i), Pool: q.Name, At: o.At, Began: at.Add(-time.Hour), Slots: 2, Shoulder: 1,
					Subscribed: true,
					Parked:     i%10 == 9, Lanes: map[string]fleet.LaneWork{},
				}
				for slot := range i % 3 { // none, one or both of its slots run a job
					l := q.Lanes[(i+slot)%lanesEach]
					if i%7 == 0 {
						l = q.Guests[i%lanesEach]
					}
					hb.Running = append(hb.Running,
						fleet.Run{Job: fmt.Sprintf("%s-%d", hb.Worker, slot), Lane: l, Since: o.At.Add(-time.Second)})
				}
				for j, l := range q.Lanes {
					done := 1000 + int64(second+i+5*j)/25 // each worker ends a job every five seconds
					hb.Lanes[l] = fleet.LaneWork{
						Started: done + 1, Finished: done, Service: lanes.Duration(done * int64(2*time.Second)),
						LastReady: o.At.Add(-time.Second),
						First:     done + 1, Waits: waits,
					}
				}
				o.Workers = append(o.Workers, hb)
				state.Members = append(state.Members, fleet.Member{Name: hb.Worker, CreatedAt: at.Add(-time.Hour)})
			}
			o.Pools[q.Name] = state
		}
		return o
	}
	var h facts.History
	for second := 0; second < minute; second += 5 {
		_, h = Decide(p, look(second), h)
	}
	_, h = Decide(p, look(minute-1), h)
	return p, look(minute), h
}
