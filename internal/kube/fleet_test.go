package kube

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/polyglot-media/siren/internal/kube/watched"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// inCluster runs a test, by a clock of its own, on a cluster.
func inCluster(t *testing.T, test func(t *testing.T, c *cluster)) {
	synctest.Test(t, func(t *testing.T) { test(t, newCluster(t)) })
}

func look(t *testing.T, f *Fleet, pool string) fleet.PoolState {
	t.Helper()
	synctest.Wait() // until everything written has been told
	pools, err := f.Pools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, ok := pools[pool]
	if !ok {
		t.Fatalf("no pool %q in %v", pool, pools)
	}
	return s
}

func names(s fleet.PoolState) []string {
	var names []string
	for _, m := range s.Members {
		names = append(names, m.Name)
	}
	return names
}

func TestPools(t *testing.T) {
	t.Run("are the Deployments with the labels", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(slices.Concat(pool("general", "a", "b"), pool("batch"))...)
			other := newDeployment("other", 1, "v1")
			other.Labels = map[string]string{"app": "rival", PoolLabel: "other"} // another release
			web := newDeployment("web", 1, "v1")
			web.Labels = map[string]string{"app": "siren"} // the scaler's own, perhaps
			c.put(other, web)
			f := c.fleet()
			pools, err := f.Pools(t.Context())
			if err != nil || len(pools) != 2 {
				t.Fatalf("%v, %v", pools, err)
			}
			if s := pools["general"]; s.Replicas != 2 || !slices.Equal(names(s), []string{"a", "b"}) {
				t.Errorf("general: %+v", s)
			}
			if s := pools["batch"]; s.Replicas != 0 || len(s.Members) != 0 || s.Version == "" {
				t.Errorf("batch: %+v", s)
			}
			c.remove(c.deployment("siren-worker-batch"))
			synctest.Wait()
			if pools, err := f.Pools(t.Context()); err != nil || len(pools) != 1 {
				t.Errorf("after it was removed: %v, %v", pools, err)
			}
		})
	})
	t.Run("have the pods that live", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			d, rs := newDeployment("general", 2, "v1"), newSet(newDeployment("general", 2, "v1"), 2, "v1")
			gone := newSet(d, 0, "v0") // removed from the history, while its last pod still ends
			evicted := newPod(rs, "evicted", func(p *corev1.Pod) {
				p.Status.Phase, p.Status.Reason = corev1.PodFailed,
					"Evicted"
			})
			done := newPod(rs, "done", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })
			bare := newPod(rs, "debug", func(p *corev1.Pod) { p.OwnerReferences = nil })
			c.put(d, rs, newPod(rs, "a"), newPod(rs, "b"), newPod(gone, "old", leaving), evicted, done, bare)
			s := look(t, c.fleet(), "general")
			if got := names(s); !slices.Equal(got, []string{"a", "b", "old"}) || !s.Members[2].Leaving {
				t.Errorf("members %+v", s.Members)
			}
		})
	})
	t.Run("two Deployments can't be one", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(pool("general", "a")...)
			twin := newDeployment("general", 1, "v1")
			twin.Name, twin.UID = "copy", "copy"
			c.put(twin)
			_, err := c.fleet().Pools(t.Context())
			if err == nil || !strings.Contains(err.Error(), "copy and siren-worker-general") {
				t.Error(err)
			}
		})
	})
	t.Run("whose pods aren't labelled can't be seen", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			d := newDeployment("general", 1, "v1")
			d.Spec.Template.Labels = map[string]string{"app": "siren"}
			c.put(d)
			if _, err := c.fleet().Pools(t.Context()); err == nil || !strings.Contains(err.Error(), "pod template") {
				t.Error(err)
			}
		})
	})
}

