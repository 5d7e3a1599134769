package kube

import "k8s.io/client-go/tools/clientcmd"

// CurrentContext returns the current context of the kubeconfig ($KUBECONFIG, else ~/.kube/config); "" when there is
// none, or it can't be read.
func CurrentContext() string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.WarnIfAllMissing = false
	config, err := rules.Load()
	if err != nil {
		return ""
	}
	return config.CurrentContext
}
