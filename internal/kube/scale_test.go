package kube

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/polyglot-media/siren/lanes"
)

func wantConflict(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, lanes.ErrConflict) {
		t.Errorf("not a conflict: %v", err)
	}
}

func wantWrites(t *testing.T, c *cluster, want ...string) {
	t.Helper()
	if got := c.written(); !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

// scaleIn shrinks the general pool as the loop does: decided afresh after each conflict, once the watches have told
// what was written.
func scaleIn(t *testing.T, f *Fleet, to int, remove ...string) {
	t.Helper()
	var err error
	for range 3 {
		if err = f.Scale(t.Context(), "general", look(t, f, "general"), to, remove); !errors.Is(err,
			lanes.ErrConflict) {
			break
		}
		synctest.Wait()
	}
	if err != nil {
		t.Error(err)
	}
}

func TestScale(t *testing.T) {
	t.Run("grows without touching a pod", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(pool("general", "a")...)
			f := c.fleet()
			if err := f.Scale(t.Context(), "general", look(t, f, "general"), 4, nil); err != nil {
				t.Error(err)
			}
			wantWrites(t, c, "scale siren-worker-general 4")
		})
	})
	t.Run("marks the retired before the replicas drop", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(slices.Concat(pool("general", "a", "b", "c"), pool("batch", "x"))...)
			f := c.fleet()
			wantConflict(t, f.Scale(t.Context(), "general", look(t, f, "general"), 2, []string{"b"}))
			wantWrites(t, c, "mark b") // and nothing more before the mark has been seen
			scaleIn(t, f, 2, "b")
			wantWrites(t, c, "mark b", "scale siren-worker-general 2")
			for _, name := range []string{"a", "c", "x"} {
				if cost, there := c.pod(name).Annotations[deletionCost]; there {
					t.Errorf("%s costs %s", name, cost)
				}
			}
			if cost := c.pod("b").Annotations[deletionCost]; cost != "-2147483648" {
				t.Errorf("b costs %q", cost)
			}
		})
	})
	t.Run("does nothing when nothing changes", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(pool("general", "a")...)
			f := c.fleet()
			if err := f.Scale(t.Context(), "general", look(t, f, "general"), 1, nil); err != nil {
				t.Error(err)
			}
			wantWrites(t, c)
		})
	})
	t.Run("needs a worker for each replica less", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(pool("general", "a", "b", "c")...)
			f := c.fleet()
			for name, s := range map[string]struct {
				to     int
				remove []string
			}{
				"none": {2, nil}, "too few": {1, []string{"a"}}, "too many": {2, []string{"a", "b"}},
				"twice the same": {1, []string{"a", "a"}},
				"while growing":  {4, []string{"a"}}, "while staying": {3, []string{"a"}},
				"below zero": {-1, []string{"a", "b", "c"}},
			} {
				if err := f.Scale(t.Context(), "general", look(t, f, "general"), s.to, s.remove); err == nil {
					t.Errorf("%s: no error", name)
				}
			}
			if err := f.Scale(t.Context(), "nowhere", look(t, f, "general"), 1, nil); err == nil {
				t.Error("an unknown pool: no error")
			}
			wantWrites(t, c)
		})
	})
	t.Run("only knows failures from conflicts", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(pool("general", "a")...)
			f := c.fleet()
			c.fail("update deployments/scale", apierrors.NewForbidden(appsDeployments, "siren-worker-general", nil))
			err := f.Scale(t.Context(), "general", look(t, f, "general"), 2, nil)
			if !apierrors.IsForbidden(err) || errors.Is(err, lanes.ErrConflict) {
				t.Error(err)
			}
			if s := look(t, f, "general"); s.Replicas != 1 {
				t.Errorf("%d replicas", s.Replicas)
			}
		})
	})
}