func TestFeedKeepsOnlyWhatIsRead(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		all := pool("general", "a")
		p := all[2].(*corev1.Pod)
		p.Annotations = map[string]string{deletionCost: "7", "example.com/long": "text"}
		p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
		p.Spec.Containers = []corev1.Container{{Name: "worker"}}
		c.put(all...)
		f := c.fleet()
		kept := f.pods.All()[0]
		if len(kept.Annotations) != 1 || kept.Annotations[deletionCost] != "7" || len(kept.ManagedFields)+
			len(kept.Spec.Containers) != 0 || kept.Spec.NodeName != "node-1" {
			t.Errorf("kept %+v", kept)
		}
		c.put(c.pod("a"))
		synctest.Wait()
		if kept := f.pods.All()[0]; len(kept.Spec.Containers) != 0 || kept.ResourceVersion == p.ResourceVersion {
			t.Errorf("kept of a change %+v", kept)
		}
	})
}

func TestOurOwnScaleIsSeenBeforeItIsTold(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.put(pool("general", "a")...)
		c.deaf["deployments"] = true
		f := c.fleet()
		for _, to := range []int{3, 5} { // the second builds on the first
			if err := f.Scale(t.Context(), "general", look(t, f, "general"), to, nil); err != nil {
				t.Fatal(err)
			}
			if s := look(t, f, "general"); s.Replicas != to ||
				s.Version != c.deployment("siren-worker-general").ResourceVersion || s.Rollout {
				t.Errorf("after scaling to %d: %+v", to, s)
			}
		}
	})
	inCluster(t, func(t *testing.T, c *cluster) {
		c.put(pool("general", "a")...)
		f := c.fleet()
		if err := f.Scale(t.Context(), "general", look(t, f, "general"), 3, nil); err != nil {
			t.Fatal(err)
		}
		d := c.deployment("siren-worker-general")
		d.Spec.Replicas = new(int32(9)) // somebody else, later
		c.put(d)
		if s := look(t, f, "general"); s.Replicas != 9 || s.Version != d.ResourceVersion {
			t.Errorf("%+v", s)
		}
	})
}

func TestPoolsFailWhileNothingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, pool("general", "a")...)
		var told bytes.Buffer
		f, err := NewFleet(t.Context(), Options{
			Client: c.client, Namespace: namespace,
			Log: slog.New(slog.NewTextHandler(&told, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		away := errors.New("connection refused")
		for _, call := range []string{"list pods", "watch pods"} {
			c.fail(call, away)
		}
		f.pods.Note(away) // the watch breaks
		time.Sleep(watched.BlindAfter - time.Second)
		if _, err := f.Pools(t.Context()); err != nil {
			t.Errorf("for a moment only: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := f.Pools(t.Context()); !errors.Is(err, away) || !strings.Contains(err.Error(), "pods") {
			t.Errorf("for long: %v", err)
		}
	})
}

func TestFeedComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, pool("general", "a")...)
		c.fail("watch pods", errors.New("connection refused"))
		f := c.fleet() // the list is enough to begin with
		time.Sleep(10 * time.Minute)
		if _, err := f.Pools(t.Context()); err == nil {
			t.Fatal("no error after 10 minutes")
		}
		c.put(newPod(newSet(newDeployment("general", 1, "v1"), 1, "v1"), "b"))
		c.fail("watch pods", nil)
		time.Sleep(3 * time.Second)
		if got := names(look(t, f, "general")); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("3 s later: %v", got)
		}
	})
}

func TestNewFleetFails(t *testing.T) {
	t.Run("without the rights", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			denied := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("User cannot list"))
			c.fail("list pods", denied)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := NewFleet(ctx, Options{Client: c.client, Namespace: namespace})
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "Role") ||
				strings.Contains(err.Error(), "Deployments") {
				t.Error(err)
			}
		})
	})
	t.Run("with a wrong selector", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			if _, err := NewFleet(t.Context(), Options{
				Client: c.client, Namespace: namespace,
				Selector: "a=b=c",
			}); err == nil {
				t.Error("no error")
			}
		})
	})
	t.Run("when it is told to end", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.fail("list pods", errors.New("connection refused"))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := NewFleet(ctx, Options{Client: c.client, Namespace: namespace}); !errors.Is(err,
				context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	})
}
