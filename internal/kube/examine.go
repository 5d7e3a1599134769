package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// Examination is what Examine is told.
type Examination struct {
	Client    kubernetes.Interface
	Namespace string
	Selector  string        // label selector of the workers' Deployments, beside PoolLabel
	Lease     string        // by which the scalers elect their leader
	State     string        // ConfigMap that keeps what a flushed Redis must not forget
	PolicyMap string        // ConfigMap that has the policy
	Policy    *lanes.Policy // nil: not known, so pools aren't compared
}

// Examine looks at the namespace as a scaler would, and asks the API server what this process's account may do there. It changes nothing.
func Examine(ctx context.Context, e Examination) []doctor.Finding {
	ctx = quiet(ctx)
	marks := PoolLabel
	if e.Selector != "" {
		marks += "," + e.Selector
	}
	list, err := e.Client.AppsV1().Deployments(e.Namespace).List(ctx, metav1.ListOptions{LabelSelector: marks})
	if err != nil && !apierrors.IsForbidden(err) {
		return []doctor.Finding{{
			Check: "kubernetes.cluster", Severity: doctor.Error, What: "the API server doesn't answer: " + err.Error(), Why: "a scaler can neither see nor size its pools",
			Mend: "check KUBECONFIG (kubectl get deployments says the same), or the pod's way to the API server: NetworkPolicies",
		}}
	}
	if err == nil && len(list.Items) == 0 {
		return []doctor.Finding{{
			Check: "kubernetes.cluster", Severity: doctor.Note, What: fmt.Sprintf("not looked at: namespace %s has no Deployment with the labels %s", e.Namespace, marks),
			Why: "the fleet is elsewhere, or isn't installed", Mend: "name its namespace: --namespace; install it: docs/kubernetes.md; with local workers nothing",
		}}
	}
	var found []doctor.Finding
	var names []string
	if err == nil {
		for _, d := range list.Items {
			names = append(names, d.Name)
		}
		found = append(found, doctor.Finding{Check: "kubernetes.cluster", What: fmt.Sprintf("namespace %s has the Deployments %s", e.Namespace, strings.Join(names, ", "))})
		found = append(found, e.pools(ctx, list.Items)...)
	}
	found = append(found, e.rights(ctx, names), e.lease(ctx))
	return append(found, e.maps(ctx)...)
}

// permission is a rule of the scaler's Role: verbs on resources of one group, those of these names if there are any.
type permission struct {
	group     string
	resources []string
	names     []string
	verbs     []string
}

// needed is the whole Role of the scaler, as the chart makes it: a test compares them.
func needed(deployments []string, state, policy, lease string) []permission {
	return []permission{
		{"apps", []string{"deployments", "replicasets"}, nil, []string{"get", "list", "watch"}},
		{"apps", []string{"deployments/scale"}, deployments, []string{"get", "update"}},
		{"", []string{"pods"}, nil, []string{"get", "list", "watch", "patch"}},
		{"", []string{"events"}, nil, []string{"create", "patch"}},
		{"", []string{"configmaps"}, []string{state}, []string{"get", "update"}},
		{"", []string{"configmaps"}, []string{policy}, []string{"get"}},
		{"autoscaling", []string{"horizontalpodautoscalers"}, nil, []string{"get", "list", "watch"}},
		{"coordination.k8s.io", []string{"leases"}, []string{lease}, []string{"get", "update"}},
	}
}

// rights asks for each permission whether this process's account has it.
func (e Examination) rights(ctx context.Context, deployments []string) doctor.Finding {
	f := doctor.Finding{Check: "kubernetes.rights", What: "this account may do all that a scaler does"}
	var lacks []string
	for _, p := range needed(deployments, e.State, e.PolicyMap, e.Lease) {
		names := p.names
		if len(names) == 0 {
			names = []string{""}
		}
		for _, resource := range p.resources {
			for _, name := range names {
				var verbs []string
				for _, verb := range p.verbs {
					may, err := e.may(ctx, p.group, resource, name, verb)
					if err != nil {
						f.Severity = doctor.Note
						f.What = "the API server doesn't say what this account may do: " + err.Error()
						f.Why = "a scaler without the rights of its Role can't see or size its pools"
						f.Mend = "kubectl auth can-i --list --as system:serviceaccount:" + e.Namespace + ":siren-scaler"
						return f
					}
					if !may {
						verbs = append(verbs, verb)
					}
				}
				if len(verbs) > 0 {
					lacks = append(lacks, strings.TrimSpace(strings.Join(verbs, "/")+" "+resource+" "+name))
				}
			}
		}
	}
	if len(lacks) > 0 {
		f.Severity = doctor.Error
		f.What = "this account may not " + strings.Join(lacks, ", nor ")
		f.Why = "a scaler with it can't see or size its pools, tell what it did, or elect a leader"
		f.Mend = fmt.Sprintf("helm upgrade makes the Role anew (templates/scaler-role.yaml); kubectl -n %s describe rolebinding must name the scaler's account; from a machine of yours ask for the scaler's: "+
			"kubectl -n %[1]s exec deploy/siren-scaler -- siren doctor --only kubernetes", e.Namespace)
	}
	return f
}

