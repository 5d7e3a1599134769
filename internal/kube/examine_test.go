package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// installed is a cluster with the release as the chart makes it: two pools, and a scaler that leads.
func installed(t *testing.T, may func(a authorizationv1.ResourceAttributes) bool) (*cluster, Examination) {
	t.Helper()
	c := newCluster(t, slices.Concat(pool("general", "g1"), pool("batch"), []object{
		rendered(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "siren-policy"}},
	})...)
	holder, now := "siren-scaler-1", metav1.NewMicroTime(time.Now())
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "siren-scaler", Namespace: namespace}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &now},
	}
	if err := c.client.Tracker().Create(coordinationv1.SchemeGroupVersion.WithResource("leases"), lease, namespace); err != nil {
		t.Fatal(err)
	}
	c.client.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if err := c.failure(a); err != nil {
			return true, nil, err
		}
		r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		r.Status.Allowed = may == nil || may(*r.Spec.ResourceAttributes)
		return true, r, nil
	})
	p := &lanes.Policy{
		Lanes: []lanes.Lane{{Name: "standard", MaxRuntime: lanes.Duration(time.Minute)}, {Name: "bulk", MaxRuntime: lanes.Duration(time.Hour)}},
		Pools: []lanes.Pool{{Name: "general", Lanes: []string{"standard"}}, {Name: "batch", Lanes: []string{"bulk"}}},
	}
	return c, Examination{
		Client: c.client, Namespace: namespace, Selector: "app=siren", Lease: "siren-scaler", State: "siren-state", PolicyMap: "siren-policy", Policy: p,
	}
}

func wantFound(t *testing.T, all []doctor.Finding, check string, severity doctor.Severity, says string) {
	t.Helper()
	for _, f := range all {
		if f.Severity > doctor.OK && (f.Why == "" || f.Mend == "") {
			t.Errorf("incomplete: %+v", f)
		}
		if f.Check == check && f.Severity == severity && strings.Contains(f.What+"\n"+f.Mend, says) {
			return
		}
	}
	t.Errorf("no finding %s (%s) says %q in %+v", check, severity, says, all)
}

func TestExamineInstalled(t *testing.T) {
	_, e := installed(t, nil)
	all := Examine(t.Context(), e)
	if worst := doctor.Worst(all); worst != doctor.OK {
		t.Errorf("the worst is %s: %+v", worst, all)
	}
	wantFound(t, all, "kubernetes.cluster", doctor.OK, "siren-worker-batch")
	wantFound(t, all, "kubernetes.rights", doctor.OK, "may do all")
	wantFound(t, all, "kubernetes.lease", doctor.OK, "siren-scaler-1 holds Lease siren-scaler")
	wantFound(t, all, "kubernetes.pools", doctor.OK, "each pool has its Deployment")
}

func TestExamineRights(t *testing.T) {
	_, e := installed(t, func(a authorizationv1.ResourceAttributes) bool {
		return a.Namespace == namespace && a.Verb != "patch" && (a.Subresource != "scale" || a.Name != "siren-worker-batch")
	})
	all := Examine(t.Context(), e)
	wantFound(t, all, "kubernetes.rights", doctor.Error, "may not get/update deployments/scale siren-worker-batch, nor patch pods, nor patch events")
}

