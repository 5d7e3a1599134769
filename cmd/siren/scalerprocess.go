package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/ops"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler"
)

// scalerProcess is what every scaler runs, whatever its fleet is made of: the loop, the delay forwarder, the sweeping of
// expired records, metrics and probes.
type scalerProcess struct {
	name    string // unique among all processes
	policy  *lanes.Policy
	source  policySource // of the policy, followed when it changes; nil: the policy stays
	text    []byte       // that the policy was read from; nil: the source says something else
	broker  func(name string) (*rabbit.Conn, error)
	store   *redis.Store
	board   scaler.Board
	fleet   scaler.Fleet
	leading func(ctx context.Context) (bool, error)
	known   func(ctx context.Context, current []string) ([]string, error) // every lane that there ever was
	state   *kube.State                                                   // keeps a copy of the tunings; nil: no copy
	listen  string                                                        // "": no metrics and probes
	log     *slog.Logger
}

// run is the process until ctx ends.
func (s scalerProcess) run(ctx context.Context) error {
	conns := map[string]*rabbit.Conn{}
	for _, name := range []string{"topology", "backlog", "forwarder", "forwarder (publish)"} {
		c, err := s.broker("scaler " + name)
		if err != nil {
			return err
		}
		defer c.Close()
		conns[name] = c
	}
	registry := newRegistry()
	if s.listen != "" {
		server, err := ops.Listen(s.listen, ops.Handler(registry, alive, readyOnce(conns["topology"])), s.log)
		if err != nil {
			return err
		}
		defer stopServer(server)
		s.log.Info("metrics and probes", "address", server.Addr)
	}
	declared := s.declare(ctx, conns["topology"], s.policy)
	if mismatch := (*rabbit.MismatchError)(nil); errors.As(declared, &mismatch) && s.source != nil {
		s.log.Error("the policy doesn't fit the broker's queues; the fleet runs on what there is until that is mended", "error", declared)
		s.text = nil // to be applied yet
	} else if declared != nil {
		return declared
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return rabbit.Forward(ctx, conns["forwarder"], rabbit.NewPublisher(conns["forwarder (publish)"], 0))
	})
	ledger := redis.NewLedger(s.store, s.log)
	ledger.SetPolicy(s.policy)
	group.Go(func() error { return sweep(ctx, ledger, s.log) })
	metrics := scaler.NewMetrics(registry)
	tunings := redis.NewTunings(s.store, s.log)
	keeper := &tuningKeeper{store: tunings, state: s.state, log: s.log}
	loop := scaler.New(scaler.Options{
		Name: s.name, Policy: s.policy,
		Backlog: rabbit.NewBacklog(conns["backlog"]), Roster: redis.NewRoster(s.store, s.log), Board: s.board, Fleet: s.fleet,
		Retries: func(ctx context.Context, lane string) (scaler.Retries, error) {
			n, next, err := ledger.Retrying(ctx, lane)
			return scaler.Retries{Count: n, Next: next}, err
		},
		Tunings: keeper.now, Nudge: tunings.Changed(ctx), Desk: desk{redis.NewBoard(s.store, s.log)},
		Leading: s.leading, Known: s.known, Log: s.log, Metrics: metrics,
	})
	group.Go(func() error { return loop.Run(ctx) })
	var followed atomic.Pointer[lanes.Policy]
	followed.Store(s.policy)
	var refused atomic.Bool
	group.Go(func() error {
		return s.keepDeclared(ctx, conns["topology"], func() (*lanes.Policy, bool) { return followed.Load(), !refused.Load() })
	})
	if s.source != nil {
		refuse := func(why string) {
			refused.Store(why != "")
			loop.Refuse(why)
		}
		group.Go(func() error {
			return followPolicy(ctx, s.source, s.text, s.log, refuse, func(p *lanes.Policy) error {
				if err := s.declare(ctx, conns["topology"], p); err != nil {
					return err
				}
				followed.Store(p)
				ledger.SetPolicy(p)
				loop.Follow(p)
				return nil
			})
		})
	}
	return group.Wait()
}

// desk is where people ask the leader what would be.
type desk struct{ *redis.Board }

// Questions is the open ones, by their id.
func (d desk) Questions(ctx context.Context) (map[string]lanes.WhatIf, error) {
	open, err := d.Board.Questions(ctx)
	questions := make(map[string]lanes.WhatIf, len(open))
	for _, q := range open {
		questions[q.ID] = q.WhatIf
	}
	return questions, err
}

// reconcileEvery is how often the leader sees to it that the queues are there: a broker may come back without its data.
const reconcileEvery = 5 * time.Second

// keepDeclared makes queues and exchanges anew that somebody, or a broker that lost its data, has removed; not while a changed policy is
// refused, since then a person may be deleting queues for it.
func (s scalerProcess) keepDeclared(ctx context.Context, c *rabbit.Conn, wanted func() (p *lanes.Policy, all bool)) error {
	ticker := time.NewTicker(reconcileEvery)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		policy, all := wanted()
		if leads, err := s.leading(ctx); err != nil || !leads || !all || !c.Up() {
			continue
		}
		look, cancel := context.WithTimeout(ctx, reconcileEvery)
		known, err := s.known(look, policy.LaneNames())
		if err == nil {
			err = rabbit.Declare(look, c, policy, formerLanes(policy, known))
		}
		cancel()
		switch {
		case ctx.Err() != nil, err == nil && said == "":
		case err == nil:
			s.log.Info("the broker's queues and exchanges are as the policy says again")
			said = ""
		case err.Error() != said:
			s.log.Warn("the broker's queues and exchanges can't be checked", "error", err)
			said = err.Error()
		}
	}
}

// declare makes the broker's queues and exchanges as the policy says, once the broker is there.
func (s scalerProcess) declare(ctx context.Context, c *rabbit.Conn, policy *lanes.Policy) error {
	known, err := s.known(ctx, policy.LaneNames())
	if err != nil {
		s.log.Warn("can't tell which lanes there were before; those that left the policy are not served until this is known", "error", err)
	}
	for said := false; ; {
		err := rabbit.Declare(ctx, c, policy, formerLanes(policy, known))
		var mismatch *rabbit.MismatchError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &mismatch), ctx.Err() != nil:
			return err
		case !said:
			s.log.Warn("declare the queues; trying again until the broker answers", "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// formerLanes is those of known that the policy doesn't have any more.
func formerLanes(p *lanes.Policy, known []string) []string {
	var former []string
	for _, k := range known {
		if _, ok := p.Lane(k); !ok {
			former = append(former, k)
		}
	}
	return former
}

// sweep removes what expired records leave in the ledger's indexes, once a minute.
func sweep(ctx context.Context, ledger *redis.Ledger, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Minute):
		}
		if _, err := ledger.Sweep(ctx); err != nil {
			log.Debug("sweep the ledger", "error", err)
		}
	}
}
