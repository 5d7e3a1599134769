package rival

import (
	"context"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

// Contender is one way to run the policy's lanes, as it is set: which pools there are, and who scales them.
type Contender struct {
	Name    string // of the law and of how the lanes are served
	Setting string // what somebody has to choose; "": nothing
	policy  func(*lanes.Policy) *lanes.Policy
	scaler  func(sim.Config, Known) sim.Controller
	change  func(*sim.Config)
}

// Known is what some contenders are told of the load beforehand.
type Known struct {
	Service time.Duration     // the mean service time
	Jobs    func() sim.Source // all jobs, from the beginning
}

// Static reports whether it never scales.
func (n Contender) Static() bool { return n.Name == staticFleet }

// Run plays a load, of which c.Load is a fresh copy, unless ctx ends before. c.Policy is Siren's: the contender makes
// its own of it.
func (n Contender) Run(ctx context.Context, c sim.Config, k Known) (*sim.Result, error) {
	c.Policy = n.policy(c.Policy)
	if n.change != nil {
		n.change(&c)
	}
	return sim.Run(ctx, c, n.scaler(c, k))
}

// Siren returns the project's own scaler, with its defaults.
func Siren() Contender {
	return Contender{
		Name: "Siren", policy: func(p *lanes.Policy) *lanes.Policy { return p },
		scaler: func(c sim.Config, _ Known) sim.Controller { return sim.NewSiren(c.Policy) },
	}
}

// How the lanes are served.
const (
	oneQueue = "one strict-priority queue"
	perLane  = "a Deployment per lane"
)

// Few returns the rivals as most people set them: one of each, and where that pays a tuned one.
func Few(budget int) []Contender {
	soon := jobs(5 * time.Second)
	soon.Name = "ScaledJob, tuned, a pod per job"
	return []Contender{
		keda("KEDA, its defaults, "+perLane, PerLane, *Usual(1)),
		keda("KEDA, tuned, "+oneQueue, OneQueue, KEDA{
			HTTP: true, Value: 1, Poll: 5 * time.Second, Cooldown: 5 * time.Minute, Window: 5 * time.Minute,
			Tolerance: 0.1, Fast: true,
		}),
		jobs(30 * time.Second), soon, knative(oneQueue, OneQueue), aws(), textbook(),
		static(budget), seer(),
	}
}

// Grid returns the rivals in all settings that are compared.
func Grid(budget int) (all []Contender) {
	for _, http := range []bool{false, true} {
		for _, value := range []float64{1, 2, 5, 20} {
			for _, window := range []time.Duration{0, time.Minute, 5 * time.Minute} {
				for _, fast := range []bool{false, true} {
					k := *Usual(value)
					k.HTTP, k.Window, k.Fast = http, window, fast
					if fast {
						k.Poll, k.Tolerance = 5*time.Second, 0
					}
					all = append(all, keda("KEDA, "+oneQueue, OneQueue, k))
					if value <= 5 {
						all = append(all, keda("KEDA, "+perLane, PerLane, k))
					}
				}
			}
		}
	}
	for _, value := range []float64{5, 15, 30} {
		for _, window := range []time.Duration{0, 5 * time.Minute} {
			k := *Usual(value)
			k.ETA, k.Window, k.Poll, k.Fast = true, window, 5*time.Second, true
			all = append(all, keda("KEDA, "+oneQueue, OneQueue, k))
		}
	}
	for _, poll := range []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second} {
		all = append(all, jobs(poll))
	}
	all = append(all, knative(oneQueue, OneQueue), knative(perLane, PerLane), aws(), textbook())
	for _, part := range []float64{0.1, 0.25, 0.5, 0.75, 1} {
		all = append(all, static(max(1, int(part*float64(budget)))))
	}
	return all
}

// Bound returns the clairvoyant one.
func Bound() Contender { return seer() }

func keda(name string, policy func(*lanes.Policy) *lanes.Policy, k KEDA) Contender {
	protocol := "amqp"
	if k.HTTP {
		protocol = "http"
	}
	setting := fmt.Sprintf("%s, value %g", protocol, k.Value)
	if k.ETA {
		setting = fmt.Sprintf("ExpectedQueueConsumptionTime %g s", k.Value)
	}
	setting += fmt.Sprintf(", poll %s, window %s, tolerance %g", lanes.Duration(k.Poll), lanes.Duration(k.Window),
		k.Tolerance)
	if k.Fast {
		setting += ", no limit to growth"
	}
	return Contender{Name: name, Setting: setting, policy: policy, scaler: func(sim.Config, Known) sim.Controller {
		fresh := k
		return &fresh
	}}
}

func jobs(poll time.Duration) Contender {
	return Contender{
		Name: "ScaledJob, a pod per job", Setting: "poll " + lanes.Duration(poll).String(), policy: withoutMin,
		scaler: func(sim.Config, Known) sim.Controller { return ScaledJob{Poll: poll} },
		change: func(c *sim.Config) { c.OneJob = true },
	}
}

func withoutMin(p *lanes.Policy) *lanes.Policy {
	q := OneQueue(p)
	q.Pools[0].Min = 0
	return q
}

func knative(name string, policy func(*lanes.Policy) *lanes.Policy) Contender {
	return Contender{
		Name: "Knative KPA, " + name, policy: policy,
		scaler: func(sim.Config, Known) sim.Controller { return &Knative{} },
	}
}

func aws() Contender {
	return Contender{
		Name: "AWS backlog per instance, one queue", Setting: "the service time known", policy: OneQueue,
		scaler: func(_ sim.Config, k Known) sim.Controller { return &AWS{Service: k.Service} },
	}
}

func textbook() Contender {
	return Contender{
		Name: "Erlang C on the last minute's rate", Setting: "the service time known", policy: OneQueue,
		scaler: func(_ sim.Config, k Known) sim.Controller { return &Staffing{Service: k.Service} },
	}
}

const staticFleet = "a static fleet"

func static(workers int) Contender {
	return Contender{
		Name: staticFleet, Setting: fmt.Sprintf("%d workers", workers),
		policy: func(p *lanes.Policy) *lanes.Policy { return Fixed(p, workers) },
		scaler: func(sim.Config, Known) sim.Controller { return Static{} },
	}
}

func seer() Contender {
	return Contender{
		Name: "clairvoyant, as a bound", policy: OneQueue, change: func(c *sim.Config) { c.Lag = 0 },
		scaler: func(c sim.Config, k Known) sim.Controller { return NewClairvoyant(k.Jobs(), c.For, c.Cold.Median) },
	}
}
