package rival

import (
	"slices"

	"github.com/polyglot-media/siren/lanes"
)

// OneQueue returns the policy as somebody has it who has one Deployment and one queue with strict priorities: one pool
// for all lanes, as many slots as Siren's smallest worker has, no shoulder, no promotion. It may have the whole budget.
func OneQueue(p *lanes.Policy) *lanes.Policy {
	q := plainly(p)
	q.Pools = []lanes.Pool{{
		Name: "all", Lanes: p.LaneNames(), Slots: slots(p), Min: minimum(p), Max: p.Budget, Slot: p.Pools[0].Slot,
	}}
	return q
}

// PerLane returns the policy as somebody has it who has a Deployment and a queue for each lane. Nothing shares the
// budget between ScaledObjects, so it is divided beforehand: a fifth for the most urgent lane, the rest evenly.
func PerLane(p *lanes.Policy) *lanes.Policy {
	q := plainly(p)
	q.Pools = nil
	n := len(p.Lanes)
	for i, l := range p.Lanes {
		most := p.Budget
		if n > 1 {
			first := max(1, p.Budget/5)
			if most = first; i > 0 {
				most = max(1, (p.Budget-first)/(n-1))
			}
		}
		least := 0
		if home, ok := p.Home(l.Name); ok && home.Min > 0 && (i == 0 || l.Name == p.DefaultLane()) {
			least = 1
		}
		q.Pools = append(q.Pools, lanes.Pool{
			Name: l.Name, Lanes: []string{l.Name}, Slots: slots(p), Min: min(least, most), Max: most,
			Slot: p.Pools[0].Slot,
		})
	}
	return q
}

// Fixed returns the policy with one pool of so many workers, whatever comes.
func Fixed(p *lanes.Policy, workers int) *lanes.Policy {
	q := OneQueue(p)
	q.Pools[0].Min, q.Pools[0].Max, q.Budget = workers, workers, max(workers, q.Budget)
	return q
}

// plainly returns the policy's lanes without what only Siren has.
func plainly(p *lanes.Policy) *lanes.Policy {
	q := *p
	q.Lanes = slices.Clone(p.Lanes)
	for i := range q.Lanes {
		q.Lanes[i].Promote, q.Lanes[i].Reserve = nil, 0
	}
	return &q
}

// slots returns how many the smallest worker has.
func slots(p *lanes.Policy) int {
	n := p.Pools[0].Slots
	for _, q := range p.Pools {
		n = min(n, q.Slots)
	}
	return n
}

// minimum returns how many workers there are at least in all.
func minimum(p *lanes.Policy) (n int) {
	for _, q := range p.Pools {
		n += q.Min
	}
	return n
}
