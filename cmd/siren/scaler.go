package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/lanes"
)

// The fleets that a scaler may have.
const (
	localFleet      = "local"
	kubernetesFleet = "kubernetes"
)

// scalerFlags is what `siren scaler` may be told.
type scalerFlags struct {
	policy string
	listen string
	fleet  string
	data   string        // local
	drain  time.Duration // local
	kube   kubeFlags     // kubernetes
}

// kubeFlags says which Deployments are the fleet.
type kubeFlags struct {
	name      string
	namespace string
	selector  string
	lease     string
	state     string
	policy    string
}

func (f *kubeFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "name", "", "kubernetes: unique name of this scaler (default the host name: the pod's)")
	f.addNames(fs)
}

// addNames adds the flags that name objects in the cluster.
func (f *kubeFlags) addNames(fs *pflag.FlagSet) {
	fs.StringVar(&f.namespace, "namespace", "", "kubernetes: namespace of the workers' Deployments (default that of the pod or of the kubeconfig)")
	fs.StringVar(&f.selector, "selector", "", "kubernetes: labels of the workers' Deployments, beside "+kube.PoolLabel)
	fs.StringVar(&f.lease, "lease", "siren-scaler", "kubernetes: Lease by which the scalers elect their leader")
	fs.StringVar(&f.policy, "policy-configmap", "", "kubernetes: ConfigMap whose entry siren.yaml is followed instead of the policy file, which shows changes late")
	fs.StringVar(&f.state, "state", "", "kubernetes: ConfigMap that keeps what a flushed Redis must not forget (default none)")
}

func newScaler(a *app.App) *cobra.Command {
	var f scalerFlags
	c := &cobra.Command{
		Use:   "scaler --policy FILE",
		Short: "Publish the policy, size the pools, and bring retries back",
		Long: `Watch the lanes and size the pools as the policy says. The workers are local
processes of this one, or the pods of Kubernetes Deployments (--fleet kubernetes).
Any number of scalers may run: one leads, and each of them forwards the jobs whose
retry is due. On Kubernetes a changed policy file is followed without a restart.`,
		Example: `  SIREN_AMQP_URL=amqp://… SIREN_REDIS_URL=redis://… siren scaler --policy siren.yaml
  siren scaler --policy siren.yaml --fleet kubernetes --selector app.kubernetes.io/instance=siren`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runScalerCommand(cmd.Context(), a, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.policy, "policy", "", "policy file (required)")
	fs.StringVar(&f.listen, "listen", "127.0.0.1:0", "address of /metrics, /livez and /readyz; port 0 is any free one")
	f.fleet = localFleet
	app.OneOf(c, &f.fleet, "fleet", "", "what the workers are", localFleet, kubernetesFleet)
	fs.StringVar(&f.data, "data", "", "local: folder for the workers' logs (default a temporary one)")
	fs.DurationVar(&f.drain, "drain-timeout", 30*time.Second, "local: how long a worker's jobs may go on after it was told to stop")
	f.kube.add(fs)
	_ = c.MarkFlagRequired("policy")
	app.CompleteFlag(c, "policy", app.Files("yaml", "yml"))
	app.CompleteFlag(c, "data", app.Folders)
	return c
}

func runScalerCommand(ctx context.Context, a *app.App, f scalerFlags) error {
	log, err := a.Logger(slog.LevelInfo)
	if err != nil {
		return err
	}
	switch f.fleet {
	case kubernetesFleet:
		at, err := a.EndpointsOf(lanes.ScalerRole)
		if err != nil {
			return err
		}
		k := f.kube
		return serve.Kube{
			Name: k.name, Version: buildVersion(), Namespace: k.namespace, Selector: k.selector, Lease: k.lease, State: k.state, ConfigMap: k.policy,
			File: f.policy, At: at, Listen: f.listen, Log: log,
		}.Run(ctx)
	case localFleet:
		policy, err := lanes.Load(f.policy)
		if err != nil {
			return err
		}
		at, err := a.EndpointsOf(lanes.ScalerRole)
		if err != nil {
			return err
		}
		workers, err := a.EndpointsOf(lanes.WorkerRole)
		if err != nil {
			return err
		}
		return serve.Local{
			Version: buildVersion(), Policy: policy, At: at, Workers: workers, Listen: f.listen, Dir: f.data, Drain: f.drain, Log: log, Draining: sayDraining(a, true),
		}.Run(ctx)
	default:
		return exit.With(exit.Usage, fmt.Errorf("--fleet %q: say %s or %s", f.fleet, localFleet, kubernetesFleet))
	}
}
