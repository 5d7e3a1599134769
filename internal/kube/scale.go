package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	// the annotation by which a ReplicaSet picks the pods that go first.
	deletionCost = "controller.kubernetes.io/pod-deletion-cost"
	firstToGo    = "-2147483648" // the lowest cost there is: only retired workers get it
)

// Scale asks for so many replicas, if the pool is still as it was seen; else it is a lanes.ErrConflict. Shrinking needs
// as many retired workers as it takes away: they get the lowest deletion cost first, and nobody else has it then, so it
// is they that the ReplicaSet removes.
func (f *Fleet) Scale(ctx context.Context, pool string, seen fleet.PoolState, to int, remove []string) error {
	d, err := f.deployment(pool)
	if err != nil {
		return err
	}
	if d.ResourceVersion != seen.Version {
		return conflict(pool, "version %s of Deployment %s was seen, now it is %s", seen.Version, d.Name,
			d.ResourceVersion)
	}
	from := asked(d.Spec.Replicas)
	if decrease := max(0, from-to); to < 0 || len(remove) != decrease {
		return fmt.Errorf("scale pool %q from %d to %d: needs the names of %d workers to remove, got %d", pool, from,
			to, decrease, len(remove))
	}
	if to == from {
		return nil
	}
	if len(remove) > 0 {
		if err := f.nominate(ctx, pool, d, seen, remove); err != nil {
			return err
		}
	}
	return f.write(ctx, pool, d, to)
}

// write changes the number of replicas of the very version of the Deployment that was seen.
func (f *Fleet) write(ctx context.Context, pool string, d *appsv1.Deployment, to int) error {
	scale, err := f.client.AppsV1().Deployments(d.Namespace).UpdateScale(ctx, d.Name, &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name: d.Name, Namespace: d.Namespace, UID: d.UID,
			ResourceVersion: d.ResourceVersion,
		},
		Spec: autoscalingv1.ScaleSpec{Replicas: int32(to)},
	}, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return conflict(pool, "%v", err)
	}
	if err != nil {
		return fmt.Errorf("scale Deployment %s from %d to %d: %w", d.Name, asked(d.Spec.Replicas), to, err)
	}
	d = d.DeepCopy() // what was told isn't ours to change
	d.Spec.Replicas, d.ResourceVersion = &scale.Spec.Replicas, scale.ResourceVersion
	f.written.Mutation(d)
	return nil
}

// nominate sees to it that the pods to be removed, and no others, have the lowest deletion cost. A mark that an earlier
// decision left behind is taken off: its worker may have started afresh, and be busy.
//
// A mark that was only just written is a conflict too: the ReplicaSet's controller reads by a watch of its own, and
// would choose other pods if the number came to it first. What this process's watch has seen, that one has most likely
// seen as well.
//
// Another one that runs and isn't ready would be removed in their place. That is right where nothing has been heard of
// it for long: a broken pod must not keep the pool from shrinking, and who was to go in its place goes next.
//
// Each mark is written on the very version of the pod that was seen, so one that a paused process writes late is
// refused once the worker has started afresh.
func (f *Fleet) nominate(
	ctx context.Context, pool string, d *appsv1.Deployment, seen fleet.PoolState, remove []string,
) error {
	if rollingOut(d, f.replicaSets.Of(d.UID)) {
		return conflict(pool, "a rollout is in progress")
	}
	pods := f.podsOf(d)
	chosen := map[string]*corev1.Pod{}
	for _, name := range remove {
		i := slices.IndexFunc(pods, func(p *corev1.Pod) bool { return p.Name == name && p.DeletionTimestamp == nil })
		if i < 0 {
			return conflict(pool, "worker %q is gone or leaving", name)
		}
		if chosen[name] != nil {
			return fmt.Errorf("scale pool %q: worker %q is named twice", pool, name)
		}
		chosen[name] = pods[i]
	}
	for _, p := range pods {
		if chosen[p.Name] == nil && p.DeletionTimestamp == nil && unready(p) && !silent(seen, p.Name) {
			return conflict(pool, "worker %q runs and isn't ready: it would be removed before a retired one", p.Name)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.marked, func(name string, _ bool) bool {
		_, there, _ := f.pods.Objects.GetByKey(f.namespace + "/" + name)
		return !there
	})
	fresh := 0 // marks that nobody has seen yet
	for _, p := range pods {
		if chosen[p.Name] == nil && (f.marked[p.Name] || p.Annotations[deletionCost] == firstToGo) {
			f.log.Info("a worker marked for removal wasn't removed, and stays", "pool", pool, "worker", p.Name)
			if err := f.mark(ctx, pool, p, false); err != nil {
				return err
			}
			fresh++
		}
	}
	for _, p := range chosen {
		if p.Annotations[deletionCost] != firstToGo {
			if err := f.mark(ctx, pool, p, true); err != nil {
				return err
			}
			fresh++
		}
	}
	if fresh > 0 {
		return conflict(pool, "%d marks for removal were set or taken off just now; workers go once they have been "+
			"seen", fresh)
	}
	return nil
}

// unready reports whether a pod may be at work, but isn't ready: a ReplicaSet removes such pods before it looks at any
// cost. A worker takes jobs from its first session on, and the kubelet learns that it is ready some seconds later.
func unready(p *corev1.Pod) bool {
	runs := slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.State.Running != nil
	})
	ready := condition(p, corev1.PodReady)
	return runs && (ready == nil || ready.Status != corev1.ConditionTrue)
}

// silent reports whether the decision took it into account that nothing is heard of a worker.
func silent(seen fleet.PoolState, worker string) bool {
	return slices.ContainsFunc(seen.Members, func(m fleet.Member) bool { return m.Name == worker && m.Silent })
}

// longUnready reports whether a pod has been unready for longer than a start or a slow answer explains.
func longUnready(p *corev1.Pod, now time.Time) bool {
	ready := condition(p, corev1.PodReady)
	return unready(p) && ready != nil && now.Sub(ready.LastTransitionTime.Time) > patience
}

// mark gives the pod the lowest deletion cost, or takes it off, if the pod is still as it was seen. The caller holds
// mu.
func (f *Fleet) mark(ctx context.Context, pool string, p *corev1.Pod, first bool) error {
	cost := "null"
	if first {
		cost = `"` + firstToGo + `"`
		f.marked[p.Name] = true // whatever comes of it
	}
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"resourceVersion":%q,"annotations":{%q:%s}}}`, p.UID,
		p.ResourceVersion, deletionCost, cost)
	_, err := f.client.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	switch {
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
		return conflict(pool, "mark worker %s for removal: %v", p.Name, err)
	case err != nil:
		return fmt.Errorf("mark worker %s for removal: %w", p.Name, err)
	case !first:
		delete(f.marked, p.Name)
	}
	return nil
}

func conflict(pool, why string, args ...any) error {
	return fmt.Errorf("pool %q: %w: %s", pool, lanes.ErrConflict, fmt.Sprintf(why, args...))
}
