//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// manyPods is a policy with room for many small pods.
var manyPods = strings.NewReplacer("max: 6", "max: 9", "cores: 0.1", "cores: 0.05", "budget: 8",
	"budget: 12").Replace(policy)

// Shrinking never interrupts a job. Wave after wave a few long jobs run on while most pods of the pool are removed;
// each is done at its first attempt, by the ledger and by the logs of all pods.
func TestScaleInInterruptsNothing(t *testing.T) {
	s := newSite(t)
	r := s.install(manyPods)
	w := newWaves(r)
	removed, calls, busy := 0, 0, 0
	for wave := 0; removed < 20 || calls < 5; wave++ {
		if wave == 12 {
			t.Fatalf("only %d pods removed in %d calls after %d waves", removed, calls, wave)
		}
		began := time.Now()
		records := w.run(fmt.Sprintf("wave%d", wave), nil)
		last := 0
		for _, c := range w.o.since(began) {
			if c.to < last {
				removed, calls = removed+last-c.to, calls+1
				if w.busyAt(records, c.at) > 0 {
					busy++
				}
			}
			last = c.to
		}
	}
	w.check()
	t.Logf("%d pods removed in %d scale calls, %d of them while other pods of the pool ran jobs", removed, calls, busy)
	if busy < 5 {
		t.Errorf("only %d scale calls while other pods were busy, want at least 5", busy)
	}
}

// The leader is stopped (SIGSTOP) between the retirement of workers and their removal. Another one takes over; when the
// old one wakes up it does no harm.
func TestScaleInWithTheLeaderStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(policy)
	r.shareProcesses()
	w := newWaves(r)
	stopped := ""
	w.run("stopped", func() {
		r.await("retired workers that aren't removed yet", 2*time.Minute, func() (bool, string) {
			p := r.pool("general")
			return p.Retired > 0, fmt.Sprintf("%+v", p)
		})
		stopped = r.leader()
		r.signal(stopped, "STOP")
		took := r.await("another leader", 20*time.Second, func() (bool, string) {
			l := r.leader()
			return l != "" && l != stopped, l
		})
		t.Logf("another scaler held the lease %.1f s after the leader was stopped", took.Seconds())
		time.Sleep(5 * time.Second) // the new one acts
		r.signal(stopped, "CONT")
	})
	r.settled("general", 1, 2*time.Minute)
	w.check()
	if l := r.leader(); l == stopped {
		t.Errorf("the stopped leader %s leads again", l)
	}
}

// Nothing is removed while a rollout is in progress, and afterwards the pool shrinks as it would have.
func TestNoScaleInDuringARollout(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(strings.ReplaceAll(manyPods, "640Mi", "320Mi")) // there is another test beside it
	w := newWaves(r)
	began := time.Now()
	var during []change
	w.run("rollout", func() {
		r.await("the pool to have grown", 2*time.Minute, func() (bool, string) {
			p := r.pool("general")
			return p.Replicas >= 6, fmt.Sprintf("%+v", p)
		})
		// A rollout that doesn't end by itself: the new pods can't be pulled.
		r.setImage("lab.invalid/siren-worker:none")
		from := time.Now()
		r.await("the pool to be left as it is because of the rollout", 3*time.Minute, func() (bool, string) {
			p := r.pool("general")
			return p.Reason == fleet.Rollout, fmt.Sprintf("%s: %s", p.Reason, p.Why)
		})
		time.Sleep(10 * time.Second)
		during = w.o.since(from)
		r.setImage(workerImage)
	})
	r.settled("general", 1, 3*time.Minute)
	w.check()
	for i, c := range during {
		if i > 0 && c.to < during[i-1].to {
			t.Errorf("scaled in during the rollout: %v", during)
		}
	}
	t.Logf("replicas: %v", w.o.since(began))
}

