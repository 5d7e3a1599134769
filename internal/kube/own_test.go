package kube

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// telling returns an Own of a pod, and its log.
func telling(c *cluster, pod string) (*Own, *bytes.Buffer) {
	log := &bytes.Buffer{}
	return &Own{Client: c.client, Namespace: namespace, Pod: pod, Log: slog.New(slog.NewTextHandler(log, nil))}, log
}

func TestOwnTellsOfRefusedPolicies(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.put(pool("general", "a")...) // any Deployment with a pod
		o, log := telling(c, "a")
		tell := func(why string, want ...string) {
			t.Helper()
			o.Refused(t.Context(), why)
			var got []string
			for _, e := range sent(t, c) {
				got = append(got, e.Message)
			}
			if strings.Join(got, "; ") != strings.Join(want, "; ") {
				t.Errorf("told %q, want %q; log: %s", got, want, log)
			}
			time.Sleep(time.Second)
		}
		tell("")
		tell("budget: must be at least 1", "budget: must be at least 1")
		tell("budget: must be at least 1", "budget: must be at least 1") // no news
		time.Sleep(tellAgain)
		tell("budget: must be at least 1", "budget: must be at least 1", "budget: must be at least 1")
		tell("", "budget: must be at least 1", "budget: must be at least 1")
		tell(strings.Repeat("x", 2000), "budget: must be at least 1", "budget: must be at least 1",
			strings.Repeat("x", 1021)+"…")
		e := sent(t, c)[0]
		if e.Type != "Warning" || e.Reason != "PolicyRefused" || e.Source.Host != "a" || e.Count != 1 ||
			e.FirstTimestamp.IsZero() || e.LastTimestamp.IsZero() {
			t.Errorf("it says %+v", e)
		}
		if about := e.InvolvedObject; about.Kind != "Deployment" || about.APIVersion != "apps/v1" ||
			about.Name != "siren-worker-general" || about.UID == "" || about.Namespace != namespace {
			t.Errorf("about %+v", about)
		}
	})
}

// Where nobody can be told, the log says so, once.
func TestOwnOutsideADeployment(t *testing.T) {
	for name, change := range map[string]func(c *cluster){
		"no such pod":     func(c *cluster) { c.remove(c.pod("a")) },
		"a pod by itself": func(c *cluster) { p := c.pod("a"); p.OwnerReferences = nil; c.put(p) },
		"no rights": func(c *cluster) {
			c.fail("create events", apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "",
				errors.New("no rights")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(t *testing.T, c *cluster) {
				c.put(pool("general", "a")...)
				change(c)
				o, log := telling(c, "a")
				for range 3 {
					o.Refused(t.Context(), "budget: must be at least 1")
				}
				if strings.Count(log.String(), "level=WARN") != 1 {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}
