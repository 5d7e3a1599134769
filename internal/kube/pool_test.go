package kube

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestRollingOut(t *testing.T) {
	type sets = map[string][2]int // by image: replicas asked for, and there
	for name, c := range map[string]struct {
		image  string // of the Deployment's template
		sets   sets
		change func(*appsv1.Deployment)
		want   bool
	}{
		"nothing goes on":                       {"v1", sets{"v1": {3, 3}}, nil, false},
		"a Deployment without a ReplicaSet yet": {"v1", sets{}, nil, false},
		"its first replicas start":              {"v1", sets{"v1": {3, 0}}, nil, false},
		"history":                               {"v3", sets{"v1": {0, 0}, "v2": {0, 0}, "v3": {3, 3}}, nil, false},
		"a mere scale that nobody has seen yet": {
			"v1",
			sets{"v1": {3, 3}},
			func(d *appsv1.Deployment) { *d.Spec.Replicas, d.Generation = 9, 2 }, false,
		},
		"a mere scale to zero": {
			"v1",
			sets{"v1": {0, 2}},
			func(d *appsv1.Deployment) { *d.Spec.Replicas = 0 }, false,
		},
		"a change that nobody has seen yet": {
			"v2",
			sets{"v1": {3, 3}},
			func(d *appsv1.Deployment) { d.Generation = 2 }, true,
		},
		"a change at zero replicas": {
			"v2",
			sets{"v1": {0, 0}},
			func(d *appsv1.Deployment) { d.Generation = 2 }, false,
		},
		"the new ReplicaSet is empty": {"v2", sets{"v1": {3, 3}, "v2": {0, 0}}, nil, true},
		"halfway":                     {"v2", sets{"v1": {2, 2}, "v2": {2, 1}}, nil, true},
		"the last old replica goes":   {"v2", sets{"v1": {0, 1}, "v2": {3, 3}}, nil, true},
		// their ReplicaSet counts them no more
		"old pods still end": {"v2", sets{"v1": {0, 0}, "v2": {3, 3}}, nil, false},
		"a rollback that nobody has seen yet": {
			"v1",
			sets{"v1": {0, 0}, "v2": {3, 3}},
			func(d *appsv1.Deployment) { d.Generation = 3 }, true,
		},
		"a rollback, halfway": {"v1", sets{"v1": {1, 1}, "v2": {3, 3}}, nil, true},
		"after a rollback":    {"v1", sets{"v1": {3, 3}, "v2": {0, 0}}, nil, false},
		"the ReplicaSets are told of late": {
			"v1",
			sets{"v1": {3, 3}},
			func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 1 }, true,
		},
		"paused, nothing changed": {
			"v1",
			sets{"v1": {3, 3}},
			func(d *appsv1.Deployment) { d.Spec.Paused = true }, false,
		},
		"paused before a change": {
			"v2",
			sets{"v1": {3, 3}},
			func(d *appsv1.Deployment) { d.Spec.Paused, d.Status.UpdatedReplicas = true, 0 }, false,
		},
		"paused halfway": {
			"v2",
			sets{"v1": {2, 2}, "v2": {1, 1}},
			func(d *appsv1.Deployment) { d.Spec.Paused = true }, true,
		},
		"paused halfway, and changed again": {
			"v3",
			sets{"v1": {2, 2}, "v2": {1, 1}},
			func(d *appsv1.Deployment) { d.Spec.Paused = true }, true,
		},
		"resumed after a change": {
			"v2",
			sets{"v1": {3, 3}},
			func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 0 }, true,
		},
		"the old ones go before the new ones come": {
			"v2",
			sets{"v1": {0, 2}},
			func(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeployment("general", 3, c.image)
			if c.change != nil {
				c.change(d)
			}
			var sets []*appsv1.ReplicaSet
			for image, n := range c.sets {
				rs := newSet(d, n[0], image)
				rs.Status.Replicas = int32(n[1])
				sets = append(sets, rs)
			}
			if got := rollingOut(d, sets); got != c.want {
				t.Errorf("rolling out: %v", got)
			}
		})
	}
}

