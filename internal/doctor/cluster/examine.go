package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/kube/election"
	"github.com/polyglot-media/siren/internal/kube/inspect"
	"github.com/polyglot-media/siren/lanes"
)

// Examination is what Examine is told.
type Examination struct {
	inspect.Namespace
	Selector  string        // label selector of the workers' Deployments, beside kube.PoolLabel
	Lease     string        // by which the scalers elect their leader
	State     string        // ConfigMap that keeps what a flushed Redis must not forget
	PolicyMap string        // ConfigMap that has the policy
	Policy    *lanes.Policy // nil: not known, so pools aren't compared
}

// Examine looks at the namespace as a scaler would, and asks the API server what this process's account may do there.
func Examine(ctx context.Context, e Examination) []doctor.Finding {
	const check = doctor.Check("kubernetes.cluster")
	marks := kube.PoolLabel
	if e.Selector != "" {
		marks += "," + e.Selector
	}
	deployments, err := e.Deployments(ctx, marks)
	if err != nil && !apierrors.IsForbidden(err) {
		return []doctor.Finding{check.Error("the API server doesn't answer: "+err.Error(),
			"a scaler can neither see nor size its pools",
			"check KUBECONFIG (kubectl get deployments says the same), or the pod's way to the API server: "+
				"NetworkPolicies")}
	}
	if err == nil && len(deployments) == 0 {
		return []doctor.Finding{check.Note(
			fmt.Sprintf("not looked at: namespace %s has no Deployment with the labels %s", e.Name, marks),
			"the fleet is elsewhere, or isn't installed",
			"name its namespace: --namespace; install it: docs/kubernetes.md; with local workers nothing")}
	}
	var found []doctor.Finding
	var names []string
	if err == nil {
		for _, d := range deployments {
			names = append(names, d.Name)
		}
		found = append(found, check.OK(fmt.Sprintf("namespace %s has the Deployments %s", e.Name,
			strings.Join(names, ", "))))
		found = append(found, judgePools(deployments, e.Name, e.Policy)...)
	}
	lacks, err := e.lacks(ctx, names)
	found = append(found, judgeRights(e.Name, lacks, err))
	lead, err := election.ReadLead(ctx, e.Client, e.Name, e.Lease)
	found = append(found, judgeLease(e.Name, e.Lease, lead, time.Now(), err))
	return append(found, e.maps(ctx)...)
}

// permission is a rule of the scaler's Role: verbs on resources of one group, those of these names if there are any.
type permission struct {
	group     string
	resources []string
	names     []string
	verbs     []string
}

// needed returns the whole Role of the scaler, as the chart makes it: a test compares them.
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

// lacks asks for each permission, and returns those that this process's account doesn't have.
func (e Examination) lacks(ctx context.Context, deployments []string) (lacks []string, err error) {
	for _, p := range needed(deployments, e.State, e.PolicyMap, e.Lease) {
		names := p.names
		if len(names) == 0 {
			names = []string{""}
		}
		for _, resource := range p.resources {
			for _, name := range names {
				var verbs []string
				for _, verb := range p.verbs {
					may, err := e.May(ctx, verb, p.group, resource, name)
					if err != nil {
						return nil, err
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
	return lacks, nil
}

// maps looks whether the scaler's ConfigMaps are there.
func (e Examination) maps(ctx context.Context) (found []doctor.Finding) {
	for name, does := range map[string]string{
		e.State:     "keeps tunings and lanes that a flushed Redis must not forget",
		e.PolicyMap: "has the policy that the scaler follows",
	} {
		if apierrors.IsNotFound(e.ConfigMap(ctx, name)) {
			found = append(found, doctor.Check("kubernetes.configmaps").Error(
				fmt.Sprintf("there is no ConfigMap %s in namespace %s", name, e.Name), "it "+does,
				"helm upgrade makes it; if it has another name, say so: --state and --policy-configmap"))
		}
	}
	return found
}
