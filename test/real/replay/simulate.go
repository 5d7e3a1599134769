package replay

import (
	"context"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

// Simulate plays what was measured in the simulator, so many times: chance is how ticks and heartbeats lie to the jobs.
func Simulate(
	ctx context.Context, p *lanes.Policy, m Measured, lasts time.Duration, times int,
) (all []Outcome, err error) {
	for i := range times {
		jobs := slices.Clone(m.Load)
		for k := range jobs {
			jobs[k].At += time.Duration(i) * time.Second / time.Duration(times)
		}
		c := sim.NewConfig(p, jobs.Jobs(), lasts)
		c.Seed, c.Cold, c.Leave, c.Sample = uint64(i+1), m.Cold, m.Leave, time.Second
		c.Lag = 0             // a local fleet acts at once
		c.FreeShoulder = true // the jobs wait for their input: none takes another's core
		r, err := sim.Run(ctx, c, sim.NewSiren(p))
		if err != nil {
			return nil, err
		}
		all = append(all, outcomeOf(r))
	}
	return all, nil
}

func outcomeOf(r *sim.Result) Outcome {
	o := Outcome{WorkerSeconds: r.Total.WorkerSeconds(), Starts: r.Total.Starts}
	for _, l := range r.Lanes {
		o.Lanes = append(o.Lanes, Waits{l.Name, l.Started, l.P50.D(), l.P95.D()})
	}
	for _, pt := range r.Series {
		n := 0
		for _, q := range pt.Pools {
			n += q.Busy + q.Idle + q.Starting + q.Parked + q.Leaving
		}
		o.Fleet = append(o.Fleet, n)
	}
	if len(o.Fleet) > 0 { // the first point is of the first second's end
		o.Fleet = append([]int{o.Fleet[0]}, o.Fleet...)
	}
	return o
}

// Median returns the outcome whose every figure is the median of all.
func Median(all []Outcome) Outcome {
	m := Outcome{
		WorkerSeconds: median(all, func(o Outcome) float64 { return o.WorkerSeconds }),
		Starts:        median(all, func(o Outcome) int { return o.Starts }),
	}
	for i, l := range all[0].Lanes {
		m.Lanes = append(m.Lanes, Waits{
			l.Lane, l.Jobs, median(all, func(o Outcome) time.Duration { return o.Lanes[i].P50 }),
			median(all, func(o Outcome) time.Duration { return o.Lanes[i].P95 }),
		})
	}
	for s := range all[0].Fleet {
		m.Fleet = append(m.Fleet, median(all, func(o Outcome) int { return o.Fleet[min(s, len(o.Fleet)-1)] }))
	}
	return m
}

func median[V int | float64 | time.Duration](all []Outcome, of func(Outcome) V) V {
	values := make([]V, len(all))
	for i, o := range all {
		values[i] = of(o)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
