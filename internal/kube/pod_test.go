package kube

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A mark is both annotations, and nothing else of the pod; taking it off, also where there is none, leaves the others.
func TestPodMarks(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.put(pool("general", "a", "b")...)
		own := c.pod("a")
		own.Annotations = map[string]string{"team": "media", deletionCost: firstToGo}
		c.put(own)
		p := NewPod(c.client, namespace, "a")
		for i, busy := range []bool{false, true, true, false} {
			if err := p.Mark(t.Context(), busy); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"team": "media", deletionCost: firstToGo}
			if busy {
				want["karpenter.sh/do-not-disrupt"] = "true"
				want["cluster-autoscaler.kubernetes.io/safe-to-evict"] = "false"
			}
			if got := c.pod("a").Annotations; !maps.Equal(got, want) {
				t.Errorf("%d: %v, want %v", i, got, want)
			}
		}
		if got := c.pod("b").Annotations; len(got) > 0 {
			t.Errorf("another pod has %v", got)
		}
	})
}

func TestPodGrace(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.put(pool("general", "a")...)
		p := NewPod(c.client, namespace, "a")
		if grace, deleted, err := p.Grace(t.Context()); grace != 0 || deleted || err != nil {
			t.Errorf("of one that nobody deleted: %s %v %v", grace, deleted, err)
		}
		gone := c.pod("a")
		leaving(gone)
		gone.DeletionGracePeriodSeconds = new(int64(45))
		c.put(gone)
		if grace, deleted, err := p.Grace(t.Context()); grace != 45*time.Second || !deleted || err != nil {
			t.Errorf("of one that is to end: %s %v %v", grace, deleted, err)
		}
	})
}

func TestPodErrors(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		pods := schema.GroupResource{Resource: "pods"}
		for want, err := range map[string]error{
			"--name":           apierrors.NewNotFound(pods, "a"),
			"patch pods":       apierrors.NewForbidden(pods, "a", errors.New("no rights")),
			"be the pod's own": apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Pod").GroupKind(), "a", nil),
			"refused":          errors.New("connection refused"),
		} {
			c.fail("patch pods", err)
			p := NewPod(c.client, namespace, "a")
			got := p.Mark(t.Context(), true)
			if !errors.Is(got, err) || !strings.Contains(got.Error(), want) {
				t.Errorf("%v: %v, want one with %q", err, got, want)
			}
			if _, _, got := p.Grace(t.Context()); !errors.Is(got, err) {
				t.Errorf("%v: %v", err, got)
			}
		}
	})
}