// What makes a scale-in wrong after it was decided: each is a conflict, and the replicas stay.
func TestScaleRefuses(t *testing.T) {
	for name, s := range map[string]struct {
		change func(c *cluster)
		unseen bool // it only shows once the API server has told
	}{
		"when somebody else has scaled": {change: func(c *cluster) {
			d := c.deployment("siren-worker-general")
			*d.Spec.Replicas = 7
			c.put(d)
		}},
		"when a rollout was begun": {change: func(c *cluster) {
			d := c.deployment("siren-worker-general")
			d.Spec.Template.Spec.Containers[0].Image = "v2"
			c.put(d)
		}},
		"when the worker is gone":    {change: func(c *cluster) { c.remove(c.pod("b")) }},
		"when the worker is leaving": {change: func(c *cluster) { p := c.pod("b"); leaving(p); c.put(p) }},
		"while another one runs and isn't ready": {unseen: true, change: func(c *cluster) {
			p := c.pod("a")
			notReady(p)
			c.put(p)
		}},
	} {
		for told, deaf := range map[string][]string{"": nil, ", untold": {"deployments", "replicasets", "pods"}} {
			if s.unseen && deaf != nil {
				continue
			}
			t.Run(name+told, func(t *testing.T) {
				inCluster(t, func(t *testing.T, c *cluster) {
					c.put(pool("general", "a", "b", "c")...)
					for _, resource := range deaf {
						c.deaf[resource] = true
					}
					f := c.fleet()
					seen := look(t, f, "general")
					s.change(c)
					synctest.Wait()
					wantConflict(t, f.Scale(t.Context(), "general", seen, 2, []string{"b"}))
					if deaf == nil {
						wantWrites(t, c)
					}
					if slices.Contains(c.written(), "scale siren-worker-general 2") {
						t.Errorf("wrote %q", c.written())
					}
				})
			})
		}
	}
	t.Run("during a rollout", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			d := newDeployment("general", 3, "v2")
			old, current := newSet(d, 1, "v1"), newSet(d, 2, "v2")
			c.put(d, old, current, newPod(old, "a"), newPod(current, "b"), newPod(current, "c"))
			f := c.fleet()
			s := look(t, f, "general")
			if !s.Rollout {
				t.Errorf("state %+v", s)
			}
			wantConflict(t, f.Scale(t.Context(), "general", s, 2, []string{"b"}))
			if err := f.Scale(t.Context(), "general", s, 4, nil); err != nil {
				t.Errorf("growing: %v", err)
			}
			wantWrites(t, c, "scale siren-worker-general 4")
		})
	})
}

// A broken pod must not keep the pool from shrinking: it is removed in a retired one's place, which goes next.
func TestScaleInBesideBrokenOnes(t *testing.T) {
	for name, c := range map[string]struct {
		broken func(*corev1.Pod)
		silent bool
		want   bool // it shrinks
	}{
		"unready, and nothing is heard of it":     {notReady, true, true},
		"unready, and at work":                    {notReady, false, false},
		"its node is away, and so is its worker":  {readyUnknown, true, true},
		"its node is away, and its worker is not": {readyUnknown, false, false},
		"waits to be restarted after a crash":     {crashed, false, true},
		"ready, and nothing is heard of it":       {func(*corev1.Pod) {}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(t *testing.T, cl *cluster) {
				d := newDeployment("general", 3, "v1")
				rs := newSet(d, 3, "v1")
				cl.put(d, rs, newPod(rs, "a", c.broken), newPod(rs, "b", marked), newPod(rs, "c"))
				f := cl.fleet()
				s := look(t, f, "general")
				s.Members[0].Silent = c.silent
				err := f.Scale(t.Context(), "general", s, 2, []string{"b"})
				if !c.want {
					wantConflict(t, err)
					wantWrites(t, cl)
					return
				}
				if err != nil {
					t.Error(err)
				}
				wantWrites(t, cl, "scale siren-worker-general 2")
			})
		})
	}
	t.Run("one that came after the decision may be at work", func(t *testing.T) {
		inCluster(t, func(t *testing.T, cl *cluster) {
			d := newDeployment("general", 3, "v1")
			rs := newSet(d, 3, "v1")
			cl.put(d, rs, newPod(rs, "a", notReady), newPod(rs, "b", marked), newPod(rs, "c"))
			f := cl.fleet()
			s := look(t, f, "general")
			s.Members = s.Members[1:]
			wantConflict(t, f.Scale(t.Context(), "general", s, 2, []string{"b"}))
		})
	})
}

func readyUnknown(p *corev1.Pod) { p.Status.Conditions[1].Status = corev1.ConditionUnknown }

