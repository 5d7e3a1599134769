package runcmd

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/role"
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
	kube   app.KubeFlags // kubernetes
}

func NewScaler(a *app.App) *cobra.Command {
	var f scalerFlags
	c := &cobra.Command{
		Use:   "scaler --policy FILE",
		Short: "Publish the policy, size the pools, and bring retries back",
		Long: `Watch the lanes and size the pools as the policy says. The workers are local
processes of this one, or the pods of Kubernetes Deployments (--fleet kubernetes).
Any number of scalers may run: one leads, and each of them forwards the jobs whose
retry is due. Local workers of one that doesn't lead any more drain and stop. On
Kubernetes a changed policy file is followed without a restart.`,
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
	fs.DurationVar(&f.drain, "drain-timeout", 30*time.Second,
		"local: how long a worker's jobs may go on after it was told to stop")
	f.kube.Add(fs)
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
		at, err := a.EndpointsOf(role.Scaler)
		if err != nil {
			return err
		}
		k := f.kube
		return serve.Kube{
			Name: k.Name, Version: app.Version(), Namespace: k.Namespace, Selector: k.Selector, Lease: k.Lease,
			State: k.State, ConfigMap: k.Policy,
			File: f.policy, At: at, Listen: f.listen, Log: log,
		}.Run(ctx)
	case localFleet:
		policy, err := lanes.Load(f.policy)
		if err != nil {
			return err
		}
		at, err := a.EndpointsOf(role.Scaler)
		if err != nil {
			return err
		}
		workers, err := a.EndpointsOf(role.Worker)
		if err != nil {
			return err
		}
		return serve.Local{
			Version: app.Version(), Policy: policy, At: at, Workers: workers, Listen: f.listen, Dir: f.data,
			Drain: f.drain, Log: log, Draining: sayDraining(a, true),
		}.Run(ctx)
	default:
		return exit.With(exit.Usage, fmt.Errorf("--fleet %q: say %s or %s", f.fleet, localFleet, kubernetesFleet))
	}
}
