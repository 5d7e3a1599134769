package kube

import (
	"errors"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// rendered returns the ConfigMap as the chart makes it: without data.
func rendered() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name:   "siren-state",
		Labels: map[string]string{"app": "siren"},
	}}
}

func wantData(t *testing.T, c *cluster, want map[string]string) {
	t.Helper()
	got := get[*corev1.ConfigMap](c, "siren-state")
	if !maps.Equal(got.Data, want) || got.Labels["app"] != "siren" {
		t.Errorf("data %v, labels %v", got.Data, got.Labels)
	}
}

func TestState(t *testing.T) {
	t.Run("keeps what was saved", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(rendered())
			s := NewState(c.client, namespace, "siren-state")
			if data, err := s.Load(t.Context()); err != nil || len(data) != 0 {
				t.Fatal(data, err)
			}
			for _, save := range []map[string]string{{"lanes": "a"}, {"more": "x"}, {"lanes": "a b"}} {
				if err := s.Save(t.Context(), save); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]string{"lanes": "a b", "more": "x"}
			wantData(t, c, want)
			data, err := NewState(c.client, namespace, "siren-state").Load(t.Context())
			if err != nil || !maps.Equal(data, want) {
				t.Error(data, err)
			}
			data["lanes"] = "the caller's own" // not the State's
			if err := s.Save(t.Context(), nil); err != nil {
				t.Error(err)
			}
			wantData(t, c, want)
		})
	})
	t.Run("writes only what changed", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(rendered())
			s := NewState(c.client, namespace, "siren-state")
			if err := s.Save(t.Context(), map[string]string{"lanes": "a"}); err != nil { // without Load
				t.Fatal(err)
			}
			c.client.ClearActions()
			if err := s.Save(t.Context(), map[string]string{"lanes": "a"}); err != nil {
				t.Fatal(err)
			}
			if calls := c.client.Actions(); len(calls) != 0 {
				t.Errorf("it called %v", calls)
			}
		})
	})
	t.Run("lets the late write of another leader lose", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(rendered())
			paused, next := NewState(c.client, namespace, "siren-state"), NewState(c.client, namespace, "siren-state")
			if err := paused.Save(t.Context(), map[string]string{"lanes": "old"}); err != nil {
				t.Fatal(err)
			}
			if err := next.Save(t.Context(), map[string]string{"lanes": "new"}); err != nil {
				t.Fatal(err)
			}
			wantConflict(t, paused.Save(t.Context(), map[string]string{"lanes": "older"}))
			wantData(t, c, map[string]string{"lanes": "new"})
			if err := paused.Save(t.Context(), map[string]string{"more": "x"}); err != nil {
				// it leads again, and reads first
				t.Fatal(err)
			}
			wantData(t, c, map[string]string{"lanes": "new", "more": "x"})
		})
	})
	configMaps := schema.GroupResource{Resource: "configmaps"}
	for name, s := range map[string]struct {
		call string
		err  error
		says string
	}{
		"it doesn't exist": {
			"get configmaps", apierrors.NewNotFound(configMaps, "siren-state"),
			"the chart makes it",
		},
		"it may not be read": {
			"get configmaps",
			apierrors.NewForbidden(configMaps, "siren-state", errors.New("no rule")), "must let it get it",
		},
		"it may not be written": {
			"update configmaps",
			apierrors.NewForbidden(configMaps, "siren-state", errors.New("no rule")), "must let it update it",
		},
		"nobody answers": {"get configmaps", errors.New("connection refused"), "connection refused"},
	} {
		t.Run("says that "+name, func(t *testing.T) {
			inCluster(t, func(t *testing.T, c *cluster) {
				c.put(rendered())
				c.fail(s.call, s.err)
				err := NewState(c.client, namespace, "siren-state").Save(t.Context(), map[string]string{"lanes": "a"})
				if !errors.Is(err, s.err) || !strings.Contains(err.Error(), s.says) ||
					!strings.Contains(err.Error(), "ConfigMap media/siren-state") {
					t.Error(err)
				}
			})
		})
	}
}
