package kube

import (
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"github.com/polyglot-media/siren/lanes/fleet"
)

// stateOf returns a pool as its Deployment, the ReplicaSets and pods of it, and the namespace's autoscalers describe
// it.
func stateOf(d *appsv1.Deployment, sets []*appsv1.ReplicaSet, pods []*corev1.Pod,
	autoscalers []*autoscalingv2.HorizontalPodAutoscaler, now time.Time,
) fleet.PoolState {
	s := fleet.PoolState{
		Replicas: asked(d.Spec.Replicas),
		Members:  refused(d, sets),
		Rollout:  rollingOut(d, sets),
		Foreign:  ScaledBy(d, autoscalers),
		Version:  d.ResourceVersion,
	}
	over := deadlineOf(d)
	for _, p := range pods {
		s.Members = append(s.Members, fleet.Member{
			Name: p.Name, CreatedAt: p.CreationTimestamp.Time, Leaving: p.DeletionTimestamp != nil,
			Stuck: stuck(p, over, now), Unready: longUnready(p, now),
		})
	}
	slices.SortFunc(s.Members, func(a, b fleet.Member) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// asked returns how many replicas a Deployment or a ReplicaSet is to have: one, when it doesn't say.
func asked(replicas *int32) int {
	if replicas == nil {
		return 1
	}
	return int(*replicas)
}

// rollingOut reports whether old and new replicas are side by side, or soon will be: the deletion cost ranks the pods
// of one ReplicaSet only. A change of the pod template counts from the moment it is written, before any controller has
// seen it; a change of the number alone never does. A ReplicaSet without replicas is history.
//
// A paused Deployment starts no rollout, so it may be scaled in while one ReplicaSet has all replicas, even if its
// template has changed already: resuming it changes its version, and a decision made before is refused.
func rollingOut(d *appsv1.Deployment, sets []*appsv1.ReplicaSet) bool {
	active, old := 0, 0
	for _, rs := range sets {
		if asked(rs.Spec.Replicas) == 0 && rs.Status.Replicas == 0 {
			continue
		}
		active++
		if !sameTemplate(rs.Spec.Template, d.Spec.Template) {
			old++
		}
	}
	if d.Spec.Paused {
		return active > 1
	}
	return active > 1 || old > 0 || d.Status.UpdatedReplicas < d.Status.Replicas
}

// sameTemplate compares pod templates as the Deployment's controller does: all but the hash that it adds to the labels.
func sameTemplate(a, b corev1.PodTemplateSpec) bool {
	return apiequality.Semantic.DeepEqual(unhashed(a), unhashed(b))
}

func unhashed(t corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	labels := make(map[string]string, len(t.Labels))
	for k, v := range t.Labels {
		if k != appsv1.DefaultDeploymentUniqueLabelKey {
			labels[k] = v
		}
	}
	t.Labels = labels
	return t
}

// The label by which KEDA's HorizontalPodAutoscalers name the ScaledObject that they belong to, and its kind as their
// owner.
const (
	kedaLabel = "scaledobject.keda.sh/name"
	kedaKind  = "ScaledObject"
)

// ScaledBy names the other scalers of the Deployment; "" when there are none.
func ScaledBy(d *appsv1.Deployment, autoscalers []*autoscalingv2.HorizontalPodAutoscaler) string {
	var names []string
	for _, h := range autoscalers {
		to := h.Spec.ScaleTargetRef
		if group, _, _ := strings.Cut(to.APIVersion, "/"); to.Kind != "Deployment" || to.Name != d.Name ||
			group != appsv1.GroupName {
			continue
		}
		names = append(names, scalerName(h))
	}
	slices.Sort(names)
	return strings.Join(names, " and ")
}

func scalerName(h *autoscalingv2.HorizontalPodAutoscaler) string {
	for _, o := range h.OwnerReferences {
		if o.Kind == kedaKind {
			return "the KEDA ScaledObject " + o.Name
		}
	}
	if name := h.Labels[kedaLabel]; name != "" {
		return "the KEDA ScaledObject " + name
	}
	return "the HorizontalPodAutoscaler " + h.Name
}
