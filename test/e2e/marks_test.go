//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/polyglot-media/siren/lanes/job"
)

const (
	karpenter  = "karpenter.sh/do-not-disrupt"
	autoscaler = "cluster-autoscaler.kubernetes.io/safe-to-evict"
)

// restless is a pool that isn't scaled: whoever takes its pods, it isn't the scaler.
const restless = `
lanes: [{name: standard, startWithin: 10s}]
pools:
  - {name: general, lanes: [standard], min: 3, max: 3, slot: {memory: 640Mi, scratch: 256Mi, cores: 0.1}}
budget: 3
storage: [{prefix: "s3://media/", read: true, write: true}]
`

// Somebody evicts every pod that isn't marked, once a second, as node autoscalers would if they were in a great hurry.
// Waves of jobs come and go meanwhile: no busy pod is taken, no job is started twice, and the marks are gone within two
// seconds of a pod's last job.
func TestMarksHonoured(t *testing.T) {
	s := newSite(t)
	r := s.install(restless, values{"workers": values{"podDisruptionBudget": values{"enabled": false}}})
	r.settled("general", 3, 2*time.Minute)
	r.workersMayMarkThemselves(t)
	clip := r.storage.put("clip.mp4", s.clip("marked.mp4", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=10", "-pix_fmt", "yuv420p", "-preset", "ultrafast"))
	m := r.watchMarks("general")
	stop := r.evictUnmarked("general")
	all := map[string]job.Record{}
	for wave := range 3 {
		jobs := r.jobs(fmt.Sprintf("marked%d", wave), 12, job.Job{Kind: "transcode", Input: clip})
		r.enqueue(jobs)
		for id, record := range r.completed(jobs, 5*time.Minute) {
			all[id] = record
		}
		time.Sleep(10 * time.Second) // idle pods are taken
	}
	evicted := stop()
	r.uninterrupted(all)
	if len(evicted) < 3 {
		t.Errorf("only %d pods were evicted: nobody has tried the marks", len(evicted))
	}
	for pod, at := range evicted {
		for id, record := range all {
			// one that was claimed in that instant isn't marked yet, and ends within the grace period
			if record.Worker == pod && record.StartedAt.Add(time.Second).Before(at) && record.EndedAt.After(at) {
				t.Errorf("pod %s was evicted while it ran %s", pod, id)
			}
		}
	}
	m.check(all)
	t.Logf("%d jobs, %d idle pods evicted", len(all), len(evicted))
}

// evictUnmarked evicts every pod of the pool that isn't marked and has been ready for a while, once a second, until
// stop; then it returns which, and when. It acts on the very pod that it saw: a mark that was set since refuses it.
func (r *release) evictUnmarked(pool string) (stop func() map[string]time.Time) {
	ctx, cancel := context.WithCancel(r.Context())
	evicted := map[string]time.Time{}
	var evicting sync.WaitGroup
	evicting.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(time.Second) {
			for _, p := range r.pods("siren.polyglot.media/pool=" + pool) {
				if p.Annotations[karpenter] == "true" || p.Annotations[autoscaler] == "false" ||
					p.DeletionTimestamp != nil || !readyFor(p, 5*time.Second) {
					continue
				}
				at := time.Now()
				err := kubeClient.PolicyV1().Evictions(r.namespace).Evict(ctx, &policyv1.Eviction{
					ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: r.namespace},
					DeleteOptions: &metav1.DeleteOptions{
						Preconditions: &metav1.Preconditions{UID: &p.UID, ResourceVersion: &p.ResourceVersion},
					},
				})
				if err == nil {
					evicted[p.Name] = at
				}
			}
		}
	})
	return func() map[string]time.Time {
		cancel()
		evicting.Wait()
		return evicted
	}
}

func readyFor(p corev1.Pod, d time.Duration) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && time.Since(c.LastTransitionTime.Time) > d
		}
	}
	return false
}

// marks is when pods began and ceased to be marked, as a watch tells.
type marks struct {
	*release
	mu  sync.Mutex
	all map[string][]marking
}

type marking struct {
	at time.Time
	on bool
}

