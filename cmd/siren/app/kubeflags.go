package app

import (
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/spf13/pflag"
)

// KubeFlags says which Deployments are the fleet.
type KubeFlags struct {
	Name      string
	Namespace string
	Selector  string
	Lease     string
	State     string
	Policy    string
}

func (f *KubeFlags) Add(fs *pflag.FlagSet) {
	fs.StringVar(&f.Name, "name", "", "kubernetes: unique name of this scaler (default the host name: the pod's)")
	f.AddNames(fs)
}

// AddNames adds the flags that name objects in the cluster.
func (f *KubeFlags) AddNames(fs *pflag.FlagSet) {
	fs.StringVar(&f.Namespace, "namespace", "", "kubernetes: namespace of the workers' Deployments (default that of "+
		"the pod or of the kubeconfig)")
	fs.StringVar(&f.Selector, "selector", "", "kubernetes: labels of the workers' Deployments, beside "+kube.PoolLabel)
	fs.StringVar(&f.Lease, "lease", "siren-scaler", "kubernetes: Lease by which the scalers elect their leader")
	fs.StringVar(&f.Policy, "policy-configmap", "",
		"kubernetes: ConfigMap whose entry siren.yaml is followed instead of the policy file, which shows changes late")
	fs.StringVar(&f.State, "state", "", "kubernetes: ConfigMap that keeps what a flushed Redis must not forget "+
		"(default none)")
}
