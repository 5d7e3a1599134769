package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/spf13/pflag"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

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

// runKubeFleet runs a scaler whose workers are the pods of Deployments, until ctx ends.
func (a *app) runKubeFleet(ctx context.Context, f scalerFlags, log *slog.Logger) error {
	name := f.kube.name
	if name == "" {
		name, _ = os.Hostname()
	}
	client, namespace, err := kube.Connect(f.kube.namespace)
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	store, err := a.redisStore(log)
	if err != nil {
		return err
	}
	defer store.Close()
	board := redis.NewBoard(store, log)
	source := fileSource(f.policy)
	policy, text, err := startingPolicy(ctx, source, board, log)
	if err != nil {
		return err
	}
	if f.kube.policy != "" {
		source = configMapSource(kube.NewState(client, namespace, f.kube.policy))
	}
	leader, err := kube.NewLeader(client, namespace, f.kube.lease, name, log)
	if err != nil {
		return err
	}

	workers, err := kube.NewFleet(ctx, kube.Options{Client: client, Namespace: namespace, Selector: f.kube.selector, Log: log})
	if err != nil {
		return exit.With(exit.Unreachable, err)
	}
	events := kube.NewEvents(client, workers, name)
	defer events.Close()
	memory := &queueMemory{board: board}
	if f.kube.state != "" {
		memory.state = kube.NewState(client, namespace, f.kube.state)
	}
	candidacy, endCandidacy := context.WithCancel(context.WithoutCancel(ctx)) // it ends after all that a leader does
	var election sync.WaitGroup
	election.Go(func() { leader.Run(candidacy) })
	defer election.Wait()
	defer endCandidacy()
	return scalerProcess{
		name: name, policy: policy, source: source, text: text, store: store, board: announcingBoard{board, events}, fleet: workers,
		leading: leader.Leading, known: memory.known, state: memory.state,
		broker: func(name string) (*rabbit.Conn, error) { return a.brokerBy(store.Now, name, log) },
		listen: f.listen, log: log,
	}.run(ctx)
}

// startingPolicy is the policy that the file says, with its text. When that is wrong, it is the one in force, without a text: a scaler that
// was restarted must not be missing because somebody wrote a mistake meanwhile.
func startingPolicy(ctx context.Context, file policySource, board *redis.Board, log *slog.Logger) (*lanes.Policy, []byte, error) {
	text, err := file(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the policy: %w", err)
	}
	p, wrong := lanes.Parse(text)
	if wrong == nil {
		return p, text, nil
	}
	e, err := board.Policy(ctx)
	if err != nil {
		return nil, nil, wrong
	}
	log.Error("the policy is refused; beginning with the one in force", "revision", e.Revision, "error", wrong)
	return e.Written(), nil, nil
}

// announcingBoard records a plan on the board, and as an Event for all who watch the Deployment.
type announcingBoard struct {
	*redis.Board
	events *kube.Events
}

// Record records and announces the plan.
func (b announcingBoard) Record(ctx context.Context, p lanes.Plan) error {
	return errors.Join(b.Board.Record(ctx, p), b.events.Record(ctx, p))
}
