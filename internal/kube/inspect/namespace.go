package inspect

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/kube"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Namespace tells what is in a namespace, for those who look and change nothing. Its errors are the API server's.
type Namespace struct {
	Client kubernetes.Interface
	Name   string
}

// Deployment is what a pool's Deployment says of its size and of its workers' end.
type Deployment struct {
	Name, Pool   string
	ScaledBy     string         // the autoscalers that size it, "" without any
	ReplicasFrom string         // who writes its number of replicas as a part of it, "" when nobody does
	Grace        *time.Duration // for a pod that is told to end; nil: it isn't said
	Drain        *time.Duration // that the workers wait for their jobs; nil: it isn't said
}

// Deployments lists those of pools that the label selector chooses.
func (n Namespace) Deployments(ctx context.Context, selector string) ([]Deployment, error) {
	ctx = kube.Quiet(ctx)
	list, err := n.Client.AppsV1().Deployments(n.Name).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil || len(list.Items) == 0 {
		return nil, err
	}
	var autoscalers []*autoscalingv2.HorizontalPodAutoscaler
	if list, err := n.Client.AutoscalingV2().HorizontalPodAutoscalers(n.Name).List(ctx,
		metav1.ListOptions{}); err == nil {
		for i := range list.Items {
			autoscalers = append(autoscalers, &list.Items[i])
		}
	}
	all := make([]Deployment, len(list.Items))
	for i := range list.Items {
		d := &list.Items[i]
		all[i] = Deployment{
			Name: d.Name, Pool: d.Labels[kube.PoolLabel], ScaledBy: kube.ScaledBy(d, autoscalers),
			ReplicasFrom: replicasManager(d),
			Drain:        drainOf(d),
		}
		if grace := d.Spec.Template.Spec.TerminationGracePeriodSeconds; grace != nil {
			all[i].Grace = new(time.Duration(*grace) * time.Second)
		}
	}
	return all, nil
}

// drainOf finds what the workers of a Deployment are told of --drain-timeout.
func drainOf(d *appsv1.Deployment) *time.Duration {
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, arg := range c.Args {
			if value, ok := strings.CutPrefix(arg, "--drain-timeout="); ok {
				if drain, err := time.ParseDuration(value); err == nil {
					return &drain
				}
				return nil
			}
		}
	}
	return nil
}

// replicasManager finds who writes the number of replicas as a part of the Deployment; "" when nobody does. Only what
// was applied counts: who creates a Deployment otherwise is also named as the owner of what the API server put in for
// it.
func replicasManager(d *appsv1.Deployment) string {
	for _, m := range d.ManagedFields {
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if m.Operation != metav1.ManagedFieldsOperationApply || m.Subresource != "" || m.FieldsV1 == nil ||
			json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, sets := fields.Spec["f:replicas"]; sets {
			return m.Manager
		}
	}
	var applied struct {
		Spec struct{ Replicas *int }
	}
	if json.Unmarshal([]byte(d.Annotations[corev1.LastAppliedConfigAnnotation]), &applied) == nil &&
		applied.Spec.Replicas != nil {
		return "kubectl apply"
	}
	return ""
}

// May asks whether this process's account may do that with a resource, such as deployments/scale, of that name; "": of
// any.
func (n Namespace) May(ctx context.Context, verb, group, resource, name string) (bool, error) {
	resource, sub, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: n.Name, Group: group, Resource: resource, Subresource: sub, Name: name, Verb: verb,
		},
	}}
	answer, err := n.Client.AuthorizationV1().SelfSubjectAccessReviews().Create(kube.Quiet(ctx), review,
		metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}

// ConfigMap asks for a ConfigMap; the error says that there is none, or why it can't be told.
func (n Namespace) ConfigMap(ctx context.Context, name string) error {
	_, err := n.Client.CoreV1().ConfigMaps(n.Name).Get(kube.Quiet(ctx), name, metav1.GetOptions{})
	return err
}
