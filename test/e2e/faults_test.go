//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/polyglot-media/siren/lanes/job"
)

// Under a steady load the leader and workers are taken away, one after the other. The fleet goes on, every job is
// completed, and each output is there.
func TestFaults(t *testing.T) {
	t.Parallel()
	r := newFaulty(t)

	t.Run("leading scaler deleted", func(t *testing.T) {
		jobs, old := r.load("leader"), r.leader()
		r.kubectl("delete", "pod", old, "--grace-period=0", "--force", "--wait=false")
		took := r.await("a new leader that has acted", 15*time.Second, func() (bool, string) {
			snapshot, err := r.board.Snapshot(r.Context())
			return err == nil && snapshot.Leader != old && time.Since(snapshot.At) < 3*time.Second,
				fmt.Sprint(snapshot.Leader, err)
		})
		t.Logf("a new leader had acted %.1f s after the old one was killed", took.Seconds())
		r.uninterrupted(r.done(jobs))
		r.grows("leader")
	})
	t.Run("worker pod deleted in mid-job", func(t *testing.T) {
		jobs := r.load("delete")
		victim := r.busyWorker()
		r.kubectl("delete", "pod", victim, "--wait=false")
		r.uninterrupted(r.done(jobs)) // it finishes what it has: the grace period is long enough
		r.grows("delete")
	})
	t.Run("worker killed in mid-job", func(t *testing.T) {
		jobs := r.load("kill")
		victim := r.busyWorker()
		r.kubectl("delete", "pod", victim, "--grace-period=0", "--force", "--wait=false")
		r.done(jobs) // its job runs again elsewhere
		r.grows("kill")
	})
	t.Run("worker pod evicted", func(t *testing.T) {
		jobs := r.load("evict")
		victim := r.busyWorker()
		r.await("the eviction to be granted", 30*time.Second, func() (bool, string) {
			err := kubeClient.PolicyV1().Evictions(r.namespace).Evict(r.Context(), &policyv1.Eviction{
				ObjectMeta: metav1.ObjectMeta{Name: victim, Namespace: r.namespace},
			})
			return err == nil, fmt.Sprint(err)
		})
		r.uninterrupted(r.done(jobs))
		r.grows("evict")
	})
	r.settled("general", 2, 3*time.Minute)
}

// The same with RabbitMQ and Redis, which come back.
func TestFaultsOfServers(t *testing.T) {
	t.Parallel()
	r := newFaulty(t)

	for _, server := range []string{"rabbitmq", "redis"} {
		t.Run(server+" restarted", func(t *testing.T) { // with its data
			jobs := r.load(server)
			r.kubectl("exec", "siren-"+server+"-0", "--", "sh", "-c", "kill 1")
			r.await(server+" to be back", 2*time.Minute, func() (bool, string) { return r.back(server, 1) })
			r.done(jobs)
			r.grows(server)
		})
	}
	for _, server := range []string{"rabbitmq", "redis"} {
		t.Run(server+" pod deleted", func(t *testing.T) { // where there is no disk, its data goes with it
			r.kubectl("delete", "pod", "siren-"+server+"-0", "--wait=true")
			r.await("a new pod of "+server, 90*time.Second, func() (bool, string) { return r.back(server, 0) })
			r.grows(server + "-new")
		})
	}
	r.settled("general", 2, 3*time.Minute)
}

// The API server goes away for a moment while jobs run. It is everybody's, so no other test runs beside this one.
func TestAPIServerRestarted(t *testing.T) {
	command := os.Getenv("SIREN_E2E_RESTART_API")
	if command == "" {
		return // a managed cluster's can't be
	}
	r := newFaulty(t)
	jobs := r.load("api")
	r.run("bash", "-c", command)
	r.uninterrupted(r.done(jobs))
	r.grows("api")
}

// faulty is a release from which things are taken away.
type faulty struct {
	*release
	clip string
}

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	s := newSite(t)
	r := s.install(strings.ReplaceAll(policy, "min: 1", "min: 2"), values{"workers": values{"drainTimeout": "20s"}})
	r.settled("general", 2, time.Minute)
	return &faulty{r, r.storage.put("clip.mp4", s.clip("fault.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=6", "-pix_fmt", "yuv420p", "-preset", "ultrafast"))}
}

// load enqueues ten jobs, and returns once one of them runs.
func (f *faulty) load(name string) []job.Job {
	f.Helper()
	jobs := f.jobs(name, 10, job.Job{Kind: "transcode", Input: f.clip})
	f.enqueue(jobs)
	f.await("jobs to run", time.Minute, func() (bool, string) {
		p := f.pool("general")
		return p.Busy > 0, fmt.Sprintf("%+v", p)
	})
	return jobs
}

// back reports whether a server's pod is ready, and has restarted at least so often.
func (f *faulty) back(server string, restarts int32) (ok bool, why string) {
	f.Helper()
	for _, p := range f.pods("app.kubernetes.io/component=" + server) {
		for _, c := range p.Status.ContainerStatuses {
			if p.DeletionTimestamp == nil && c.Ready && c.RestartCount >= restarts {
				return true, ""
			}
		}
	}
	return false, "not ready, or not restarted"
}

func (f *faulty) done(jobs []job.Job) map[string]job.Record {
	f.Helper()
	return f.completed(jobs, 4*time.Minute)
}

// grows proves that the fleet still follows the lanes.
func (f *faulty) grows(name string) {
	f.Helper()
	began := time.Now()
	jobs := f.jobs(name+"-after", 12, job.Job{Kind: "transcode", Input: f.clip})
	f.enqueue(jobs)
	f.await("a plan that grows the pool", time.Minute, func() (bool, string) {
		for _, p := range f.plans("general", began) {
			if p.To > p.From {
				return true, ""
			}
		}
		p := f.pool("general")
		return p.Replicas == p.Max, fmt.Sprintf("%d replicas: %s", p.Replicas, p.Why)
	})
	f.done(jobs)
}

// busyWorker returns a pod of the general pool that runs a job.
func (r *release) busyWorker() (pod string) {
	r.Helper()
	r.await("a busy worker", time.Minute, func() (bool, string) {
		workers, _, err := r.roster.Workers(r.Context())
		for _, w := range workers {
			if w.Pool == "general" && len(w.Running) > 0 && !w.Draining {
				pod = w.Worker
				return true, ""
			}
		}
		return false, fmt.Sprint(len(workers), err)
	})
	return pod
}
