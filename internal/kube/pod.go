package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
)

// The annotations by which a pod asks those who take nodes away to leave it where it is. The chart's
// ValidatingAdmissionPolicy lets a worker write these and nothing else.
const (
	doNotDisrupt = "karpenter.sh/do-not-disrupt"                    // Karpenter: "true"
	safeToEvict  = "cluster-autoscaler.kubernetes.io/safe-to-evict" // cluster-autoscaler: "false"
)

// Pod is a worker's own pod, of which it may change two annotations and nothing else. Its methods are safe for
// concurrent use.
type Pod struct {
	pods typedcore.PodInterface
	name string
}

// NewPod makes a Pod of a name. Nothing is asked of the API server yet.
func NewPod(client kubernetes.Interface, namespace, name string) *Pod {
	return &Pod{pods: client.CoreV1().Pods(namespace), name: name}
}

// Mark says on the pod that it runs a job, or takes that off.
func (p *Pod) Mark(ctx context.Context, busy bool) error {
	yes, no := "null", "null"
	if busy {
		yes, no = `"true"`, `"false"`
	}
	_, err := p.patch(ctx, fmt.Sprintf(`{"metadata":{"annotations":{%q:%s,%q:%s}}}`, doNotDisrupt, yes,
		safeToEvict, no))
	return err
}

// Grace returns how long a pod that was deleted, or evicted, has from then until it is killed. It is false for one that
// nobody deleted: its node's kubelet ends it, or restarts its container.
func (p *Pod) Grace(ctx context.Context) (time.Duration, bool, error) {
	now, err := p.patch(ctx, "{}") // what a worker may do that answers with its pod
	if err != nil || now.DeletionTimestamp == nil || now.DeletionGracePeriodSeconds == nil {
		return 0, false, err
	}
	return time.Duration(*now.DeletionGracePeriodSeconds) * time.Second, true, nil
}

func (p *Pod) patch(ctx context.Context, patch string) (*corev1.Pod, error) {
	now, err := p.pods.Patch(ctx, p.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("pod %s isn't there: is --name the pod's? %w", p.name, err)
	case apierrors.IsForbidden(err) || apierrors.IsInvalid(err):
		return nil, fmt.Errorf("change the annotations of pod %s: the worker's Role must let it patch pods, and its "+
			"token be the pod's own: %w", p.name, err)
	case err != nil:
		return nil, fmt.Errorf("change the annotations of pod %s: %w", p.name, err)
	}
	return now, nil
}
