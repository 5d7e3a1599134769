package rival

import (
	"fmt"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// ScaledJob is KEDA's ScaledJob for each pool: a pod for each waiting job, which ends with it, as SVT Encore has it.
// Its strategy is "accurate", since by amqp only ready messages are counted. Play it with Config.OneJob.
type ScaledJob struct{ Poll time.Duration }

// Every implements sim.Controller.
func (s ScaledJob) Every() time.Duration { return s.Poll }

// Decide implements sim.Controller.
func (s ScaledJob) Decide(v *sim.View) sim.Wanted {
	var w sim.Wanted
	for i, q := range v.Policy().Pools {
		ready := 0
		for _, name := range q.Lanes {
			ready += v.Ready(v.Policy().Rank(name))
		}
		_, pending := v.Up(i)
		pods := v.Replicas(i)
		if more := newJobs(min(ready, q.Max), pods, pending, q.Max); more > 0 {
			w.Plans = append(w.Plans, fleet.Plan{
				Pool: q.Name, From: pods, To: pods + more, Why: fmt.Sprintf("%d jobs wait", ready),
			})
		}
	}
	return w
}

// newJobs returns how many pods are made: the accurate strategy of ScaledJobs, in which those that run include pending
// ones.
func newJobs(wanted, running, pending, maximum int) int {
	if wanted+running > maximum {
		return max(0, maximum-running)
	}
	return max(0, wanted-pending)
}
