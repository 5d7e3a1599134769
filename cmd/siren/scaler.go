package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/redis"
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

func newScaler(a *app) *cobra.Command {
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
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runScalerCommand(cmd.Context(), f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.policy, "policy", "", "policy file (required)")
	fs.StringVar(&f.listen, "listen", "127.0.0.1:0", "address of /metrics, /livez and /readyz; port 0 is any free one")
	f.fleet = localFleet
	oneOf(c, &f.fleet, "fleet", "", "what the workers are", localFleet, kubernetesFleet)
	fs.StringVar(&f.data, "data", "", "local: folder for the workers' logs (default a temporary one)")
	fs.DurationVar(&f.drain, "drain-timeout", 30*time.Second, "local: how long a worker's jobs may go on after it was told to stop")
	f.kube.add(fs)
	_ = c.MarkFlagRequired("policy")
	completeFlag(c, "policy", files("yaml", "yml"))
	completeFlag(c, "data", folders)
	return c
}

func (a *app) runScalerCommand(ctx context.Context, f scalerFlags) error {
	log, err := a.logger(slog.LevelInfo)
	if err != nil {
		return err
	}
	switch f.fleet {
	case kubernetesFleet:
		return a.runKubeFleet(ctx, f, log)
	case localFleet:
		policy, err := lanes.Load(f.policy)
		if err != nil {
			return err
		}
		at, err := a.endpoints()
		if err != nil {
			return err
		}
		return runFleet(ctx, fleet{
			policy: policy, at: at, listen: f.listen, dir: f.data, drain: f.drain, log: log,
		})
	default:
		return exit.With(exit.Usage, fmt.Errorf("--fleet %q: say %s or %s", f.fleet, localFleet, kubernetesFleet))
	}
}

// processName is unique among all processes of all machines.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// leadFor is how long a scaler leads without saying so again.
const leadFor = 10 * time.Second

// redisElection lets the scalers of one Redis elect their leader there.
type redisElection struct {
	board *redis.Board
	name  string
	log   *slog.Logger
}

func (e redisElection) leading(ctx context.Context) (bool, error) {
	return e.board.Lead(ctx, e.name, leadFor)
}

// resign lets another scaler lead at once.
func (e redisElection) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := e.board.Resign(ctx, e.name); err != nil {
		e.log.Debug("resign", "error", err)
	}
}
