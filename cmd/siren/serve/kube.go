package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/serve/upkeep"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/kube/election"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Kube is a scaler process with its workers as the pods of Deployments.
type Kube struct {
	Name      string // unique among all scalers; "": the host's, which is the pod's
	Version   string // of siren
	Namespace string // "": the pod's, or that of the kubeconfig
	Selector  string // labels of the workers' Deployments, beside kube.PoolLabel
	Lease     string // by which the scalers elect their leader
	State     string // ConfigMap that keeps what a flushed Redis must not forget; "": none
	ConfigMap string // whose entry siren.yaml is followed; "": the file is
	File      string // of the policy
	At        reach.Endpoints
	Listen    string // address of metrics and probes
	Log       *slog.Logger
}

// Run runs the scaler until ctx ends.
func (f Kube) Run(ctx context.Context) error {
	name, log := f.Name, f.Log
	if name == "" {
		name, _ = os.Hostname()
	}
	client, namespace, err := kube.Connect(f.Namespace, "scaler")
	if err != nil {
		return operate.Invalid.With(err)
	}
	store, err := f.At.Store(log)
	if err != nil {
		return err
	}
	defer store.Close()
	board := redis.NewBoard(store, log)
	source := upkeep.FileSource(f.File)
	own := &kube.Own{Client: client, Namespace: namespace, Pod: name, Log: log}
	policy, text, err := upkeep.StartingPolicy(ctx, source, board, log)
	if err != nil {
		own.Refused(ctx, "no policy is in force, and the one that is written can't be: "+err.Error())
		return err
	}
	if f.ConfigMap != "" {
		source = upkeep.ConfigMapSource(kube.NewState(client, namespace, f.ConfigMap))
	}
	leader, err := election.NewLeader(client, namespace, f.Lease, name, log)
	if err != nil {
		return err
	}

	workers, err := kube.NewFleet(ctx, kube.Options{
		Client: client, Namespace: namespace, Selector: f.Selector,
		Log: log,
	})
	if err != nil {
		return operate.Unreachable.With(err)
	}
	events := kube.NewEvents(client, workers, name)
	defer events.Close()
	memory := &upkeep.QueueMemory{Board: board}
	if f.State != "" {
		memory.State = kube.NewState(client, namespace, f.State)
	}
	candidacy, endCandidacy := context.WithCancel(context.WithoutCancel(ctx)) // it ends after all that a leader does
	var standing sync.WaitGroup
	standing.Go(func() { leader.Run(candidacy) })
	defer standing.Wait()
	defer endCandidacy()
	return scalerProcess{
		name: name, version: f.Version, policy: policy, source: source, text: text, store: store,
		board: announcingBoard{board, events, own}, fleet: workers,
		leading: leader.Leading, known: memory.Known, state: memory.State,
		broker: func(name string) (*rabbitlink.Conn, error) { return f.At.Broker(store.Now, name, log) },
		listen: f.Listen, log: log,
	}.run(ctx)
}

// announcingBoard records on the board, and as Events for all who watch the Deployments: plans on the pools', a refused
// policy on the scalers'.
type announcingBoard struct {
	*redis.Board
	events *kube.Events
	own    *kube.Own
}

// Record records and announces the plan.
func (b announcingBoard) Record(ctx context.Context, p fleet.Plan) error {
	return errors.Join(b.Board.Record(ctx, p), b.events.Record(ctx, p))
}

// PutSnapshot records what the leader saw, and announces that it refuses the policy.
func (b announcingBoard) PutSnapshot(ctx context.Context, s fleet.Snapshot) error {
	why := s.Refused
	if why != "" {
		why = fmt.Sprintf("the policy as it is written now is refused, and revision %d stays in force: %s", s.Revision,
			why)
	}
	b.own.Refused(ctx, why)
	return b.Board.PutSnapshot(ctx, s)
}
