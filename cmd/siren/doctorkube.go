package main

import (
	"cmp"
	"context"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/doctor/cluster"
	"github.com/polyglot-media/siren/internal/kube"
)

// kubernetes looks at the cluster that this process can reach as a scaler would. The chart names all of a release alike, so the Lease's name tells
// those of the ConfigMaps.
func (d *examination) kubernetes(ctx context.Context) []doctor.Finding {
	client, namespace, err := kube.Connect(d.kube.namespace)
	if err != nil {
		return []doctor.Finding{{
			Check: "kubernetes.cluster", Severity: doctor.Note, What: "not looked at: no cluster is known here", Why: "a scaler with --fleet kubernetes needs rights there",
			Mend: "set KUBECONFIG, or run it in the scaler's pod: kubectl exec deploy/siren-scaler -- siren doctor; with local workers nothing",
		}}
	}
	release := strings.TrimSuffix(d.kube.lease, "-scaler")
	return cluster.Examine(ctx, cluster.Examination{
		Namespace: kube.Namespace{Client: client, Name: namespace}, Selector: d.kube.selector, Lease: d.kube.lease, Policy: d.going(),
		State: cmp.Or(d.kube.state, release+"-state"), PolicyMap: cmp.Or(d.kube.policy, release+"-policy"),
	})
}
