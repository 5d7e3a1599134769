package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/kube/inspect"
	"github.com/polyglot-media/siren/lanes"
)

const namespace = "media"

// site is client-go's fake API server, with calls that fail when a test wants it.
type site struct {
	t      *testing.T
	client *fake.Clientset
	fails  map[string]error // by verb and resource, such as "get leases"
}

// fail makes every such call fail from now on.
func (c *site) fail(call string, err error) { c.fails[call] = err }

// put makes an object, or changes it.
func (c *site) put(resource string, o runtime.Object) {
	c.t.Helper()
	kinds := map[string]schema.GroupVersion{
		"deployments": appsv1.SchemeGroupVersion, "configmaps": corev1.SchemeGroupVersion,
		"leases":                   coordinationv1.SchemeGroupVersion,
		"horizontalpodautoscalers": autoscalingv2.SchemeGroupVersion,
	}
	err := c.client.Tracker().Create(kinds[resource].WithResource(resource), o, namespace)
	if apierrors.IsAlreadyExists(err) {
		err = c.client.Tracker().Update(kinds[resource].WithResource(resource), o, namespace)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *site) deployment(name string) *appsv1.Deployment {
	o, err := c.client.Tracker().Get(appsv1.SchemeGroupVersion.WithResource("deployments"), namespace, name)
	if err != nil {
		c.t.Fatal(err)
	}
	return o.(*appsv1.Deployment).DeepCopy()
}

func newDeployment(pool string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name: "siren-worker-" + pool, Namespace: namespace,
			Labels: map[string]string{"app": "siren", kube.PoolLabel: pool},
		},
		Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "worker"}},
		}}},
	}
}

// installed makes a cluster with the release as the chart makes it: two pools, and a scaler that leads.
func installed(t *testing.T, may func(a authorizationv1.ResourceAttributes) bool) (*site, Examination) {
	t.Helper()
	c := &site{t: t, client: fake.NewClientset(), fails: map[string]error{}}
	c.client.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		err := c.fails[a.GetVerb()+" "+a.GetResource().Resource]
		return err != nil, nil, err
	})
	for _, pool := range []string{"general", "batch"} {
		c.put("deployments", newDeployment(pool))
	}
	for _, name := range []string{"siren-state", "siren-policy"} {
		c.put("configmaps", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}})
	}
	holder, now := "siren-scaler-1", metav1.NewMicroTime(time.Now())
	c.put("leases", &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "siren-scaler", Namespace: namespace},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &now},
	})
	c.client.PrependReactor("create", "selfsubjectaccessreviews",
		func(a clienttesting.Action) (bool, runtime.Object, error) {
			if err := c.fails["create selfsubjectaccessreviews"]; err != nil {
				return true, nil, err
			}
			r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
			r.Status.Allowed = may == nil || may(*r.Spec.ResourceAttributes)
			return true, r, nil
		})
	p := &lanes.Policy{
		Lanes: []lanes.Lane{
			{Name: "standard", MaxRuntime: lanes.Duration(time.Minute)},
			{Name: "bulk", MaxRuntime: lanes.Duration(time.Hour)},
		},
		Pools: []lanes.Pool{{Name: "general", Lanes: []string{"standard"}}, {Name: "batch", Lanes: []string{"bulk"}}},
	}
	return c, Examination{
		Namespace: inspect.Namespace{Client: c.client, Name: namespace}, Selector: "app=siren",
		Lease: "siren-scaler", State: "siren-state", PolicyMap: "siren-policy", Policy: p,
	}
}

func wantFound(t *testing.T, all []doctor.Finding, check string, severity doctor.Severity, says string) {
	t.Helper()
	for _, f := range all {
		if f.Severity > doctor.OK && (f.Why == "" || f.Fix == "") {
			t.Errorf("incomplete: %+v", f)
		}
		if f.Check == check && f.Severity == severity && strings.Contains(f.What+"\n"+f.Fix, says) {
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
		return a.Namespace == namespace && a.Verb != "patch" &&
			(a.Subresource != "scale" || a.Name != "siren-worker-batch")
	})
	all := Examine(t.Context(), e)
	wantFound(t, all, "kubernetes.rights", doctor.Error,
		"may not get/update deployments/scale siren-worker-batch, nor patch pods, nor patch events")
}

