package inspect

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestReplicasManager(t *testing.T) {
	entry := func(manager, subresource string, how metav1.ManagedFieldsOperationType) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Subresource: subresource, Operation: how,
			FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{}}}`),
		}
	}
	d := &appsv1.Deployment{}
	d.ManagedFields = []metav1.ManagedFieldsEntry{
		entry("siren-scaler", "scale", metav1.ManagedFieldsOperationUpdate),
		entry("helm", "", metav1.ManagedFieldsOperationUpdate), // it created it, without a number
	}
	if m := replicasManager(d); m != "" {
		t.Errorf("as installed: %s", m)
	}
	d.ManagedFields = append(d.ManagedFields, entry("argocd-controller", "", metav1.ManagedFieldsOperationApply))
	if m := replicasManager(d); m != "argocd-controller" {
		t.Errorf("applied: %q", m)
	}
}
