package rival

import (
	"fmt"
	"math"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Staffing is the textbook: the fewest servers with which 95 % of each lane's jobs start in time, by Erlang C on the
// arrival rate of the last minute. The service time is known.
type Staffing struct {
	Service time.Duration

	arrived [][]int // by lane, each of the last looks
}

const (
	staffEvery = 15 * time.Second
	staffLooks = 5 // a minute is four of them apart
)

// Every implements sim.Controller.
func (*Staffing) Every() time.Duration { return staffEvery }

// Decide implements sim.Controller.
func (s *Staffing) Decide(v *sim.View) sim.Wanted {
	var w sim.Wanted
	rates := s.rates(v)
	for i, q := range v.Policy().Pools {
		var loads, within []float64
		waiting := 0
		for _, name := range q.Lanes {
			l := v.Policy().Rank(name)
			loads = append(loads, rates[l]*s.Service.Seconds())
			within = append(within, v.Policy().Lanes[l].StartWithin.D().Seconds())
			waiting += v.Ready(l)
		}
		pods := v.Replicas(i)
		servers := serversFor(loads, within, s.Service.Seconds())
		if waiting > 0 {
			servers = max(servers, 1)
		}
		to := min(max((servers+q.Slots-1)/q.Slots, q.Min), q.Max)
		if to != pods {
			w.Plans = append(w.Plans, fleet.Plan{
				Pool: q.Name, From: pods, To: to, Why: fmt.Sprintf("%d → %d: %.1f erlangs", pods, to, sum(loads)),
			})
		}
	}
	return w
}

// rates returns each lane's arrivals a second.
func (s *Staffing) rates(v *sim.View) []float64 {
	n := len(v.Policy().Lanes)
	if s.arrived == nil {
		s.arrived = make([][]int, n)
	}
	rates := make([]float64, n)
	for l := range n {
		seen := append(s.arrived[l], v.Arrived(l))
		seen = seen[max(0, len(seen)-staffLooks):]
		s.arrived[l] = seen
		if len(seen) > 1 {
			span := float64(len(seen)-1) * staffEvery.Seconds()
			rates[l] = float64(seen[len(seen)-1]-seen[0]) / span
		}
	}
	return rates
}

// ErlangC returns the probability that a job waits, with so many servers at a load in erlangs: 1 when they can't carry
// it (A. K. Erlang, 1917; by the recursion of Erlang B, which doesn't overflow).
func ErlangC(servers int, load float64) float64 {
	if float64(servers) <= load {
		return 1
	}
	b := 1.0
	for n := 1; n <= servers; n++ {
		b = load * b / (float64(n) + load*b)
	}
	rho := load / float64(servers)
	return b / (1 - rho*(1-b))
}

// serversFor returns the fewest servers with which 95 % of each lane's jobs start in time. The lanes are given the most
// urgent first: a job waits for those of its own and the more urgent lanes alone.
func serversFor(loads, within []float64, service float64) int {
	total := sum(loads)
	if total == 0 {
		return 0
	}
	for n := int(total) + 1; ; n++ {
		waits, before, enough := ErlangC(n, total), 0.0, true
		for i, load := range loads {
			before += load
			enough = enough && waits*math.Exp(-(float64(n)-before)*within[i]/service) <= 0.05
		}
		if enough {
			return n
		}
	}
}

func sum(xs []float64) (total float64) {
	for _, x := range xs {
		total += x
	}
	return total
}
