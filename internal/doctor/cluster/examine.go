package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/lanes"
)

// Examination is what Examine is told.
type Examination struct {
	kube.Namespace
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
		return []doctor.Finding{check.Error("the API server doesn't answer: "+err.Error(), "a scaler can neither see nor size its pools",
			"check KUBECONFIG (kubectl get deployments says the same), or the pod's way to the API server: NetworkPolicies")}
	}
	if err == nil && len(deployments) == 0 {
		return []doctor.Finding{check.Note(
			fmt.Sprintf("not looked at: namespace %s has no Deployment with the labels %s", e.Name, marks), "the fleet is elsewhere, or isn't installed",
			"name its namespace: --namespace; install it: docs/kubernetes.md; with local workers nothing")}
	}
	var found []doctor.Finding
	var names []string
	if err == nil {
		for _, d := range deployments {
			names = append(names, d.Name)
		}
		found = append(found, check.OK(fmt.Sprintf("namespace %s has the Deployments %s", e.Name, strings.Join(names, ", "))))
		found = append(found, judgePools(deployments, e.Name, e.Policy)...)
	}
	lacks, err := e.lacks(ctx, names)
	found = append(found, judgeRights(e.Name, lacks, err))
	lead, err := e.Lead(ctx, e.Lease)
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
		e.State: "keeps tunings and lanes that a flushed Redis must not forget", e.PolicyMap: "has the policy that the scaler follows",
	} {
		if apierrors.IsNotFound(e.ConfigMap(ctx, name)) {
			found = append(found, doctor.Check("kubernetes.configmaps").Error(
				fmt.Sprintf("there is no ConfigMap %s in namespace %s", name, e.Name), "it "+does,
				"helm upgrade makes it; if it has another name, say so: --state and --policy-configmap"))
		}
	}
	return found
}

const pools = doctor.Check("kubernetes.pools")

// judgePools compares the Deployments with the policy, and says who else scales them.
func judgePools(deployments []kube.Deployment, namespace string, p *lanes.Policy) (found []doctor.Finding) {
	of := map[string][]string{}
	for _, d := range deployments {
		of[d.Pool] = append(of[d.Pool], d.Name)
		found = append(found, judgeDeployment(d, namespace, p)...)
	}
	for pool, names := range of {
		if len(names) > 1 {
			slices.Sort(names)
			found = append(found, pools.Error(
				fmt.Sprintf("the Deployments %s all have the label %s=%s", strings.Join(names, " and "), kube.PoolLabel, pool),
				"the scaler sizes no pool as long as one has two Deployments",
				"delete one, take its label off, or say which release is meant: --selector app.kubernetes.io/instance=NAME"))
		}
	}
	if p == nil {
		return found
	}
	for _, pool := range p.PoolNames() {
		if len(of[pool]) == 0 {
			found = append(found, pools.Error(fmt.Sprintf("pool %q of the policy has no Deployment in namespace %s", pool, namespace),
				"its lanes are served by nobody, or by guests alone",
				"helm upgrade with this policy: the chart makes a Deployment for each pool"))
		}
	}
	if doctor.Worst(found) == doctor.OK {
		found = append(found, pools.OK("each pool has its Deployment, and nobody else scales it"))
	}
	return found
}

