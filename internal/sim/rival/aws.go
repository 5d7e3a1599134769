package rival

import (
	"fmt"
	"math"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// AWS is target tracking on the backlog per instance, as Amazon's guide has it for queues: the acceptable backlog is
// the time that a job may wait over the time that one takes. The metric comes once a minute; three in a row above the
// target scale out, fifteen below nine tenths of it scale in (the alarms that a policy makes).
type AWS struct {
	Service time.Duration // that a job takes, known

	pools []tracked
}

// tracked is a pool's alarms.
type tracked struct{ above, below int }

// Every implements sim.Controller.
func (*AWS) Every() time.Duration { return time.Minute }

// Decide implements sim.Controller.
func (a *AWS) Decide(v *sim.View) sim.Wanted {
	var w sim.Wanted
	for i, q := range v.Policy().Pools {
		if len(a.pools) <= i {
			a.pools = append(a.pools, tracked{})
		}
		backlog, within := 0, time.Duration(0)
		for _, name := range q.Lanes {
			l := v.Policy().Rank(name)
			backlog += v.Ready(l)
			within = max(within, v.Policy().Lanes[l].StartWithin.D()) // of the lane that most jobs are for
		}
		up, _ := v.Up(i)
		pods := v.Replicas(i)
		target := max(1, within.Seconds()/a.Service.Seconds())
		metric := float64(backlog) / float64(max(1, up))
		to := min(max(a.pools[i].want(pods, metric, target), q.Min), q.Max)
		if to != pods {
			w.Plans = append(w.Plans, fleet.Plan{
				Pool: q.Name, From: pods, To: to,
				Why: fmt.Sprintf("%d → %d: a backlog of %.1f per instance where %.1f is the target", pods, to, metric,
					target),
			})
		}
	}
	return w
}

// want returns the capacity for a metric that just came.
func (t *tracked) want(pods int, metric, target float64) int {
	t.above, t.below = t.above+1, t.below+1
	if metric <= target {
		t.above = 0
	}
	if metric >= 0.9*target {
		t.below = 0
	}
	wanted := int(math.Ceil(float64(max(1, pods)) * metric / target))
	switch {
	case t.above >= 3:
		return max(pods, wanted)
	case t.below >= 15:
		t.below = 0
		return min(pods, wanted)
	default:
		return pods
	}
}
