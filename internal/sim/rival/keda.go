package rival

import (
	"fmt"
	"math"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// KEDA is a ScaledObject with a RabbitMQ trigger for each pool of the policy (pkg/scalers/rabbitmq_scaler.go, 2.21).
// KEDA itself takes a Deployment from none to one and back; between them an HPA asks it for the metric.
type KEDA struct {
	// HTTP: protocol http counts unacknowledged messages too, by statistics up to 5 s old; amqp ready ones.
	HTTP      bool
	Value     float64       // messages for each pod; with ETA the seconds in which the queue is to be empty
	ETA       bool          // mode: ExpectedQueueConsumptionTime, by http, with metricType: Value
	Poll      time.Duration // a multiple of 5 s
	Cooldown  time.Duration // after the last poll that saw messages, until the Deployment has none
	Window    time.Duration // the HPA's stabilization for scaling down
	Tolerance float64
	Fast      bool // no scaling policies: it may grow to its maximum at once

	pools []*scaledObject
}

// Usual returns what a ScaledObject has when only its value is given.
func Usual(value float64) *KEDA {
	return &KEDA{
		Value: value, Poll: 30 * time.Second, Cooldown: 5 * time.Minute, Window: 5 * time.Minute, Tolerance: 0.1,
	}
}

// scaledObject is what is remembered of one.
type scaledObject struct {
	hpa       *HPA
	seen      float64 // the messages, by the last statistics
	published float64 // a second
	delivered float64
	arrived   int
	started   int
	active    time.Duration // the last poll that saw any
}

const (
	syncEvery  = 15 * time.Second // the HPA's controller
	statsEvery = 5 * time.Second  // RabbitMQ's management plugin
	statsAt    = 2 * time.Second  // its phase, so that what is asked for is 3 s old: about the mean
)

// Every implements sim.Controller.
func (*KEDA) Every() time.Duration { return time.Second }

// Decide implements sim.Controller.
func (k *KEDA) Decide(v *sim.View) sim.Wanted {
	now := v.Since()
	var w sim.Wanted
	if at := now % statsEvery; at != 0 && at != statsAt { // neither polls nor statistics
		return w
	}
	for i, q := range v.Policy().Pools {
		if len(k.pools) <= i {
			k.pools = append(k.pools, k.newObject(q.Min, q.Max))
		}
		s := k.pools[i]
		s.look(k, v, i)
		pods := v.Replicas(i)
		to := pods
		if now%k.Poll == 0 {
			to = s.poll(k, now, to, q.Min)
		}
		if now%syncEvery == 0 && to > 0 && to == pods {
			to = s.sync(k, v, i, pods)
		}
		if to != pods {
			w.Plans = append(w.Plans, fleet.Plan{
				Pool: q.Name, From: pods, To: to,
				Why: fmt.Sprintf("%d → %d: the metric is %.1f", pods, to, s.metric(k)),
			})
		}
	}
	return w
}

func (k *KEDA) newObject(minimum, maximum int) *scaledObject {
	h := Defaults(max(1, minimum), maximum)
	h.Tolerance, h.DownAfter = k.Tolerance, k.Window
	if k.Fast {
		h.UpPods = maximum
	}
	return &scaledObject{hpa: h, active: -k.Cooldown}
}

// look takes in what the broker says.
func (s *scaledObject) look(k *KEDA, v *sim.View, pool int) {
	now := v.Since()
	if k.HTTP || k.ETA {
		if now%statsEvery != statsAt {
			return
		}
	}
	messages, arrived, started := 0, 0, 0
	for _, name := range v.Policy().Pools[pool].Lanes {
		l := v.Policy().Rank(name)
		messages += v.Ready(l)
		if k.HTTP || k.ETA {
			messages += v.Running(l)
		}
		arrived += v.Arrived(l)
		started += v.Ended(l) + v.Running(l)
	}
	s.published = float64(arrived-s.arrived) / statsEvery.Seconds()
	s.delivered = max(0, float64(started-s.started)/statsEvery.Seconds())
	s.seen, s.arrived, s.started = float64(messages), arrived, started
}

// metric returns what the HPA is told.
func (s *scaledObject) metric(k *KEDA) float64 {
	switch {
	case !k.ETA:
		return s.seen
	case s.seen == 0 || s.delivered == 0:
		return 0
	default:
		return (s.published-s.delivered)/s.delivered + s.seen/s.delivered
	}
}

// poll is KEDA's own part: from none to one, and back.
func (s *scaledObject) poll(k *KEDA, now time.Duration, pods, minimum int) int {
	if s.seen > 0 {
		s.active = now
		return max(pods, 1)
	}
	if minimum == 0 && now-s.active >= k.Cooldown {
		return 0
	}
	return pods
}

// sync is the HPA's part.
func (s *scaledObject) sync(k *KEDA, v *sim.View, pool, pods int) int {
	metric := s.metric(k)
	if !k.ETA {
		return s.hpa.PerPod(v.Since(), pods, metric, k.Value)
	}
	up, _ := v.Up(pool)
	if s.seen > 0 && s.delivered == 0 {
		metric = k.Value // nothing is taken: it says nothing of how long that will last
	}
	return s.hpa.Whole(v.Since(), pods, max(up, 1), math.Max(metric, 0), k.Value)
}
