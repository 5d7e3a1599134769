package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/polyglot-media/siren/lanes/fleet"
)

// sent returns the Events that the API server has.
func sent(t *testing.T, c *cluster) []corev1.Event {
	t.Helper()
	synctest.Wait()
	all, err := c.client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return all.Items
}

func TestEvents(t *testing.T) {
	// telling runs a test with Events on a pool.
	telling := func(name string, test func(t *testing.T, c *cluster, e *Events)) {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(t *testing.T, c *cluster) {
				c.put(pool("general", "a")...)
				e := NewEvents(c.client, c.fleet(), "siren-scaler-1")
				defer e.Close()
				test(t, c, e)
			})
		})
	}
	plan := func(r fleet.Reason, why string) fleet.Plan { return fleet.Plan{Pool: "general", Reason: r, Why: why} }

	telling("say what and why on the Deployment", func(t *testing.T, c *cluster, e *Events) {
		if err := e.Record(t.Context(), plan(fleet.Backlog, "2 → 6: 140 jobs wait")); err != nil {
			t.Fatal(err)
		}
		got := sent(t, c)
		if len(got) != 1 {
			t.Fatalf("%d Events", len(got))
		}
		o := got[0].InvolvedObject
		if o.Kind != "Deployment" || o.APIVersion != "apps/v1" || o.Name != "siren-worker-general" ||
			o.Namespace != namespace || o.UID == "" {
			t.Errorf("about %+v", o)
		}
		if got[0].Reason != "Backlog" || got[0].Message != "2 → 6: 140 jobs wait" || got[0].Type != "Normal" ||
			got[0].Source.Host != "siren-scaler-1" {
			t.Errorf("it says %+v", got[0])
		}
	})
	telling("warn of what needs a person", func(t *testing.T, c *cluster, e *Events) {
		for _, r := range []fleet.Reason{fleet.Stuck, fleet.Stale, fleet.Foreign, fleet.Budget, fleet.Holding} {
			if err := e.Record(t.Context(), plan(r, "why")); err != nil {
				t.Fatal(err)
			}
		}
		for _, got := range sent(t, c) {
			want := map[string]string{
				"Stuck": "Warning", "Stale": "Warning", "Foreign": "Warning", "Budget": "Normal",
				"Holding": "Normal",
			}[got.Reason]
			if got.Type != want {
				t.Errorf("%s is %s", got.Reason, got.Type)
			}
		}
	})
	telling("lose no plan of some busy minutes", func(t *testing.T, c *cluster, e *Events) {
		for i := range 100 {
			if err := e.Record(t.Context(), plan(fleet.Backlog, fmt.Sprint("plan ", i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		told := map[string]bool{}
		for _, got := range sent(t, c) {
			told[got.Message] = true
		}
		for i := range 100 {
			if !told[fmt.Sprint("plan ", i)] {
				t.Fatalf("plan %d is lost; %d were told", i, len(told))
			}
		}
	})
	telling("count the same plan up", func(t *testing.T, c *cluster, e *Events) {
		for range 3 {
			if err := e.Record(t.Context(), plan(fleet.Floor, "min is 4")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := sent(t, c); len(got) != 1 || got[0].Count != 3 {
			t.Errorf("%+v", got)
		}
	})
	telling("are cut to what an Event holds", func(t *testing.T, c *cluster, e *Events) {
		if err := e.Record(t.Context(), plan(fleet.Stuck, strings.Repeat("ü", 600))); err != nil {
			t.Fatal(err)
		}
		if got := sent(t, c)[0].Message; len(got) > 1024 || len(got) < 1020 || !utf8.ValidString(got) ||
			!strings.HasSuffix(got, "ü…") {
			t.Errorf("%d bytes: %s", len(got), got)
		}
	})
	telling("need a Deployment", func(t *testing.T, c *cluster, e *Events) {
		if err := e.Record(t.Context(), fleet.Plan{Pool: "nowhere", Reason: fleet.Floor}); err == nil {
			t.Error("no error")
		}
	})
}

func TestEventsLogWhatIsRefused(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.put(pool("general", "a")...)
		var log bytes.Buffer
		f, err := NewFleet(t.Context(), Options{
			Client: c.client, Namespace: namespace,
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		e := NewEvents(c.client, f, "a")
		c.fail("create events", apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "",
			errors.New("no rule")))
		if err := e.Record(context.Background(), fleet.Plan{Pool: "general", Reason: fleet.Floor}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		e.Close()
		synctest.Wait()
		if !strings.Contains(log.String(), "no rule") {
			t.Errorf("logged %q", log.String())
		}
	})
}