// judgeDeployment says what a pool's Deployment means: who else sets its size, and how long its workers may take to end.
func judgeDeployment(d kube.Deployment, namespace string, p *lanes.Policy) (found []doctor.Finding) {
	this := "Deployment " + d.Name
	if d.ScaledBy != "" {
		found = append(found, pools.Error(this+" is scaled by "+d.ScaledBy+" too",
			"Siren leaves a pool alone that somebody else scales, and others remove busy workers",
			"delete it: kubectl delete hpa (or scaledobject) -n "+namespace))
	}
	if d.ReplicasFrom != "" {
		found = append(found, pools.Warning(this+" has its number of replicas from "+d.ReplicasFrom,
			"each time that is applied it undoes what the scaler did, and removes busy workers",
			"leave replicas out of what it applies; "+
				"in Argo CD: ignoreDifferences with jsonPointers [/spec/replicas] and RespectIgnoreDifferences=true"))
	}
	if p != nil {
		if _, ok := p.Pool(d.Pool); !ok {
			return append(found, pools.Note(fmt.Sprintf("%s is of pool %q, which the policy doesn't have", this, d.Pool), "nobody sizes it",
				"kubectl scale --replicas 0, once `siren workers --pool "+d.Pool+"` shows none that runs a job; helm upgrade removes it"))
		}
	}
	if d.Drain == nil {
		return found
	}
	drain := lanes.Duration(*d.Drain)
	if d.Grace != nil && *d.Grace <= *d.Drain {
		found = append(found, pools.Warning(
			fmt.Sprintf("%s gives its pods %ds to end, and its workers drain for %s", this, int64(d.Grace.Seconds()), drain),
			"the kubelet kills a worker in the midst of its jobs, which others start again once the claim has run out",
			fmt.Sprintf("set terminationGracePeriodSeconds above it: %d, or leave that to the chart", int64(d.Drain.Seconds())+15)))
	}
	if longest, lane := longestRun(p, d.Pool); longest > drain {
		found = append(found, pools.Note(
			fmt.Sprintf("%s lets jobs end for %s when a pod is told to, and lane %s lets them run for %s", this, drain, lane, longest),
			"an upgrade or a node that is drained returns what runs longer, and it begins anew elsewhere",
			"raise workers.drainTimeout in the chart if that is too dear"))
	}
	return found
}

// longestRun returns the longest maxRuntime among the lanes that the pool serves.
func longestRun(p *lanes.Policy, pool string) (longest lanes.Duration, lane string) {
	if p == nil {
		return 0, ""
	}
	q, _ := p.Pool(pool)
	for _, name := range slices.Concat(q.Lanes, q.Guests) {
		if l, ok := p.Lane(name); ok && l.MaxRuntime > longest {
			longest, lane = l.MaxRuntime, name
		}
	}
	return longest, lane
}

// judgeRights says what it means that this account lacks rights, or that nobody tells.
func judgeRights(namespace string, lacks []string, err error) doctor.Finding {
	const rights = doctor.Check("kubernetes.rights")
	switch {
	case err != nil:
		return rights.Note("the API server doesn't say what this account may do: "+err.Error(),
			"a scaler without the rights of its Role can't see or size its pools",
			"kubectl auth can-i --list --as system:serviceaccount:"+namespace+":siren-scaler")
	case len(lacks) > 0:
		return rights.Error("this account may not "+strings.Join(lacks, ", nor "),
			"a scaler with it can't see or size its pools, tell what it did, or elect a leader",
			fmt.Sprintf("helm upgrade makes the Role anew (templates/scaler-role.yaml); "+
				"kubectl -n %s describe rolebinding must name the scaler's account; from a machine of yours ask for the scaler's: "+
				"kubectl -n %[1]s exec deploy/siren-scaler -- siren doctor --only kubernetes", namespace))
	}
	return rights.OK("this account may do all that a scaler does")
}

// judgeLease says whether a scaler leads.
func judgeLease(namespace, name string, lead kube.Lead, now time.Time, err error) doctor.Finding {
	const (
		lease = doctor.Check("kubernetes.lease")
		look  = "kubectl get pods -l app.kubernetes.io/component=scaler, and their log"
		off   = 15 * time.Second // that this machine's clock may be
	)
	old := now.Sub(lead.Renewed)
	held := fmt.Sprintf("%s holds Lease %s, renewed %s ago", lead.Holder, name, old.Round(time.Second))
	switch {
	case apierrors.IsForbidden(err):
		return lease.Note("this account may not read Lease "+name, "who leads can't be told from here", "see what is said of the rights")
	case apierrors.IsNotFound(err):
		return lease.Error(fmt.Sprintf("there is no Lease %s in namespace %s", name, namespace),
			"scalers elect no leader without it, and may not create it", "helm upgrade makes it; if it has another name, say so: --lease")
	case err != nil:
		return lease.Note("Lease "+name+" can't be read: "+err.Error(), "who leads can't be told", "look again")
	case lead.Holder == "":
		return lease.Error("no scaler holds Lease "+name, "nobody sizes the pools, or follows the policy", look)
	case old > kube.LeaseLasts()+off:
		return lease.Error(held, "a leader renews it every second: nobody leads, or this machine's clock is off",
			look+"; and see what is said of the clocks")
	}
	return lease.OK(held)
}
