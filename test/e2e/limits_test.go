//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// Two pools want more than the budget: the part of the more urgent lane comes first, never more pods than the budget,
// and the reasons say what is waited for.
func TestBudget(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(strings.NewReplacer("budget: 8", "budget: 4", "guests: [bulk], ", "").Replace(policy))
	r.settled("general", 1, time.Minute)
	r.settled("batch", 0, time.Minute)
	clip := r.storage.put("clip.mp4", s.clip("budget.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=12", "-pix_fmt", "yuv420p", "-preset", "ultrafast"))
	began, most := time.Now(), 0
	bulk := r.jobs("bulk", 16, job.Job{Kind: "transcode", Input: clip, Labels: map[string]string{"batch": "true"}})
	r.enqueue(bulk)
	r.await("the batch pool to take what the budget leaves", time.Minute, func() (bool, string) {
		p := r.pool("batch")
		return p.Replicas == 3 && p.Busy > 0, fmt.Sprintf("%+v", p)
	})
	standard := r.jobs("standard", 16, job.Job{Kind: "transcode", Input: clip})
	r.enqueue(standard)
	r.await("the general pool to have the budget but what runs", 3*time.Minute, func() (bool, string) {
		general, batch := r.pool("general"), r.pool("batch")
		if n := len(r.workers("general")) + len(r.workers("batch")); n > most {
			most = n
		}
		return general.Ready >= 3, fmt.Sprintf("general %d: %s; batch %d: %s", general.Replicas, general.Why,
			batch.Replicas, batch.Why)
	})
	r.says("", "jobs", "cancel", "--lane", "standard", "--state", "queued", "--yes") // the pool has had its part
	r.uninterrupted(r.completed(append(bulk, r.begun(standard)...), 6*time.Minute))
	if most > 4 {
		t.Errorf("%d pods at once, want no more than the budget of 4", most)
	}
	said := ""
	for _, pool := range []string{"general", "batch"} {
		for _, p := range r.plans(pool, began) {
			if p.Reason == fleet.Budget {
				said += pool + ": " + p.Why + "\n"
			}
		}
	}
	if !strings.Contains(said, "budget leaves") && !strings.Contains(said, "wait until other replicas have left") {
		t.Errorf("no reason says that the budget is waited for:\n%s", said)
	}
	t.Logf("what was said:\n%s", said)
}

// Pods that can't be scheduled, or whose image can't be pulled, are named in the reason, and the pool isn't grown
// further.
func TestStuckPods(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(policy)
	r.settled("general", 1, time.Minute)
	clip := r.storage.put("clip.mp4", s.clip("burst.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=8", "-pix_fmt", "yuv420p", "-preset", "ultrafast"))
	for _, c := range []struct{ name, says, patch, fix string }{
		{"unschedulable", "unschedulable", `{"nodeSelector":{"e2e/none":"such"}}`, `{"nodeSelector":null}`},
		{
			"image", "Image", `{"containers":[{"name":"worker","image":"lab.invalid/siren-worker:none"}]}`,
			fmt.Sprintf(`{"containers":[{"name":"worker","image":%q}]}`, workerImage),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.settled("batch", 0, 2*time.Minute)
			r.kubectl("patch", "deployment", "siren-worker-batch", "-p", `{"spec":{"template":{"spec":`+c.patch+`}}}`)
			jobs := r.jobs(c.name, 12, job.Job{
				Kind: "transcode", Input: clip,
				Labels: map[string]string{"batch": "true"},
			})
			r.enqueue(jobs)
			most := 0
			r.await("the reason Stuck", time.Minute, func() (bool, string) {
				p := r.pool("batch")
				most = max(most, p.Replicas)
				return p.Reason == fleet.Stuck && strings.Contains(p.Why, c.says),
					fmt.Sprintf("%d: %s: %s", p.Replicas, p.Reason, p.Why)
			})
			t.Log(r.pool("batch").Why)
			events := r.kubectl("get", "events", "--field-selector",
				"reason=Stuck,involvedObject.name=siren-worker-batch", "-o", "jsonpath={.items[*].message}")
			if !strings.Contains(events, c.says) {
				t.Errorf("no Event on the Deployment says so: %q", events)
			}
			at := r.pool("batch").Replicas
			time.Sleep(5 * time.Second)
			if p := r.pool("batch"); p.Replicas > at {
				t.Errorf("grew from %d to %d although its pods are stuck", at, p.Replicas)
			}
			r.kubectl("patch", "deployment", "siren-worker-batch", "-p", `{"spec":{"template":{"spec":`+c.fix+`}}}`)
			r.uninterrupted(r.completed(jobs, 4*time.Minute))
		})
	}
}

// Another autoscaler on a pool's Deployment is reported, and Siren keeps its hands off until it is gone.
func TestForeignAutoscaler(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(policy)
	r.settled("general", 1, time.Minute)
	hpas := kubeClient.AutoscalingV2().HorizontalPodAutoscalers(s.namespace)
	two := int32(2)
	_, err := hpas.Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Name:   "other",
			Labels: map[string]string{"scaledobject.keda.sh/name": "general-jobs"},
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: "apps/v1", Kind: "Deployment",
				Name: "siren-worker-general",
			},
			MinReplicas: &two, MaxReplicas: 3,
		},
	}, metav1.CreateOptions{})
	s.must(err)
	r.await("the reason Foreign", 30*time.Second, func() (bool, string) {
		p := r.pool("general")
		return p.Reason == fleet.Foreign && strings.Contains(p.Why, "general-jobs"),
			fmt.Sprintf("%s: %s", p.Reason, p.Why)
	})
	t.Log(r.pool("general").Why)
	clip := r.storage.put("clip.mp4", s.clip("burst.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=8", "-pix_fmt", "yuv420p", "-preset", "ultrafast"))
	began := time.Now()
	jobs := r.jobs("foreign", 12, job.Job{Kind: "transcode", Input: clip})
	r.enqueue(jobs)
	r.completed(jobs, 4*time.Minute)
	for _, p := range r.plans("general", began) {
		if p.From != p.To {
			t.Errorf("scaled all the same: %s", p.Why)
		}
	}
	s.must(hpas.Delete(t.Context(), "other", metav1.DeleteOptions{}))
	r.await("Siren to scale again", time.Minute, func() (bool, string) {
		p := r.pool("general")
		return p.Reason != "" && p.Reason != fleet.Foreign, p.Why
	})
}