func TestExamineTroubles(t *testing.T) {
	for _, c := range []struct {
		name     string
		trouble  func(c *cluster, e *Examination)
		check    string
		severity doctor.Severity
		says     string
	}{
		{"an autoscaler", func(c *cluster, _ *Examination) {
			h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "mine", Namespace: namespace}}
			h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "siren-worker-general"}
			if err := c.client.Tracker().Create(autoscalingv2.SchemeGroupVersion.WithResource("horizontalpodautoscalers"), h, namespace); err != nil {
				c.t.Fatal(err)
			}
		}, "kubernetes.pools", doctor.Error, "is scaled by the HorizontalPodAutoscaler mine too"},
		{"replicas that somebody applies", func(c *cluster, _ *Examination) {
			d := c.deployment("siren-worker-general")
			d.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"spec":{"replicas":1}}`}
			c.put(d)
		}, "kubernetes.pools", doctor.Warning, "has its number of replicas from kubectl apply"},
		{"a pool without a Deployment", func(_ *cluster, e *Examination) {
			e.Policy.Pools = append(e.Policy.Pools, lanes.Pool{Name: "more"})
		}, "kubernetes.pools", doctor.Error, `pool "more" of the policy has no Deployment`},
		{"a Deployment without a pool", func(_ *cluster, e *Examination) { e.Policy.Pools = e.Policy.Pools[:1] }, "kubernetes.pools", doctor.Note, `is of pool "batch", which the policy doesn't have`},
		{"two Deployments", func(c *cluster, _ *Examination) {
			d := newDeployment("general", 0, "v1")
			d.Name, d.UID = "other", "other"
			c.put(d)
		}, "kubernetes.pools", doctor.Error, "the Deployments other and siren-worker-general all have the label"},
		{"no time to end", func(c *cluster, _ *Examination) {
			drains(c, "siren-worker-general", 30, "20m")
		}, "kubernetes.pools", doctor.Warning, "set terminationGracePeriodSeconds above it: 1215"},
		{"jobs longer than the drain", func(c *cluster, _ *Examination) {
			drains(c, "siren-worker-batch", 1215, "20m")
		}, "kubernetes.pools", doctor.Note, "lane bulk lets them run for 1h"},
		{"no lease", func(_ *cluster, e *Examination) { e.Lease = "other" }, "kubernetes.lease", doctor.Error, "no Lease other"},
		{"no state", func(_ *cluster, e *Examination) { e.State = "other" }, "kubernetes.configmaps", doctor.Error, "no ConfigMap other"},
		{"another namespace", func(_ *cluster, e *Examination) { e.Namespace = "elsewhere" }, "kubernetes.cluster", doctor.Note, "namespace elsewhere has no Deployment"},
		{"a deaf API server", func(c *cluster, _ *Examination) {
			c.fail("list deployments", errors.New("connection refused"))
		}, "kubernetes.cluster", doctor.Error, "connection refused"},
		{"no right to look", func(c *cluster, _ *Examination) {
			c.fail("list deployments", apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "", errors.New("no")))
			c.fail("create selfsubjectaccessreviews", errors.New("none of that"))
		}, "kubernetes.rights", doctor.Note, "none of that"},
		{"no right to read the Lease", func(c *cluster, _ *Examination) {
			c.fail("get leases", apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "", errors.New("no")))
		}, "kubernetes.lease", doctor.Note, "may not read Lease"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, e := installed(t, nil)
			c.trouble(in, &e)
			wantFound(t, Examine(t.Context(), e), c.check, c.severity, c.says)
		})
	}
}

func drains(c *cluster, deployment string, grace int64, drain string) {
	d := c.deployment(deployment)
	d.Spec.Template.Spec.TerminationGracePeriodSeconds = &grace
	d.Spec.Template.Spec.Containers[0].Args = []string{"worker", "--drain-timeout=" + drain}
	c.put(d)
}

func TestExamineStaleLease(t *testing.T) {
	c, e := installed(t, nil)
	for _, spec := range []coordinationv1.LeaseSpec{{}, {HolderIdentity: new("gone"), RenewTime: new(metav1.NewMicroTime(time.Now().Add(-time.Hour)))}} {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "siren-scaler", Namespace: namespace}, Spec: spec}
		if err := c.client.Tracker().Update(coordinationv1.SchemeGroupVersion.WithResource("leases"), lease, namespace); err != nil {
			t.Fatal(err)
		}
		wantFound(t, Examine(t.Context(), e), "kubernetes.lease", doctor.Error, "scaler")
	}
}

// What is asked for is what the chart's Role allows, no less and no more: the chart's own test says that its template makes exactly this.
func TestRightsAreTheRoleOfTheChart(t *testing.T) {
	text, err := os.ReadFile("../../charts/siren/tests/scaler-role_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests []struct {
			It      string
			Asserts []struct {
				Equal struct {
					Path  string
					Value json.RawMessage
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &suite); err != nil {
		t.Fatal(err)
	}
	type rule struct{ APIGroups, Resources, ResourceNames, Verbs []string }
	var role []rule
	for _, test := range suite.Tests {
		if test.It == "allows exactly this" {
			if err := json.Unmarshal(test.Asserts[0].Equal.Value, &role); err != nil {
				t.Fatal(err)
			}
		}
	}
	var asked []rule
	for _, p := range needed([]string{"siren-worker-general", "siren-worker-batch"}, "siren-state", "siren-policy", "siren-scaler") {
		asked = append(asked, rule{[]string{p.group}, p.resources, p.names, p.verbs})
	}
	if got, want := fmt.Sprint(asked), fmt.Sprint(role); got != want || len(role) == 0 {
		t.Errorf("asked for\n%s\nthe Role allows\n%s", got, want)
	}
}

func TestReplicasManager(t *testing.T) {
	entry := func(manager, subresource string, how metav1.ManagedFieldsOperationType) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, Operation: how, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{}}}`)}
	}
	d := newDeployment("general", 1, "v1")
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
