package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	// patience is how long a pod may take for what normally takes seconds, and for which nobody gives a reason when it
	// fails: being scheduled, and getting its volumes and its network. Pulling its image may take longer.
	patience = time.Minute
	// briefly is how short a container's runs are when it is taken to be crashing repeatedly.
	briefly = time.Minute
	// readyWithin is how long a container may run without its pod having been ready: a worker that RabbitMQ or Redis
	// refuses runs like that for good.
	readyWithin = 3 * time.Minute
)

// cannotStart is the reasons of a waiting container that don't pass by themselves, or not soon.
var cannotStart = []string{
	"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
	"RegistryUnavailable",
	"SignatureValidationFailed",
	"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError",
}

// stuck returns why a pod can't run; "" when nothing is wrong.
func stuck(p *corev1.Pod, over deadline, now time.Time) string {
	if p.DeletionTimestamp != nil {
		return ""
	}
	if c := condition(p, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse {
		switch c.Reason {
		case corev1.PodReasonUnschedulable:
			return says("unschedulable", c.Message)
		case corev1.PodReasonSchedulingGated:
			return says("its scheduling is gated", c.Message)
		}
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && slices.Contains(cannotStart, w.Reason) {
			return says(w.Reason, w.Message)
		}
		if crashing(c, now) {
			return crash(c)
		}
	}
	if p.Status.Phase != corev1.PodPending && p.Status.Phase != "" {
		return neverReady(p, now)
	}
	if why := unprepared(p, now); why != "" {
		return why
	}
	if p.CreationTimestamp.Time.Before(over.at) {
		return over.why
	}
	return ""
}

// neverReady returns why a pod that runs for long does no work: it hasn't been ready since it was started.
func neverReady(p *corev1.Pod, now time.Time) string {
	ready := condition(p, corev1.PodReady)
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running == nil || c.Ready || ready == nil || ready.Status == corev1.ConditionTrue {
			continue
		}
		since := c.State.Running.StartedAt.Time
		if now.Sub(since) > readyWithin && !ready.LastTransitionTime.After(since) {
			return fmt.Sprintf("container %s has run for %s and was never ready: see kubectl logs %s", c.Name,
				now.Sub(since).Round(time.Minute), p.Name)
		}
	}
	return ""
}

// crashing reports whether a container crashes repeatedly. One that was restarted once doesn't, nor does one that ran
// well for long. Between two of its crashes it runs for moments: it counts as crashing then, too.
func crashing(c corev1.ContainerStatus, now time.Time) bool {
	if w := c.State.Waiting; w != nil {
		return w.Reason == "CrashLoopBackOff"
	}
	if c.RestartCount < 2 || c.Ready {
		return false
	}
	last := cmp.Or(c.State.Terminated, c.LastTerminationState.Terminated)
	if last == nil || last.FinishedAt.Sub(last.StartedAt.Time) > briefly {
		return false
	}
	return c.State.Running == nil || now.Sub(c.State.Running.StartedAt.Time) < briefly
}

// crash tells of a crashing container what kubectl doesn't in one place.
func crash(c corev1.ContainerStatus) string {
	s := fmt.Sprintf("CrashLoopBackOff: container %s was restarted %d times", c.Name, c.RestartCount)
	if last := cmp.Or(c.State.Terminated, c.LastTerminationState.Terminated); last != nil {
		s += fmt.Sprintf(", it last ended with exit code %d (%s)", last.ExitCode, cmp.Or(last.Reason, "Error"))
	}
	return s
}

// unprepared returns why a pod's containers couldn't be started, where no status says it; "" while they may still be,
// or are.
func unprepared(p *corev1.Pod, now time.Time) string {
	scheduled, prepared := condition(p, corev1.PodScheduled), condition(p, corev1.PodReadyToStartContainers)
	switch {
	case scheduled == nil || scheduled.Status != corev1.ConditionTrue:
		if now.Sub(p.CreationTimestamp.Time) > patience {
			return "no scheduler has assigned it to a node"
		}
	case now.Sub(scheduled.LastTransitionTime.Time) <= patience:
	case prepared == nil && len(p.Status.ContainerStatuses) == 0:
		return fmt.Sprintf("node %s doesn't start it", p.Spec.NodeName)
	case prepared != nil && prepared.Status == corev1.ConditionFalse:
		return fmt.Sprintf("its volumes or its network can't be set up on node %s: see kubectl describe pod %s",
			p.Spec.NodeName, p.Name)
	}
	return ""
}

// condition returns a pod's condition, or nil.
func condition(p *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == t {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// deadline is when a Deployment gave up waiting for its pods, and what it says of that. Pods made later have their own
// time.
type deadline struct {
	at  time.Time // zero: it hasn't
	why string
}

func deadlineOf(d *appsv1.Deployment) deadline {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse &&
			c.Reason == "ProgressDeadlineExceeded" {
			return deadline{
				c.LastTransitionTime.Time,
				says("not started within the Deployment's progress deadline", c.Message),
			}
		}
	}
	return deadline{}
}

// refused returns the replicas that may not even be created (a quota, an admission rule): without them the fleet would
// be taken for one that still starts. They have names of their own, since they have no pod.
func refused(d *appsv1.Deployment, sets []*appsv1.ReplicaSet) []fleet.Member {
	var members []fleet.Member
	add := func(from string, at time.Time, exist, want int, why string) {
		for i := exist; i < want; i++ {
			name := fmt.Sprintf("%s-refused-%d", from, i+1)
			members = append(members, fleet.Member{Name: name, CreatedAt: at, Stuck: says("not created", why)})
		}
	}
	for _, rs := range sets {
		for _, c := range rs.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue &&
				c.Reason == "FailedCreate" {
				add(rs.Name, c.LastTransitionTime.Time, int(rs.Status.Replicas), asked(rs.Spec.Replicas), c.Message)
			}
		}
	}
	for _, c := range d.Status.Conditions { // not even a ReplicaSet
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse &&
			c.Reason == "ReplicaSetCreateError" {
			add(d.Name, c.LastTransitionTime.Time, int(d.Status.Replicas), asked(d.Spec.Replicas), c.Message)
		}
	}
	return members
}

func says(what, message string) string { return strings.TrimSuffix(what+": "+message, ": ") }
