//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/polyglot-media/siren/lanes/job"
)

// roomy is a pool whose workers run jobs during a rollout, and one whose workers are idle: sized for good, so that
// nothing but the rollout makes pods.
const roomy = `
lanes: [{name: standard, startWithin: 10s}, {name: bulk, match: [batch=true], startWithin: 1m}]
pools:
  - {name: general, lanes: [standard], min: 4, max: 4, slot: {memory: 640Mi, scratch: 256Mi, cores: 0.05}}
  - {name: batch, lanes: [bulk], min: 4, max: 4, slot: {memory: 64Mi, scratch: 256Mi, cores: 0.05}}
budget: 8
storage: [{prefix: "s3://media/", read: true, write: true}]
`

// A rollout of n workers needs room for n more pods when each runs a job for as long as it may drain, and for two more
// when they end within minReadySeconds; pods that are ending count. The jobs start over on new workers, and no start
// and no end of a worker leaves a Warning Unhealthy behind.
func TestRolloutRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const n, surge = 4, 1
	r := s.install(roomy, values{"workers": values{"minReadySeconds": 10, "drainTimeout": "45s"}})
	r.settled("general", n, 2*time.Minute)
	r.settled("batch", n, 2*time.Minute)
	long := r.storage.put("long.mp4", r.clip("long.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=70", "-pix_fmt", "yuv420p", "-preset", "ultrafast"))
	jobs := r.jobs("long", n, job.Job{Kind: "transcode", Input: long, Params: []byte(`{"speed":"slow","fps":240}`)})
	r.enqueue(jobs)
	old := r.runners(jobs, nil)
	mostBusy, stopBusy := s.mostPods("siren.polyglot.media/pool=general")
	mostIdle, stopIdle := s.mostPods("siren.polyglot.media/pool=batch")
	r.upgrade(values{"workerImage": values{"tag": nextTag}})
	for _, pool := range []string{"general", "batch"} {
		r.await("all workers to be new", 5*time.Minute, func() (bool, string) {
			d := r.deployment(pool).Status
			return d.UpdatedReplicas == n && d.Replicas == n && d.AvailableReplicas == n, d.String()
		})
	}
	r.runners(jobs, old)
	stopBusy()
	stopIdle()
	r.says("", "jobs", "cancel", "--lane", "standard", "--yes")
	t.Logf("of %d workers at most %d pods while they run jobs, %d while they are idle", n, *mostBusy, *mostIdle)
	if *mostBusy > 2*n {
		t.Errorf("at most %d pods of %d busy workers, want at most %d", *mostBusy, n, 2*n)
	}
	if *mostIdle > n+2*surge {
		t.Errorf("at most %d pods of %d idle workers, want at most %d", *mostIdle, n, n+2*surge)
	}
	unhealthy := s.kubectl("get", "events", "--field-selector", "reason=Unhealthy", "-o",
		`jsonpath={range .items[*]}{.involvedObject.name}: {.message}{"\n"}{end}`)
	for _, line := range strings.Split(unhealthy, "\n") {
		if strings.HasPrefix(line, "siren-worker-") {
			t.Errorf("a worker was called unhealthy: %s", line)
		}
	}
}

// runners waits until every job runs, on none of the workers that are named, and returns on which. No worker has
// crashed with one.
func (r *release) runners(jobs []job.Job, but []string) (workers []string) {
	r.Helper()
	r.await(fmt.Sprintf("%d jobs to run on other workers than %q", len(jobs), but), 3*time.Minute,
		func() (bool, string) {
			workers = nil
			for _, j := range jobs {
				record, err := r.client.Get(r.Context(), j.ID)
				if err != nil || record.State != job.Running || slices.Contains(but, record.Worker) {
					return false, fmt.Sprintf("%s %s on %s: %v", j.ID, record.State, record.Worker, err)
				}
				if record.Crashes > 0 {
					r.Errorf("a worker crashed with %s", j.ID)
				}
				workers = append(workers, record.Worker)
			}
			return true, ""
		})
	return workers
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
