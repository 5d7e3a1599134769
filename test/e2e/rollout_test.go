//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A rollout of workers whose drain is shorter than minReadySeconds needs room for two more pods, those included that
// are ending. No start and no end of a worker leaves a Warning Unhealthy behind.
func TestRolloutRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const n, surge = 6, 1
	r := s.install(strings.NewReplacer("min: 1", "min: 6", "memory: 640Mi", "memory: 64Mi").Replace(policy),
		values{"workers": values{"minReadySeconds": 10}})
	r.settled("general", n, 2*time.Minute)
	most, stop := s.mostPods("siren.polyglot.media/pool=general")
	r.upgrade(values{"workerImage": values{"tag": nextTag}})
	r.await("all workers to be new", 5*time.Minute, func() (bool, string) {
		d := r.deployment("general").Status
		return d.UpdatedReplicas == n && d.Replicas == n && d.AvailableReplicas == n, d.String()
	})
	stop()
	t.Logf("%d workers, at most %d pods", n, *most)
	if *most > n+2*surge {
		t.Errorf("at most %d pods of %d workers, want at most %d", *most, n, n+2*surge)
	}
	unhealthy := s.kubectl("get", "events", "--field-selector", "reason=Unhealthy", "-o",
		`jsonpath={range .items[*]}{.involvedObject.name}: {.message}{"\n"}{end}`)
	for _, line := range strings.Split(unhealthy, "\n") {
		if strings.HasPrefix(line, "siren-worker-") {
			t.Errorf("a worker was called unhealthy: %s", line)
		}
	}
}

// mostPods counts how many pods there are at once, until stop, those included that are ending.
func (s *site) mostPods(selector string) (most *int, stop func()) {
	s.Helper()
	most = new(int)
	ctx, cancel := context.WithCancel(s.Context())
	w, err := kubeClient.CoreV1().Pods(s.namespace).Watch(ctx, metav1.ListOptions{LabelSelector: selector})
	s.must(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		there := map[string]bool{}
		for e := range w.ResultChan() {
			p, is := e.Object.(*corev1.Pod)
			if !is {
				continue
			}
			over := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
			there[p.Name] = e.Type != "DELETED" && !over
			if !there[p.Name] {
				delete(there, p.Name)
			}
			*most = max(*most, len(there))
		}
	}()
	return most, func() {
		cancel()
		<-done
	}
}