func (r *release) watchMarks(pool string) *marks {
	m := &marks{release: r, all: map[string][]marking{}}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	r.Cleanup(func() {
		cancel()
		watching.Wait()
	})
	watching.Go(func() {
		follow(ctx, func() (watch.Interface, error) {
			return kubeClient.CoreV1().Pods(r.namespace).Watch(ctx,
				metav1.ListOptions{LabelSelector: "siren.polyglot.media/pool=" + pool})
		}, func(e watch.Event) {
			if p, is := e.Object.(*corev1.Pod); is {
				m.saw(p)
			}
		})
	})
	return m
}

func (m *marks) saw(p *corev1.Pod) {
	on := p.Annotations[karpenter] == "true"
	if both := p.Annotations[autoscaler] == "false"; both != on {
		m.Errorf("pod %s has one mark of two: %v", p.Name, p.Annotations)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if all := m.all[p.Name]; len(all) == 0 && on || len(all) > 0 && all[len(all)-1].on != on {
		m.all[p.Name] = append(all, marking{time.Now(), on})
	}
}

// at returns whether a pod was marked then.
func (m *marks) at(pod string, t time.Time) (on bool) {
	for _, each := range m.all[pod] {
		if each.at.After(t) {
			break
		}
		on = each.on
	}
	return on
}

// check fails the test for every job that ran in a pod without a mark, and for marks that stayed on. What is more than
// two seconds by the clocks of two processes and a watch on a busy machine may be less: so it is the median that must
// not be.
func (m *marks) check(records map[string]job.Record) {
	m.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	writes, late := 0, []time.Duration{}
	for id, record := range records {
		if middle := record.StartedAt.Add(record.EndedAt.Sub(record.StartedAt) / 2); !m.at(record.Worker, middle) {
			m.Errorf("job %s ran in pod %s, which wasn't marked: %v", id, record.Worker, m.all[record.Worker])
		}
	}
	for pod, all := range m.all {
		writes += len(all)
		for _, each := range all {
			if each.on {
				continue
			}
			var last time.Time
			for _, record := range records {
				if record.Worker == pod && record.EndedAt.Before(each.at) && record.EndedAt.After(last) {
					last = record.EndedAt
				}
			}
			late = append(late, each.at.Sub(last))
		}
		if len(all) > 0 && all[len(all)-1].on {
			m.Errorf("pod %s is still marked", pod)
		}
	}
	if len(late) == 0 {
		m.Fatal("no mark was taken off")
	}
	if median(late) > 2*time.Second || slices.Max(late) > 5*time.Second {
		m.Errorf("marks were taken off after %v, want within 2 s of the last job", late)
	}
	m.Logf("%d changes of marks for %d jobs; off after %.2f s (median), %.2f s at most", writes, len(records),
		median(late).Seconds(), slices.Max(late).Seconds())
}

// workersMayMarkThemselves checks what the token in a worker's pod is good for: its own marks, and nothing else.
func (r *release) workersMayMarkThemselves(t *testing.T) {
	pods := r.workers("general")
	own, other := pods[0], pods[1]
	p, err := kubeClient.CoreV1().Pods(r.namespace).Get(t.Context(), own, metav1.GetOptions{})
	r.must(err)
	token, err := kubeClient.CoreV1().ServiceAccounts(r.namespace).CreateToken(t.Context(), "siren-worker",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			BoundObjectRef: &authenticationv1.BoundObjectReference{
				APIVersion: "v1", Kind: "Pod", Name: own, UID: p.UID,
			},
		}}, metav1.CreateOptions{})
	r.must(err)
	config := rest.AnonymousClientConfig(cluster)
	config.BearerToken = token.Status.Token
	worker, err := kubernetes.NewForConfig(config)
	r.must(err)
	mark := fmt.Sprintf(`{"metadata":{"annotations":{%q:"true",%q:"false"}}}`, karpenter, autoscaler)
	unmark := fmt.Sprintf(`{"metadata":{"annotations":{%q:null,%q:null}}}`, karpenter, autoscaler)
	for _, c := range []struct{ what, pod, patch, refusal string }{
		{"its mark", own, mark, ""},
		{"nothing", own, `{}`, ""},
		{"its mark off", own, unmark, ""},
		{"another's mark", other, mark, "no pod but its own"},
		{"nothing of another", other, `{}`, "no pod but its own"},
		{
			"a mark of its own words", own, fmt.Sprintf(`{"metadata":{"annotations":{%q:"false"}}}`, karpenter),
			"no annotations",
		},
		{
			"another annotation", own,
			`{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"9"}}}`, "no annotations",
		},
		{"a label", own, `{"metadata":{"labels":{"siren.polyglot.media/pool":null}}}`, "nothing of its pod"},
		{"a finalizer", own, `{"metadata":{"finalizers":["a.b/c"]}}`, "nothing of its pod"},
		{"its owner", own, `{"metadata":{"ownerReferences":null}}`, "nothing of its pod"},
		{"its deadline", own, `{"spec":{"activeDeadlineSeconds":1}}`, "nothing of its pod"},
	} {
		_, err := worker.CoreV1().Pods(r.namespace).Patch(t.Context(), c.pod, types.MergePatchType, []byte(c.patch),
			metav1.PatchOptions{})
		if refused := err != nil && strings.Contains(err.Error(), c.refusal); refused != (c.refusal != "") {
			t.Errorf("a worker changes %s: %v, want a refusal with %q", c.what, err, c.refusal)
		}
	}
	_, err = worker.CoreV1().Pods(r.namespace).Get(t.Context(), own, metav1.GetOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a worker reads its pod: %v", err)
	}
}

