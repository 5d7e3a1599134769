package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

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
		return exit(exitUsage, err)
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
		return exit(exitUnreachable, err)
	}
	events := kube.NewEvents(client, workers, name)
	defer events.Close()
	memory := &laneMemory{board: board}
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
		broker: func(name string) (*rabbit.Conn, error) { return a.broker(name, log) },
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

// laneMemory remembers every lane that there ever was in Redis, and in a ConfigMap, so that a flushed Redis forgets none:
// what is in the queue of a lane that left the policy still has to be served.
type laneMemory struct {
	board *redis.Board
	state *kube.State // nil: Redis alone

	mu   sync.Mutex
	kept []string // in the ConfigMap, as last seen
	seen time.Time
}

const (
	lanesEntry = "lanes"          // of the ConfigMap: names, one a line
	seenFor    = 30 * time.Second // how long the ConfigMap is taken to be as it was
)

// known remembers the current lanes and answers with all there ever were.
func (m *laneMemory) known(ctx context.Context, current []string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == nil {
		return m.board.KnownLanes(ctx, current...)
	}
	if time.Since(m.seen) > seenFor {
		data, err := m.state.Load(ctx)
		if err != nil {
			return nil, fmt.Errorf("look up the lanes there were: %w", err)
		}
		m.kept, m.seen = strings.Fields(data[lanesEntry]), time.Now()
	}
	all, err := m.board.KnownLanes(ctx, union(current, m.kept)...)
	if err != nil { // what the ConfigMap knows is enough
		return union(current, m.kept), nil
	}
	if len(all) > len(m.kept) {
		if err := m.state.Save(ctx, map[string]string{lanesEntry: strings.Join(all, "\n") + "\n"}); err != nil {
			return all, fmt.Errorf("keep the lanes there were: %w", err)
		}
		m.kept = all
	}
	return all, nil
}

// union is the names of both, sorted, each once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
