package rival

import (
	"fmt"
	"math"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Knative is Knative's pod autoscaler on concurrency, for each pool: the mean of a minute over a target of 0.7 for each
// slot, and of 6 s while that is twice what is there (knative.dev/serving/pkg/autoscaler/scaling, v1.15). Jobs that
// wait count as requests in the activator do.
type Knative struct{ pools []kpa }

// kpa is what is remembered of one.
type kpa struct {
	seen     []float64 // concurrency of the last minute, each two seconds
	panicked time.Duration
	panics   bool
	most     int // wanted since the panic began
}

const (
	kpaEvery  = 2 * time.Second
	kpaStable = 30 // looks in a minute
	kpaPanic  = 3  // in six seconds
	kpaUsed   = 0.7
)

// Every implements sim.Controller.
func (*Knative) Every() time.Duration { return kpaEvery }

// Decide implements sim.Controller.
func (k *Knative) Decide(v *sim.View) sim.Wanted {
	var w sim.Wanted
	for i, q := range v.Policy().Pools {
		if len(k.pools) <= i {
			k.pools = append(k.pools, kpa{})
		}
		in := 0
		for _, name := range q.Lanes {
			l := v.Policy().Rank(name)
			in += v.Ready(l) + v.Running(l)
		}
		ready, _ := v.Up(i)
		pods := v.Replicas(i)
		to := k.pools[i].want(v.Since(), float64(in), ready, float64(q.Slots))
		if to = min(max(to, q.Min), q.Max); to != pods {
			w.Plans = append(w.Plans, fleet.Plan{
				Pool: q.Name, From: pods, To: to, Why: fmt.Sprintf("%d → %d: %d jobs", pods, to, in),
			})
		}
	}
	return w
}

// want returns the pods for a concurrency that was just seen.
func (k *kpa) want(now time.Duration, in float64, ready int, slots float64) int {
	k.seen = append(k.seen, in)
	k.seen = k.seen[max(0, len(k.seen)-kpaStable):]
	target := kpaUsed * slots
	stable := int(math.Ceil(mean(k.seen) / target))
	burst := int(math.Ceil(mean(k.seen[max(0, len(k.seen)-kpaPanic):]) / target))
	least := ready / 2 // it shrinks by half at most
	stable, burst = max(stable, least), max(burst, least)
	there := max(1, ready)
	if burst >= 2*there {
		k.panics, k.panicked = true, now
	} else if k.panics && now-k.panicked > time.Minute {
		k.panics, k.most = false, 0
	}
	if !k.panics {
		return stable
	}
	k.most = max(k.most, burst) // in a panic it never shrinks
	return k.most
}

func mean(xs []float64) (sum float64) {
	for _, x := range xs {
		sum += x
	}
	return sum / float64(max(1, len(xs)))
}