// A node is drained, and gives its pods less time than they ask for: of two jobs the one that fits is finished, and the
// other one, which is foreseen not to, is returned at once, and runs elsewhere. It costs no attempt.
func TestNodeDrain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(strings.ReplaceAll(strings.ReplaceAll(restless, "min: 3, max: 3", "slots: 2, min: 1, max: 1"),
		"budget: 3", "budget: 2"), values{"workers": values{"drainTimeout": "10m"}})
	r.settled("general", 1, 2*time.Minute)
	clip := func(name string, seconds int) string {
		source := fmt.Sprintf("testsrc2=size=640x360:rate=25:duration=%d", seconds)
		return r.storage.put(name, s.clip(name, "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-preset",
			"ultrafast"))
	}
	short, long := clip("short.mp4", 4), clip("long.mp4", 800)
	params := []byte(`{"speed":"slow","fps":60}`)
	taught := r.jobs("taught", 4, job.Job{Kind: "transcode", Input: short, Params: params})
	r.enqueue(taught)
	r.uninterrupted(r.completed(taught, 5*time.Minute))
	time.Sleep(11 * time.Second) // until a worker reads what was learnt

	o := r.observe("general")
	old := r.workers("general")[0]
	longs := r.jobs("long", 1, job.Job{Kind: "transcode", Input: long, Params: params})
	r.enqueue(longs)
	r.runners(longs, nil)
	shorts := r.jobs("short", 1, job.Job{Kind: "transcode", Input: short, Params: params})
	r.enqueue(shorts)
	r.runners(shorts, nil)
	grace := int64(45)
	told := time.Now()
	r.await("the eviction", 30*time.Second, func() (bool, string) {
		err := kubeClient.PolicyV1().Evictions(r.namespace).Evict(r.Context(), &policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Name: old, Namespace: r.namespace},
			DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: &grace},
		})
		return err == nil, fmt.Sprint(err)
	})
	r.runners(longs, []string{old})
	t.Logf("the long job ran elsewhere %.1f s after the drain began", time.Since(told).Seconds())
	done := r.completed(shorts, 2*time.Minute)
	r.uninterrupted(done)
	for id, record := range done {
		if record.Worker != old {
			t.Errorf("job %s, which fits, was done by %s, not by %s", id, record.Worker, old)
		}
	}
	record, err := r.client.Get(r.Context(), longs[0].ID)
	r.must(err)
	if record.Attempts != 1 || record.Crashes != 0 {
		t.Errorf("the drain cost the long job an attempt: %+v", record)
	}
	log := strings.Join(o.lives()[old].log, "\n")
	for _, want := range []string{"within=30s", "foreseen to take another"} {
		if !strings.Contains(log, want) {
			t.Errorf("its log lacks %q:\n%s", want, log)
		}
	}
	r.says("", "jobs", "cancel", "--lane", "standard", "--yes")
}
