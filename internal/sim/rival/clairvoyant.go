package rival

import (
	"container/heap"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Clairvoyant knows every job beforehand: it has as many workers as jobs run when none waits, started a cold start
// early, and removes idle ones that it doesn't need within two. Nobody who doesn't know the future reaches it; who
// lets jobs wait as long as their objective allows may still be cheaper. Play it on one pool, without a Lag.
type Clairvoyant struct {
	cold  time.Duration
	needs []int32 // the most jobs that run in each second
}

// NewClairvoyant looks at all jobs of a load.
func NewClairvoyant(jobs sim.Source, lasts, cold time.Duration) *Clairvoyant {
	c := &Clairvoyant{cold: cold, needs: make([]int32, int(lasts/time.Second)+2)}
	var ends times
	second := -1
	to := func(at time.Duration) { // when the second begins, and at the moment
		for second < min(len(c.needs)-1, int(at/time.Second)) {
			second++
			ends.before(time.Duration(second) * time.Second)
			c.needs[second] = int32(len(ends))
		}
		ends.before(at)
	}
	for {
		j, ok := jobs.Next()
		if !ok || j.At > lasts {
			to(lasts)
			return c
		}
		to(j.At)
		heap.Push(&ends, j.At+j.Service)
		c.needs[second] = max(c.needs[second], int32(len(ends)))
	}
}

// Every implements sim.Controller.
func (*Clairvoyant) Every() time.Duration { return time.Second }

// Decide implements sim.Controller.
func (c *Clairvoyant) Decide(v *sim.View) sim.Wanted {
	q := v.Policy().Pools[0]
	pods := v.Replicas(0)
	now := int(v.Since() / time.Second)
	need := int32(0)
	for s := now; s <= min(len(c.needs)-1, now+int(2*c.cold/time.Second)+2); s++ {
		need = max(need, c.needs[s])
	}
	waiting := 0
	for l := range v.Policy().Lanes {
		waiting += v.Ready(l) + v.Running(l)
	}
	want := min(max(int(need), q.Min, min(waiting, pods)), q.Max)
	p := fleet.Plan{Pool: q.Name, From: pods, To: want, Why: "it knows"}
	if want < pods {
		idle := v.Idle(0)
		p.Remove = idle[:min(len(idle), pods-want)]
		p.To = pods - len(p.Remove)
	}
	if p.To == pods {
		return sim.Wanted{}
	}
	return sim.Wanted{Plans: []fleet.Plan{p}}
}

// times are when running jobs end, the first one first.
type times []time.Duration

// before drops those that have ended by then.
func (t *times) before(at time.Duration) {
	for len(*t) > 0 && (*t)[0] <= at {
		heap.Pop(t)
	}
}

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i] < t[j] }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *times) Push(x any)        { *t = append(*t, x.(time.Duration)) }
func (t *times) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	*t = (*t)[:last]
	return x
}
