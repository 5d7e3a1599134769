package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/kube/election"
	"github.com/polyglot-media/siren/internal/kube/inspect"
	"github.com/polyglot-media/siren/lanes"
)

const pools = doctor.Check("kubernetes.pools")

// judgePools compares the Deployments with the policy, and says who else scales them.
func judgePools(deployments []inspect.Deployment, namespace string, p *lanes.Policy) (found []doctor.Finding) {
	of := map[string][]string{}
	for _, d := range deployments {
		of[d.Pool] = append(of[d.Pool], d.Name)
		found = append(found, judgeDeployment(d, namespace, p)...)
	}
	for pool, names := range of {
		if len(names) > 1 {
			slices.Sort(names)
			found = append(found, pools.Error(
				fmt.Sprintf("the Deployments %s all have the label %s=%s", strings.Join(names, " and "), kube.PoolLabel,
					pool),
				"the scaler sizes no pool as long as one has two Deployments",
				"delete one, take its label off, or say which release is meant: --selector "+
					"app.kubernetes.io/instance=NAME"))
		}
	}
	if p == nil {
		return found
	}
	for _, pool := range p.PoolNames() {
		if len(of[pool]) == 0 {
			found = append(found, pools.Error(fmt.Sprintf("pool %q of the policy has no Deployment in namespace %s",
				pool,
				namespace),
				"its lanes are served by nobody, or by guests alone",
				"helm upgrade with this policy: the chart makes a Deployment for each pool"))
		}
	}
	if doctor.Worst(found) == doctor.OK {
		found = append(found, pools.OK("each pool has its Deployment, and nobody else scales it"))
	}
	return found
}

// judgeDeployment says what a pool's Deployment means: who else sets its size, and how long its workers may take to
// end.
func judgeDeployment(d inspect.Deployment, namespace string, p *lanes.Policy) (found []doctor.Finding) {
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
			return append(found, pools.Note(fmt.Sprintf("%s is of pool %q, which the policy doesn't have", this,
				d.Pool),
				"nobody sizes it",
				"kubectl scale --replicas 0, once `siren workers --pool "+d.Pool+
					"` shows none that runs a job; helm upgrade "+
					"removes it"))
		}
	}
	if d.Drain == nil {
		return found
	}
	drain := lanes.Duration(*d.Drain)
	if d.Grace != nil && *d.Grace <= *d.Drain {
		found = append(found, pools.Warning(
			fmt.Sprintf("%s gives its pods %ds to end, and its workers drain for %s", this, int64(d.Grace.Seconds()),
				drain),
			"the kubelet kills a worker in the middle of its jobs, which others start again once the claim has run out",
			fmt.Sprintf("set terminationGracePeriodSeconds above it: %d, or leave that to the chart",
				int64(d.Drain.Seconds())+15)))
	}
	if longest, lane := longestRun(p, d.Pool); longest > drain {
		found = append(found, pools.Note(
			fmt.Sprintf("%s lets jobs end for %s when a pod is told to, and lane %s lets them run for %s", this, drain,
				lane,
				longest),
			"an upgrade or a node that is drained returns what runs longer, and it starts over elsewhere",
			"raise workers.drainTimeout in the chart if that costs too much"))
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
			"a scaler with it can't see or size its pools, report what it did, or elect a leader",
			fmt.Sprintf("helm upgrade recreates the Role (templates/scaler-role.yaml); "+
				"kubectl -n %s describe rolebinding must name the scaler's account; from a machine of yours ask for "+
				"the scaler's: "+
				"kubectl -n %[1]s exec deploy/siren-scaler -- siren doctor --only kubernetes", namespace))
	}
	return rights.OK("this account may do all that a scaler does")
}

// judgeLease says whether a scaler leads.
func judgeLease(namespace, name string, lead election.Lead, now time.Time, err error) doctor.Finding {
	const (
		lease = doctor.Check("kubernetes.lease")
		look  = "kubectl get pods -l app.kubernetes.io/component=scaler, and their log"
		off   = 15 * time.Second // that this machine's clock may be
	)
	old := now.Sub(lead.Renewed)
	held := fmt.Sprintf("%s holds Lease %s, renewed %s ago", lead.Holder, name, old.Round(time.Second))
	switch {
	case apierrors.IsForbidden(err):
		return lease.Note("this account may not read Lease "+name, "who leads can't be told from here",
			"see the finding on rights")
	case apierrors.IsNotFound(err):
		return lease.Error(fmt.Sprintf("there is no Lease %s in namespace %s", name, namespace),
			"scalers elect no leader without it, and may not create it",
			"helm upgrade makes it; if it has another name, say so: --lease")
	case err != nil:
		return lease.Note("Lease "+name+" can't be read: "+err.Error(), "who leads can't be told", "look again")
	case lead.Holder == "":
		return lease.Error("no scaler holds Lease "+name, "nobody sizes the pools, or follows the policy", look)
	case old > lead.Lasts+off:
		return lease.Error(held, "a leader renews it every second: nobody leads, or this machine's clock is off",
			look+"; and see the findings on clocks")
	}
	return lease.OK(held)
}