func crashed(p *corev1.Pod) {
	notReady(p)
	p.Status.ContainerStatuses[0].Ready = false
	p.Status.ContainerStatuses[0].State = corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"},
	}
}

func TestLongUnready(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.put(pool("general", "a")...)
		f := c.fleet()
		unready := func() bool { return look(t, f, "general").Members[0].Unready }
		if unready() {
			t.Error("a ready one")
		}
		p := c.pod("a")
		notReady(p)
		p.Status.Conditions[1].LastTransitionTime = metav1.Now()
		c.put(p)
		synctest.Wait()
		if unready() {
			t.Error("one that just isn't ready any more")
		}
		time.Sleep(patience + time.Second)
		if !unready() {
			t.Error("one that hasn't been ready for a while isn't told")
		}
	})
}

func TestScaleInBesideOnesThatNeverStarted(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		d := newDeployment("general", 3, "v1")
		rs := newSet(d, 3, "v1")
		c.put(d, rs, newPod(rs, "a"), newPod(rs, "b"), newPod(rs, "c", pending(unschedulable)))
		f := c.fleet()
		scaleIn(t, f, 2, "b") // c is removed in b's place, and does no work
	})
}

// A worker that was marked and stayed may have started afresh since: only those removed now may go first.
func TestScaleTakesOldMarksOff(t *testing.T) {
	t.Run("an earlier leader's", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			d := newDeployment("general", 3, "v1")
			rs := newSet(d, 3, "v1")
			c.put(d, rs, newPod(rs, "a", marked), newPod(rs, "b"), newPod(rs, "c", marked))
			f := c.fleet()
			scaleIn(t, f, 2, "c")
			wantWrites(t, c, "unmark a", "scale siren-worker-general 2")
		})
	})
	t.Run("our own, that nobody has told yet", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(pool("general", "a", "b", "c")...)
			c.deaf["pods"] = true
			f := c.fleet()
			c.fail("update deployments/scale", apierrors.NewServiceUnavailable("try later"))
			if err := f.Scale(t.Context(), "general", look(t, f, "general"), 2, []string{"a"}); err == nil {
				t.Fatal("no error")
			}
			c.fail("update deployments/scale", nil)
			wantConflict(t, f.Scale(t.Context(), "general", look(t, f, "general"), 2, []string{"b"}))
			wantWrites(t, c, "mark a")
		})
	})
	t.Run("our own, when they are gone", func(t *testing.T) {
		inCluster(t, func(t *testing.T, c *cluster) {
			c.put(pool("general", "a", "b", "c")...)
			f := c.fleet()
			scaleIn(t, f, 2, "a")
			c.remove(c.pod("a"))
			scaleIn(t, f, 1, "b")
			wantWrites(t, c, "mark a", "scale siren-worker-general 2", "mark b", "scale siren-worker-general 1")
			if len(f.marked) != 1 {
				t.Errorf("remembers %v", f.marked)
			}
		})
	})
}

// A process that was paused between looking and marking wakes up: the retired worker has started afresh meanwhile.
func TestLateMarkIsRefused(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.put(pool("general", "a", "b")...)
		c.deaf["pods"] = true
		f := c.fleet()
		p := c.pod("a")
		p.Status.ContainerStatuses[0].RestartCount = 1
		c.put(p)
		wantConflict(t, f.Scale(t.Context(), "general", look(t, f, "general"), 1, []string{"a"}))
		wantWrites(t, c)
	})
}

func TestUnready(t *testing.T) {
	rs := newSet(newDeployment("general", 1, "v1"), 1, "v1")
	for name, c := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"ready":                     {func(*corev1.Pod) {}, false},
		"runs, not yet ready":       {notReady, true},
		"runs, nothing known of it": {func(p *corev1.Pod) { p.Status.Conditions = nil }, true},
		"unschedulable":             {pending(unschedulable), false},
		"waits to be restarted": {func(p *corev1.Pod) {
			notReady(p)
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"},
			}
		}, false},
		"on a node that is away": {func(p *corev1.Pod) {
			notReady(p)
			p.Status.Conditions[1].LastTransitionTime = metav1.Now()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := unready(newPod(rs, "p", c.change)); got != c.want {
				t.Errorf("unready: %v", got)
			}
		})
	}
}