func (e Examination) may(ctx context.Context, group, resource, name, verb string) (bool, error) {
	resource, sub, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: e.Namespace, Group: group, Resource: resource, Subresource: sub, Name: name, Verb: verb,
		},
	}}
	answer, err := e.Client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}

// pools compares the Deployments with the policy, and looks for others who scale them.
func (e Examination) pools(ctx context.Context, deployments []appsv1.Deployment) (found []doctor.Finding) {
	var others []*autoscalingv2.HorizontalPodAutoscaler
	if list, err := e.Client.AutoscalingV2().HorizontalPodAutoscalers(e.Namespace).List(ctx, metav1.ListOptions{}); err == nil {
		for i := range list.Items {
			others = append(others, &list.Items[i])
		}
	}
	of := map[string][]string{}
	for i := range deployments {
		d := &deployments[i]
		pool := d.Labels[PoolLabel]
		of[pool] = append(of[pool], d.Name)
		found = append(found, judgeDeployment(d, foreign(d, others), e.Policy)...)
	}
	for pool, names := range of {
		if len(names) > 1 {
			slices.Sort(names)
			found = append(found, doctor.Finding{
				Check: "kubernetes.pools", Severity: doctor.Error, What: fmt.Sprintf("the Deployments %s all have the label %s=%s", strings.Join(names, " and "), PoolLabel, pool),
				Why: "the scaler sizes no pool as long as one has two Deployments", Mend: "delete one, take its label off, or say which release is meant: --selector app.kubernetes.io/instance=NAME",
			})
		}
	}
	if e.Policy == nil {
		return found
	}
	for _, pool := range e.Policy.PoolNames() {
		if len(of[pool]) == 0 {
			found = append(found, doctor.Finding{
				Check: "kubernetes.pools", Severity: doctor.Error, What: fmt.Sprintf("pool %q of the policy has no Deployment in namespace %s", pool, e.Namespace),
				Why: "its lanes are served by nobody, or by guests alone", Mend: "helm upgrade with this policy: the chart makes a Deployment for each pool",
			})
		}
	}
	if doctor.Worst(found) == doctor.OK {
		found = append(found, doctor.Finding{Check: "kubernetes.pools", What: "each pool has its Deployment, and nobody else scales it"})
	}
	return found
}

// judgeDeployment is what a pool's Deployment says: who else sets its size, and how long its workers may take to end.
func judgeDeployment(d *appsv1.Deployment, foreign string, p *lanes.Policy) (found []doctor.Finding) {
	pool := d.Labels[PoolLabel]
	add := func(severity doctor.Severity, what, why, mend string) {
		found = append(found, doctor.Finding{Check: "kubernetes.pools", Severity: severity, What: "Deployment " + d.Name + what, Why: why, Mend: mend})
	}
	if foreign != "" {
		add(doctor.Error, " is scaled by "+foreign+" too", "Siren leaves a pool alone that somebody else scales, and others remove busy workers", "delete it: kubectl delete hpa (or scaledobject) -n "+d.Namespace)
	}
	if manager := replicasManager(d); manager != "" {
		add(doctor.Warning, fmt.Sprintf(" has its number of replicas from %s", manager), "each time that is applied it undoes what the scaler did, and removes busy workers",
			"leave replicas out of what it applies; in Argo CD: ignoreDifferences with jsonPointers [/spec/replicas] and RespectIgnoreDifferences=true")
	}
	if p != nil {
		if _, ok := p.Pool(pool); !ok {
			add(doctor.Note, fmt.Sprintf(" is of pool %q, which the policy doesn't have", pool), "nobody sizes it", "kubectl scale --replicas 0, once `siren workers --pool "+pool+"` shows none that runs a job; helm upgrade removes it")
			return found
		}
	}
	drain, told := drainOf(d)
	if grace := d.Spec.Template.Spec.TerminationGracePeriodSeconds; told && grace != nil && time.Duration(*grace)*time.Second <= drain {
		add(doctor.Warning, fmt.Sprintf(" gives its pods %ds to end, and its workers drain for %s", *grace, lanes.Duration(drain)),
			"the kubelet kills a worker in the midst of its jobs, which others start again once the claim has run out",
			fmt.Sprintf("set terminationGracePeriodSeconds above it: %d, or leave that to the chart", int64(drain.Seconds())+15))
	}
	if p != nil && told {
		if longest, lane := longestRun(p, pool); longest > drain {
			add(doctor.Note, fmt.Sprintf(" lets jobs end for %s when a pod is told to, and lane %s lets them run for %s", lanes.Duration(drain), lane, lanes.Duration(longest)),
				"an upgrade or a node that is drained returns what runs longer, and it begins anew elsewhere", "raise workers.drainTimeout in the chart if that is too dear")
		}
	}
	return found
}

