package lanes

import (
	"fmt"
	"slices"
	"time"
)

// Warnings says what is allowed but seldom meant: a lane that strict order can starve, a promotion without effect, a
// maxRuntime that not every broker can give, a reserve or a max that there is no room for, a preset that means what it
// means nowhere else, an objective that nobody keeps, and no storage.
func (p *Policy) Warnings() []Problem {
	var w Problems
	ordinary := p.DefaultLane()
	for i, l := range p.Lanes {
		if need := p.ConsumerTimeout(l.Name); need > p.Broker.ConsumerTimeout.D() { // validated: it is a quorum lane
			w.add(fmt.Sprintf("lanes[%d].maxRuntime", i),
				"%s needs RabbitMQ 4.0 or newer, which lets a worker keep a job of this lane for %s; "+
					"an older one takes it away after %s (broker.consumerTimeout)", l.MaxRuntime, Duration(need),
				p.Broker.ConsumerTimeout)
		}
		if l.StartWithin < leastStart {
			w.add(fmt.Sprintf("lanes[%d].startWithin", i), "no fleet keeps %s: to take a job from the broker and "+
				"start its program takes longer; write %s or more", l.StartWithin, leastStart)
		}
		home, _ := p.Home(l.Name)
		if i > p.Rank(ordinary) && l.Promote == nil && slices.Contains(home.Lanes, ordinary) {
			w.add(fmt.Sprintf("lanes[%d]", i), "%q shares pool %q with the more urgent %q and starves while that "+
				"alone keeps the pool full; "+
				"give it promote, or a pool of its own", l.Name, home.Name, ordinary)
		}
		if l.Promote != nil && !slices.ContainsFunc(p.Pools, func(q Pool) bool {
			return q.serves(l.Name) && q.serves(l.Promote.To)
		}) {
			w.add(fmt.Sprintf("lanes[%d].promote", i),
				"no pool serves both %q and %q, so there is nothing to take turns for; "+
					"make %q a guest of the pool of %q", l.Name, l.Promote.To, l.Name, l.Promote.To)
		}
	}
	p.warnOfReserves(&w)
	for i, q := range p.Pools {
		if q.Max > p.Budget {
			w.add(fmt.Sprintf("pools[%d].max", i), "%q may have %d workers, but the budget of all pools together is "+
				"%d; raise the budget, too", q.Name, q.Max, p.Budget)
		}
	}
	p.warnOfColdStarts(&w)
	p.warnOfPresets(&w)
	if len(p.Storage) == 0 {
		w.add("storage", "is empty: jobs may read and write nothing, so each fails; list the URL prefixes that they "+
			"may use")
	}
	return w
}

// leastStart is the shortest objective that makes sense.
const leastStart = Duration(100 * time.Millisecond)

// warnOfColdStarts warns of lanes whose objective is shorter than a cold start where pools have to share the budget: a
// worker that one of them gets from another comes too late. What a lane's own shoulder takes waits for no worker.
func (p *Policy) warnOfColdStarts(w *Problems) {
	most := 0
	for _, q := range p.Pools {
		most += q.Max
	}
	if len(p.Pools) < 2 || most <= p.Budget {
		return
	}
	for i, l := range p.Lanes {
		home, _ := p.Home(l.Name)
		if l.StartWithin < p.Timing.ColdStart && home.Shoulder[l.Name] == 0 {
			w.add(fmt.Sprintf("lanes[%d].startWithin", i), "is shorter than timing.coldStart, %s, and the pools may "+
				"have %d workers together where the budget is %d: a worker that pool %q gets when another gives it up "+
				"comes too late; raise the budget, or the pool's min", p.Timing.ColdStart, most, p.Budget, home.Name)
		}
	}
}

// warnOfReserves warns of lanes that are to have more free slots than there can be.
func (p *Policy) warnOfReserves(w *Problems) {
	for i, l := range p.Lanes {
		home, _ := p.Home(l.Name)
		if most := home.Max * home.Shoulder[l.Name]; l.Reserve > most {
			w.add(fmt.Sprintf("lanes[%d].reserve", i), "%d slots are to be free, but %q has %d shoulder slots at "+
				"most; lower it, or raise the pool's max or shoulder", l.Reserve, home.Name, most)
		}
	}
}
