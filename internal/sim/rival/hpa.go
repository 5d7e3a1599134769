package rival

import (
	"math"
	"time"
)

// HPA is Kubernetes' HorizontalPodAutoscaler, from a wanted number of pods on: tolerance, stabilization and scaling
// policies (autoscaling/v2; kubernetes/pkg/controller/podautoscaler, v1.34). It remembers, so each Deployment has one.
type HPA struct {
	Min, Max  int
	Tolerance float64       // a metric that is off its target by no more than this part changes nothing; 0.1 by default
	UpPods    int           // at most so many pods more
	UpPercent int           // or so many per cent, whichever is more, within Period
	Period    time.Duration // of the policies
	DownAfter time.Duration // the stabilization window for scaling down: the largest recommendation in it counts

	recommended []recommendation
	added       []recommendation // by this autoscaler, and when
}

type recommendation struct {
	at   time.Duration
	pods int
}

// Defaults returns the behaviour that an HPA has when nothing is said.
func Defaults(minimum, maximum int) *HPA {
	return &HPA{
		Min: minimum, Max: maximum, Tolerance: 0.1, UpPods: 4, UpPercent: 100, Period: 15 * time.Second,
		DownAfter: 5 * time.Minute,
	}
}

// PerPod returns the pods for a metric that is to be target for each pod (AverageValue).
func (h *HPA) PerPod(now time.Duration, pods int, metric, target float64) int {
	if ratio := metric / (target * float64(max(1, pods))); math.Abs(1-ratio) <= h.Tolerance {
		return h.behave(now, pods, pods)
	}
	return h.behave(now, pods, int(math.Ceil(metric/target-1e-9)))
}

// Whole returns the pods for a metric that is to be target as it is (Value): those there are, by its ratio to it.
func (h *HPA) Whole(now time.Duration, pods, ready int, metric, target float64) int {
	ratio := metric / target
	if math.Abs(1-ratio) <= h.Tolerance {
		return h.behave(now, pods, pods)
	}
	return h.behave(now, pods, int(math.Ceil(float64(ready)*ratio-1e-9)))
}

// behave bounds what is wanted: by what was recommended before, and by how fast it may grow.
func (h *HPA) behave(now time.Duration, pods, wanted int) int {
	h.recommended = append(since(h.recommended, now-h.DownAfter), recommendation{now, wanted})
	stable := wanted
	if wanted < pods {
		for _, r := range h.recommended {
			stable = max(stable, r.pods)
		}
		stable = min(stable, pods)
	}
	h.added = since(h.added, now-h.Period)
	began := pods
	for _, r := range h.added {
		began -= r.pods
	}
	most := max(began+h.UpPods, int(math.Ceil(float64(began)*(1+float64(h.UpPercent)/100))))
	next := min(max(min(stable, max(most, pods)), h.Min), h.Max)
	if next > pods {
		h.added = append(h.added, recommendation{now, next - pods})
	}
	return next
}

// since drops what was before, or at, a moment.
func since(rs []recommendation, moment time.Duration) []recommendation {
	kept := rs[:0]
	for _, r := range rs {
		if r.at > moment {
			kept = append(kept, r)
		}
	}
	return kept
}