func TestForeign(t *testing.T) {
	hpa := func(name, version, kind, target string,
		change ...func(*autoscalingv2.HorizontalPodAutoscaler),
	) *autoscalingv2.HorizontalPodAutoscaler {
		h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: name}}
		h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: version, Kind: kind, Name: target}
		for _, c := range change {
			c(h)
		}
		return h
	}
	labelled := func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Labels = map[string]string{kedaLabel: "queue"} }
	owned := func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.OwnerReferences = []metav1.OwnerReference{{APIVersion: "keda.sh/v1alpha1", Kind: kedaKind, Name: "queue"}}
	}
	const us = "siren-worker-general"
	for name, c := range map[string]struct {
		there []*autoscalingv2.HorizontalPodAutoscaler
		want  string
	}{
		"none": {nil, ""},
		"an autoscaler": {
			[]*autoscalingv2.HorizontalPodAutoscaler{hpa("cpu", "apps/v1", "Deployment", us)},
			"the HorizontalPodAutoscaler cpu",
		},
		"KEDA's, owned": {[]*autoscalingv2.HorizontalPodAutoscaler{hpa("keda-hpa-queue", "apps/v1",
			"Deployment", us, owned)}, "the KEDA ScaledObject queue"},
		"KEDA's, labelled": {[]*autoscalingv2.HorizontalPodAutoscaler{hpa("keda-hpa-queue", "apps/v1",
			"Deployment", us, labelled)}, "the KEDA ScaledObject queue"},
		"of another Deployment": {[]*autoscalingv2.HorizontalPodAutoscaler{hpa("cpu", "apps/v1", "Deployment",
			"web")}, ""},
		"of a StatefulSet": {
			[]*autoscalingv2.HorizontalPodAutoscaler{hpa("cpu", "apps/v1", "StatefulSet", us)},
			"",
		},
		"of somebody's Deployment": {[]*autoscalingv2.HorizontalPodAutoscaler{hpa("cpu", "example.com/v1", "Deployment",
			us)}, ""},
		"two": {
			[]*autoscalingv2.HorizontalPodAutoscaler{
				hpa("cpu", "apps/v1", "Deployment", us),
				hpa("keda-hpa-queue", "apps/v1", "Deployment", us, owned),
			},
			"the HorizontalPodAutoscaler cpu and the KEDA ScaledObject queue",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ScaledBy(newDeployment("general", 3, "v1"), c.there); got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	failure := func(rs *appsv1.ReplicaSet, reason string, there int) *appsv1.ReplicaSet {
		rs.Status.Replicas = int32(there)
		rs.Status.Conditions = []appsv1.ReplicaSetCondition{{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: reason,
			Message: "exceeded quota: pods",
		}}
		return rs
	}
	d := newDeployment("general", 4, "v1")
	unmade := newDeployment("general", 2, "v1")
	unmade.Status = appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ReplicaSetCreateError",
		Message: "denied",
	}}}
	for name, c := range map[string]struct {
		d    *appsv1.Deployment
		sets []*appsv1.ReplicaSet
		want []string
	}{
		"nobody": {d, []*appsv1.ReplicaSet{newSet(d, 4, "v1")}, nil},
		"by a quota": {d, []*appsv1.ReplicaSet{failure(newSet(d, 4, "v1"), "FailedCreate", 2)}, []string{
			"siren-worker-general-v1-refused-3 not created: exceeded quota: pods",
			"siren-worker-general-v1-refused-4 not created: exceeded quota: pods",
		}},
		"all were made in the end":  {d, []*appsv1.ReplicaSet{failure(newSet(d, 4, "v1"), "FailedCreate", 4)}, nil},
		"one that can't be removed": {d, []*appsv1.ReplicaSet{failure(newSet(d, 2, "v1"), "FailedDelete", 1)}, nil},
		"they only haven't come yet": {d, []*appsv1.ReplicaSet{func() *appsv1.ReplicaSet {
			rs := newSet(d, 4,
				"v1")
			rs.Status.Replicas = 0
			return rs
		}()}, nil},
		"the new ones, in a rollout": {d, []*appsv1.ReplicaSet{
			newSet(d, 4, "v1"),
			failure(newSet(d, 1, "v2"), "FailedCreate",
				0),
		}, []string{"siren-worker-general-v2-refused-1 not created: exceeded quota: pods"}},
		"not even a ReplicaSet is it": {
			unmade, nil,
			[]string{
				"siren-worker-general-refused-1 not created: denied",
				"siren-worker-general-refused-2 not created: denied",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, m := range refused(c.d, c.sets) {
				got = append(got, m.Name+" "+m.Stuck)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestStateOf(t *testing.T) {
	now := time.Now()
	d := newDeployment("general", 3, "v2")
	d.ResourceVersion = "7"
	old, current := newSet(d, 0, "v1"), newSet(d, 3, "v2")
	got := stateOf(d, []*appsv1.ReplicaSet{old, current},
		[]*corev1.Pod{newPod(current, "b"), newPod(current, "a"), newPod(old, "c", leaving, pending(unschedulable))},
		nil, now)
	if got.Replicas != 3 || got.Version != "7" || got.Rollout || got.Foreign != "" {
		t.Errorf("state %+v", got)
	}
	names := func(m fleet.Member) string { return m.Name + map[bool]string{true: " leaves"}[m.Leaving] + m.Stuck }
	if len(got.Members) != 3 || names(got.Members[0]) != "a" || names(got.Members[1]) != "b" ||
		names(got.Members[2]) != "c leaves" {
		t.Errorf("members %+v", got.Members)
	}
	if age := now.Sub(got.Members[0].CreatedAt); age.Round(time.Minute) != time.Hour {
		t.Errorf("made %v ago", age)
	}
	d.Spec.Replicas = nil
	if got := stateOf(d, nil, nil, nil, now); got.Replicas != 1 {
		t.Errorf("%d replicas without a number", got.Replicas)
	}
}

const unschedulable = "0/3 nodes are available: 3 Insufficient cpu."

// pending returns a pod without a node, for a reason.
func pending(why string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.NodeName = ""
		p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			Message: why,
		}}}
	}
}