// setImage changes the image of the general pool's Deployment alone.
func (r *release) setImage(image string) {
	r.Helper()
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"worker","image":%q}]}}}}`, image)
	_, err := kubeClient.AppsV1().Deployments(r.namespace).Patch(r.Context(), "siren-worker-general",
		types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	r.must(err)
}

// shareProcesses lets a container beside the scaler's see, and signal, its process. Nobody can stop a pod's first
// process.
func (r *release) shareProcesses() {
	r.Helper()
	_, err := kubeClient.AppsV1().Deployments(r.namespace).Patch(r.Context(), "siren-scaler",
		types.StrategicMergePatchType,
		[]byte(`{"spec":{"template":{"spec":{"shareProcessNamespace":true}}}}`), metav1.PatchOptions{})
	r.must(err)
	r.kubectl("rollout", "status", "deploy/siren-scaler", "--timeout=90s")
}

// signal sends a signal to siren in a pod, from a container that is put beside it.
func (r *release) signal(pod, signal string) {
	r.Helper()
	name := "aid-" + strings.ToLower(signal)
	r.kubectl("debug", pod, "--image", aidImage, "--image-pull-policy=IfNotPresent", "--profile=restricted",
		"--container", name, "--target", "scaler",
		"--", "/usr/local/bin/aid", signal, "siren")
	r.await("the signal "+signal, 30*time.Second, func() (bool, string) {
		out, err := r.try(r.Context(), "kubectl", "-n", r.namespace, "logs", pod, "-c", name)
		return err == nil && strings.Contains(out, "signalled"), out
	})
}

// waves is load that comes and goes: short jobs that make the general pool grow, beside long ones that run on while it
// shrinks.
type waves struct {
	*release
	o           *observer
	short, long string
	all         map[string]job.Record
}

func newWaves(r *release) *waves {
	r.settled("general", 1, time.Minute)
	return &waves{
		release: r, o: r.observe("general"), all: map[string]job.Record{},
		short: r.storage.put("short.mp4", r.clip("wave.mp4", "-f", "lavfi", "-i",
			"testsrc2=size=320x180:rate=24:duration=4", "-pix_fmt", "yuv420p", "-preset", "ultrafast")),
		long: r.storage.put("long.mp4", r.clip("long.mp4", "-f", "lavfi", "-i",
			"testsrc2=size=640x360:rate=25:duration=70", "-pix_fmt", "yuv420p", "-preset", "ultrafast")),
	}
}

// run sends one wave, does what is to be done meanwhile, and waits for all of its jobs.
func (w *waves) run(name string, meanwhile func()) map[string]job.Record {
	w.Helper()
	jobs := w.jobs(name+"-long", 2, job.Job{Kind: "transcode", Input: w.long, Params: []byte(`{"speed":"slow"}`)})
	jobs = append(jobs, w.jobs(name, 30, job.Job{Kind: "transcode", Input: w.short})...)
	w.enqueue(jobs)
	if meanwhile != nil {
		meanwhile()
	}
	records := w.completed(jobs, 5*time.Minute)
	for id, record := range records {
		w.all[id] = record
	}
	return records
}

// busyAt returns how many of the jobs ran at a moment.
func (w *waves) busyAt(records map[string]job.Record, at time.Time) (n int) {
	for _, r := range records {
		if r.StartedAt.Before(at) && r.EndedAt.After(at) {
			n++
		}
	}
	return n
}

// check fails the test for every interrupted job, by the ledger and by the pods' logs, which have to tell of all jobs.
func (w *waves) check() {
	w.Helper()
	w.uninterrupted(w.all)
	if lines := w.o.interruptions(); len(lines) > 0 {
		w.Errorf("jobs were given back:\n%s", strings.Join(lines, "\n"))
	}
	var log []string
	for _, l := range w.o.lives() {
		log = append(log, l.log...)
	}
	for id := range w.all {
		n := 0
		for _, line := range log {
			if strings.Contains(line, "msg=completed") && slices.Contains(strings.Fields(line), "job="+id) {
				n++
			}
		}
		if n != 1 {
			w.Errorf("job %s was completed %d times by the pods' logs", id, n)
		}
	}
}