// longestRun is the longest maxRuntime among the lanes that the pool serves.
func longestRun(p *lanes.Policy, pool string) (longest time.Duration, lane string) {
	q, _ := p.Pool(pool)
	for _, name := range slices.Concat(q.Lanes, q.Guests) {
		if l, ok := p.Lane(name); ok && l.MaxRuntime.D() > longest {
			longest, lane = l.MaxRuntime.D(), name
		}
	}
	return longest, lane
}

// drainOf is what the workers of a Deployment are told of --drain-timeout.
func drainOf(d *appsv1.Deployment) (time.Duration, bool) {
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, arg := range c.Args {
			if value, ok := strings.CutPrefix(arg, "--drain-timeout="); ok {
				drain, err := time.ParseDuration(value)
				return drain, err == nil
			}
		}
	}
	return 0, false
}

// replicasManager is who writes the number of replicas as a part of the Deployment; "" when nobody does. Only what was applied counts: who creates a
// Deployment otherwise is also named as the owner of what the API server put in for it.
func replicasManager(d *appsv1.Deployment) string {
	for _, m := range d.ManagedFields {
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if m.Operation != metav1.ManagedFieldsOperationApply || m.Subresource != "" || m.FieldsV1 == nil || json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, sets := fields.Spec["f:replicas"]; sets {
			return m.Manager
		}
	}
	var applied struct {
		Spec struct{ Replicas *int }
	}
	if json.Unmarshal([]byte(d.Annotations[corev1.LastAppliedConfigAnnotation]), &applied) == nil && applied.Spec.Replicas != nil {
		return "kubectl apply"
	}
	return ""
}

// lease is whether a scaler leads.
func (e Examination) lease(ctx context.Context) doctor.Finding {
	f := doctor.Finding{Check: "kubernetes.lease"}
	l, err := e.Client.CoordinationV1().Leases(e.Namespace).Get(ctx, e.Lease, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		f.Severity = doctor.Note
		f.What = "this account may not read Lease " + e.Lease
		f.Why, f.Mend = "who leads can't be told from here", "see what is said of the rights"
	case apierrors.IsNotFound(err):
		f.Severity = doctor.Error
		f.What = fmt.Sprintf("there is no Lease %s in namespace %s", e.Lease, e.Namespace)
		f.Why, f.Mend = "scalers elect no leader without it, and may not create it", "helm upgrade makes it; if it has another name, say so: --lease"
	case err != nil:
		f.Severity = doctor.Note
		f.What, f.Why, f.Mend = "Lease "+e.Lease+" can't be read: "+err.Error(), "who leads can't be told", "look again"
	case l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" || l.Spec.RenewTime == nil:
		f.Severity = doctor.Error
		f.What = "no scaler holds Lease " + e.Lease
		f.Why, f.Mend = "nobody sizes the pools, or follows the policy", "kubectl get pods -l app.kubernetes.io/component=scaler, and their log"
	default:
		old := time.Since(l.Spec.RenewTime.Time)
		f.What = fmt.Sprintf("%s holds Lease %s, renewed %s ago", *l.Spec.HolderIdentity, e.Lease, old.Round(time.Second))
		if old > fast.lease+15*time.Second { // this machine's clock may be off by some seconds
			f.Severity = doctor.Error
			f.Why, f.Mend = "a leader renews it every second: nobody leads, or this machine's clock is off", "kubectl get pods -l app.kubernetes.io/component=scaler, and their log; and see what is said of the clocks"
		}
	}
	return f
}

// maps is whether the scaler's ConfigMaps are there.
func (e Examination) maps(ctx context.Context) (found []doctor.Finding) {
	for name, what := range map[string]string{e.State: "keeps tunings and lanes that a flushed Redis must not forget", e.PolicyMap: "has the policy that the scaler follows"} {
		if _, err := e.Client.CoreV1().ConfigMaps(e.Namespace).Get(ctx, name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			found = append(found, doctor.Finding{
				Check: "kubernetes.configmaps", Severity: doctor.Error, What: fmt.Sprintf("there is no ConfigMap %s in namespace %s", name, e.Namespace),
				Why: "it " + what, Mend: "helm upgrade makes it; if it has another name, say so: --state and --policy-configmap",
			})
		}
	}
	return found
}