func TestStuck(t *testing.T) {
	now := time.Now()
	at := func(ago time.Duration) metav1.Time { return metav1.NewTime(now.Add(-ago)) }
	// starting is a pod that got its node some time ago and whose containers haven't run yet.
	starting := func(ago time.Duration, prepared corev1.ConditionStatus, reason, message string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.CreationTimestamp = at(ago)
			p.Status = corev1.PodStatus{
				Phase: corev1.PodPending,
				Conditions: []corev1.PodCondition{{
					Type: corev1.PodScheduled, Status: corev1.ConditionTrue,
					LastTransitionTime: at(ago),
				}},
				ContainerStatuses: []corev1.ContainerStatus{{
					Name: "worker",
					State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
						Reason:  reason,
						Message: message,
					}},
				}},
			}
			if prepared != "" {
				p.Status.Conditions = append(p.Status.Conditions,
					corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: prepared})
			}
		}
	}
	ended := func(lasted, ago time.Duration) *corev1.ContainerStateTerminated {
		return &corev1.ContainerStateTerminated{
			ExitCode: 1, Reason: "Error", StartedAt: at(ago + lasted),
			FinishedAt: at(ago),
		}
	}
	// again is a pod whose container was restarted, and last ran so long.
	again := func(restarts int32, lasted time.Duration, state corev1.ContainerState, ready bool) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "worker", RestartCount: restarts, Ready: ready, State: state,
				LastTerminationState: corev1.ContainerState{Terminated: ended(lasted, time.Second)},
			}}
		}
	}
	runs := func(since time.Duration) corev1.ContainerState {
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(since)}}
	}
	waits := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason:  "CrashLoopBackOff",
		Message: "back-off 40s",
	}}
	const loop = "CrashLoopBackOff: container worker was restarted %s times, it last ended with exit code 1 (Error)"
	crashes := func(times string) string { return strings.Replace(loop, "%s", times, 1) }
	unready := func(runs, since time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			notReady(p)
			p.Status.Conditions[1].LastTransitionTime = at(since)
			p.Status.ContainerStatuses[0].Ready = false
			p.Status.ContainerStatuses[0].State.Running.StartedAt = at(runs)
		}
	}
	unscheduled := func(ago time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.CreationTimestamp, p.Status = at(ago), corev1.PodStatus{Phase: corev1.PodPending}
		}
	}
	for name, c := range map[string]struct {
		is   func(*corev1.Pod)
		over string // what the Deployment has said half an hour ago
		want string
	}{
		"runs":                                {func(*corev1.Pod) {}, "", ""},
		"runs, not ready":                     {notReady, "", ""}, // the broker is away, perhaps
		"runs, not ready, Deployment late":    {notReady, "late", ""},
		"runs for two minutes, not ready yet": {unready(2*time.Minute, 3*time.Minute), "", ""},
		"runs, and was never ready": {
			unready(4*time.Minute, 5*time.Minute), "",
			"container worker has run for 4m0s and was never ready: see kubectl logs p",
		},
		"runs, and was ready before":    {unready(time.Hour, 4*time.Minute), "", ""},
		"unschedulable":                 {pending(unschedulable), "", "unschedulable: " + unschedulable},
		"unschedulable, but told to go": {func(p *corev1.Pod) { pending(unschedulable)(p); leaving(p) }, "", ""},
		"gated": {func(p *corev1.Pod) {
			pending("")(
				p)
			p.Status.Conditions[0].Reason = corev1.PodReasonSchedulingGated
		}, "", "its scheduling is gated"},
		"just made":    {unscheduled(time.Second), "", ""},
		"no scheduler": {unscheduled(2 * time.Minute), "", "no scheduler has assigned it to a node"},
		"pulls": {
			starting(5*time.Second, corev1.ConditionTrue, "ContainerCreating", ""),
			"", "",
		},
		"pulls a large image": {
			starting(5*time.Minute, corev1.ConditionTrue, "ContainerCreating", ""),
			"", "",
		},
		"pulls, on an old cluster": {starting(5*time.Minute, "", "ContainerCreating", ""), "", ""},
		"pulls, past the deadline": {
			starting(40*time.Minute, corev1.ConditionTrue, "ContainerCreating", ""),
			"late", "late",
		},
		"pulls, made after the deadline": {
			starting(5*time.Second, corev1.ConditionTrue, "ContainerCreating", ""),
			"late", "",
		},
		"can't pull": {
			starting(time.Second, corev1.ConditionTrue, "ErrImagePull", "not found"),
			"", "ErrImagePull: not found",
		},
		"can't pull, waits": {starting(time.Minute, corev1.ConditionTrue, "ImagePullBackOff",
			"Back-off pulling image"), "", "ImagePullBackOff: Back-off pulling image"},
		"no such image name": {
			starting(time.Second, corev1.ConditionTrue, "InvalidImageName", ""), "",
			"InvalidImageName",
		},
		"lacks a Secret in its environment": {starting(time.Second, corev1.ConditionTrue, "CreateContainerConfigError",
			`secret "s" not found`), "", `CreateContainerConfigError: secret "s" not found`},
		"can't be started": {starting(time.Second, corev1.ConditionTrue, "RunContainerError",
			"exec: siren"), "", "RunContainerError: exec: siren"},
		"its volumes take a moment": {
			starting(20*time.Second, corev1.ConditionFalse, "ContainerCreating", ""),
			"", "",
		},
		"lacks a Secret among its volumes": {
			starting(2*time.Minute, corev1.ConditionFalse, "ContainerCreating", ""),
			"", "its volumes or its network can't be set up on node node-1: see kubectl describe pod p",
		},
		"its node is away": {func(p *corev1.Pod) {
			starting(2*time.Minute, "", "",
				"")(p)
			p.Status.ContainerStatuses = nil
		}, "", "node node-1 doesn't start it"},
		"an init container can't pull": {func(p *corev1.Pod) {
			starting(time.Second, "", "ErrImagePull", "")(p)
			p.Status.InitContainerStatuses, p.Status.ContainerStatuses = p.Status.ContainerStatuses, nil
		}, "", "ErrImagePull"},
		"crashed once, ends": {again(0, time.Second,
			corev1.ContainerState{Terminated: ended(time.Second, 0)}, false), "", ""},
		"restarted once":               {again(1, time.Second, runs(time.Second), false), "", ""},
		"restarted once, ready":        {again(1, time.Second, runs(time.Second), true), "", ""},
		"crashes over and over, waits": {again(4, time.Second, waits, false), "", crashes("4")},
		"crashes over and over, has ended": {again(4, time.Second,
			corev1.ContainerState{Terminated: ended(time.Second, 0)}, false), "", crashes("4")},
		"crashes over and over, runs":        {again(4, time.Second, runs(2*time.Second), false), "", crashes("4")},
		"crashed over and over, works now":   {again(4, time.Second, runs(2*time.Second), true), "", ""},
		"crashed over and over, holds now":   {again(4, time.Second, runs(5*time.Minute), false), "", ""},
		"restarted often, ran well for long": {again(4, time.Hour, runs(time.Second), false), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			rs := newSet(newDeployment("general", 1, "v1"), 1, "v1")
			if got := stuck(newPod(rs, "p", c.is), deadline{now.Add(-30 * time.Minute), c.over}, now); got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestDeadlineOf(t *testing.T) {
	d, at := newDeployment("general", 1, "v1"), time.Now()
	d.Status.Conditions = []appsv1.DeploymentCondition{{
		Type:   appsv1.DeploymentProgressing,
		Status: corev1.ConditionTrue, Reason: "ReplicaSetUpdated",
	}}
	if got := deadlineOf(d); got != (deadline{}) {
		t.Errorf("progressing: %+v", got)
	}
	d.Status.Conditions[0] = appsv1.DeploymentCondition{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded",
		Message: `ReplicaSet "x" has timed out progressing.`, LastTransitionTime: metav1.NewTime(at),
	}
	want := deadline{
		at,
		`not started within the Deployment's progress deadline: ReplicaSet "x" has timed out progressing.`,
	}
	if got := deadlineOf(d); got != want {
		t.Errorf("got %+v", got)
	}
}
