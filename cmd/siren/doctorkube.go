package main

import (
	"context"

	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/lanes"
)

// kubernetes looks at the cluster that this process can reach as a scaler would.
func (d *doctor) kubernetes(context.Context) []lanes.Finding {
	if _, _, err := kube.Connect(d.kube.namespace); err != nil {
		return []lanes.Finding{{
			Check: "kubernetes.cluster", Severity: lanes.Note, What: "not looked at: no cluster is known here", Why: "a scaler with --fleet kubernetes needs rights there",
			Mend: "set KUBECONFIG, or run it in the scaler's pod: kubectl exec deploy/siren-scaler -- siren doctor; with local workers nothing",
		}}
	}
	return nil
}