func TestExamineTroubles(t *testing.T) {
	for _, c := range []struct {
		name     string
		trouble  func(c *site, e *Examination)
		check    string
		severity doctor.Severity
		says     string
	}{
		{"an autoscaler", func(c *site, _ *Examination) {
			h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{
				Name:      "mine",
				Namespace: namespace,
			}}
			h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{
				APIVersion: "apps/v1", Kind: "Deployment",
				Name: "siren-worker-general",
			}
			c.put("horizontalpodautoscalers", h)
		}, "kubernetes.pools", doctor.Error, "is scaled by the HorizontalPodAutoscaler mine too"},
		{"replicas that somebody applies", func(c *site, _ *Examination) {
			d := c.deployment("siren-worker-general")
			d.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"spec":{"replicas":1}}`}
			c.put("deployments", d)
		}, "kubernetes.pools", doctor.Warning, "has its number of replicas from kubectl apply"},
		{"a pool without a Deployment", func(_ *site, e *Examination) {
			e.Policy.Pools = append(e.Policy.Pools, lanes.Pool{Name: "more"})
		}, "kubernetes.pools", doctor.Error, `pool "more" of the policy has no Deployment`},
		{
			"a Deployment without a pool", func(_ *site, e *Examination) { e.Policy.Pools = e.Policy.Pools[:1] },
			"kubernetes.pools", doctor.Note, `is of pool "batch", which the policy doesn't have`,
		},
		{"two Deployments", func(c *site, _ *Examination) {
			d := newDeployment("general")
			d.Name = "other"
			c.put("deployments", d)
		}, "kubernetes.pools", doctor.Error, "the Deployments other and siren-worker-general all have the label"},
		{"no time to end", func(c *site, _ *Examination) {
			drains(c, "siren-worker-general", 30, "20m")
		}, "kubernetes.pools", doctor.Warning, "set terminationGracePeriodSeconds above it: 1215"},
		{"jobs longer than the drain", func(c *site, _ *Examination) {
			drains(c, "siren-worker-batch", 1215, "20m")
		}, "kubernetes.pools", doctor.Note, "lane bulk lets them run for 1h"},
		{
			"no lease", func(_ *site, e *Examination) { e.Lease = "other" }, "kubernetes.lease", doctor.Error,
			"no Lease other",
		},
		{
			"no state", func(_ *site, e *Examination) { e.State = "other" }, "kubernetes.configmaps", doctor.Error,
			"no ConfigMap other",
		},
		{
			"another namespace", func(_ *site, e *Examination) { e.Name = "elsewhere" }, "kubernetes.cluster",
			doctor.Note,
			"namespace elsewhere has no Deployment",
		},
		{"a deaf API server", func(c *site, _ *Examination) {
			c.fail("list deployments", errors.New("connection refused"))
		}, "kubernetes.cluster", doctor.Error, "connection refused"},
		{"no right to look", func(c *site, _ *Examination) {
			c.fail("list deployments", apierrors.NewForbidden(schema.GroupResource{
				Group:    "apps",
				Resource: "deployments",
			}, "", errors.New("no")))
			c.fail("create selfsubjectaccessreviews", errors.New("none of that"))
		}, "kubernetes.rights", doctor.Note, "none of that"},
		{"no right to read the Lease", func(c *site, _ *Examination) {
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

func drains(c *site, deployment string, grace int64, drain string) {
	d := c.deployment(deployment)
	d.Spec.Template.Spec.TerminationGracePeriodSeconds = &grace
	d.Spec.Template.Spec.Containers[0].Args = []string{"worker", "--drain-timeout=" + drain}
	c.put("deployments", d)
}

func TestExamineStaleLease(t *testing.T) {
	c, e := installed(t, nil)
	for _, spec := range []coordinationv1.LeaseSpec{
		{},
		{HolderIdentity: new("gone"), RenewTime: new(metav1.NewMicroTime(time.Now().Add(-time.Hour)))},
	} {
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: "siren-scaler", Namespace: namespace},
			Spec:       spec,
		}
		c.put("leases", lease)
		wantFound(t, Examine(t.Context(), e), "kubernetes.lease", doctor.Error, "scaler")
	}
}

// What is asked for is what the chart's Role allows, no less and no more: the chart's own test says that its template
// makes exactly this.
func TestRightsAreTheRoleOfTheChart(t *testing.T) {
	text, err := os.ReadFile("../../../charts/siren/tests/scaler-role_test.yaml")
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
	for _, p := range needed([]string{"siren-worker-general", "siren-worker-batch"}, "siren-state", "siren-policy",
		"siren-scaler") {
		asked = append(asked, rule{[]string{p.group}, p.resources, p.names, p.verbs})
	}
	if got, want := fmt.Sprint(asked), fmt.Sprint(role); got != want || len(role) == 0 {
		t.Errorf("asked for\n%s\nthe Role allows\n%s", got, want)
	}
}
