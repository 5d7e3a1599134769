package serve

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/cmd/siren/serve/upkeep"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/ops"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler"
)

// scalerProcess is what every scaler runs, whatever its fleet is made of: the loop, the delay forwarder, the sweeping
// of expired records, metrics and probes.
type scalerProcess struct {
	name    string // unique among all processes
	version string // of siren
	policy  *lanes.Policy
	source  upkeep.PolicySource // of the policy, followed when it changes; nil: the policy stays
	text    []byte              // that the policy was read from; nil: the source says something else
	broker  func(name string) (*rabbitlink.Conn, error)
	store   *redislink.Store
	board   scaler.Board
	fleet   scaler.Fleet
	leading func(ctx context.Context) (bool, error)
	known   func(ctx context.Context, current []lanes.Queue) ([]lanes.Queue, error) // every queue that a lane ever had
	// keeps a copy of the tunings; nil: no copy
	state  *kube.State
	listen string // "": no metrics and probes
	log    *slog.Logger
}

// run runs the process until ctx ends.
func (s scalerProcess) run(ctx context.Context) error {
	var server *ops.Server
	defer func() { stopServer(server) }() // last: until it ends, it answers its probes
	conns := map[string]*rabbitlink.Conn{}
	for _, name := range []string{"topology", "backlog", "forwarder", "forwarder (publish)"} {
		c, err := s.broker("scaler " + name)
		if err != nil {
			return err
		}
		defer c.Close()
		conns[name] = c
	}
	registry := newRegistry()
	redislink.RegisterRefusals(registry, s.store)
	if s.listen != "" {
		var err error
		server, err = ops.Listen(s.listen, ops.Handler(registry, alive, readyOnce(conns["topology"], s.store)), s.log)
		if err != nil {
			return err
		}
		s.log.Info("metrics and probes", "address", server.Addr)
	}
	s.store.FollowClock(ctx)
	tunings := redis.NewTunings(s.store, s.log)
	keeper := &upkeep.TuningKeeper{Store: tunings, State: s.state, Log: s.log}
	t := &upkeep.Declarer{Conn: conns["topology"], Known: s.known, Log: s.log}
	first := s.policy
	if now, err := keeper.Now(ctx); err == nil { // else the leader's first tick sees to it
		first, _, _ = s.policy.Tuned(now.All, s.store.Now())
	}
	if err := t.Await(ctx, first); err != nil {
		return err
	}

	group, ctx := errgroup.WithContext(ctx)
	ledger := jobledger.New(s.store, s.log)
	ledger.SetPolicy(s.policy)
	jobledger.RegisterMetrics(registry, ledger.Stats)
	group.Go(func() error { return sweep(ctx, ledger, s.log) })
	metrics := scaler.NewMetrics(registry)
	loop := scaler.New(scaler.Options{
		Name: s.name, Policy: s.policy,
		Backlog: rabbit.NewBacklog(conns["backlog"]), Roster: redis.NewRoster(s.store, s.log), Board: s.board,
		Fleet:   s.fleet,
		Retries: ledger.Retrying, Waiting: ledger.Waiting, Compare: ledger.Compare,
		Last:    redis.NewBoard(s.store, s.log).Snapshot,
		Tunings: keeper.Now, Nudge: tunings.Changed(ctx), Sight: redis.NewBoard(s.store, s.log).PutSight,
		History: redis.NewHistory(s.store).Note, Note: tunings.Note,
		Published: redis.NewBoard(s.store, s.log).Policy,
		Version:   s.version,
		Leading:   s.leading, Known: s.known, Declare: t.Declare, Log: s.log, Metrics: metrics,
	})
	publisher := confirms.NewPublisher(conns["forwarder (publish)"], 0)
	group.Go(func() error {
		return rabbit.Forward(ctx, conns["forwarder"], publisher, loop.InForce)
	})
	group.Go(func() error { return loop.Run(ctx) })
	group.Go(func() error { return t.Keep(ctx, s.leading, loop.InForce) })
	rescuer := &upkeep.Rescuer{
		Ledger: ledger, Roster: redis.NewRoster(s.store, s.log),
		Publish: publisher,
		Leading: s.leading, InForce: loop.InForce, Log: s.log, Rescued: upkeep.NewRescued(registry),
	}
	group.Go(func() error { return rescuer.Keep(ctx) })
	if s.source != nil {
		group.Go(func() error {
			return upkeep.FollowPolicy(ctx, s.source, s.text, s.log, loop.Refuse, func(p *lanes.Policy) error {
				ledger.SetPolicy(p)
				loop.Follow(p)
				return nil
			})
		})
	}
	return group.Wait()
}

// sweep removes what expired records leave in the ledger's indexes, and lists what older versions have queued, once a
// minute.
func sweep(ctx context.Context, ledger *jobledger.Ledger, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Minute):
		}
		if _, err := ledger.Sweep(ctx); err != nil {
			log.Debug("sweep the ledger", "error", err)
		}
		if _, err := ledger.Enlist(ctx); err != nil {
			log.Debug("list queued jobs", "error", err)
		}
	}
}
