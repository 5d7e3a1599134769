// Package hung measures how long each lane stands still while a node of RabbitMQ hangs that leads one of them, beside a
// consumer that has the broker push messages to it from a queue on the same node.
package hung

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/faults/witness"
	"github.com/polyglot-media/siren/test/faults/workload"
	"github.com/polyglot-media/siren/test/wait"
)

// How long it takes: calm at first, then the node hangs, then it is back.
const (
	calm  = 30 * time.Second
	hangs = 30 * time.Second
	after = 15 * time.Second
	every = 700 * time.Millisecond // from one job of a lane to the next
)

// lanes are those that are measured, each led by a node of its own.
var lanes = []string{"express", "standard", "bulk"}

// Measure does it on a site that has just started.
func Measure(ctx context.Context, s *site.Site, e workload.Expected, place workload.Places) (*Table, error) {
	p, err := workload.OpenProducers(s, workload.Even(calm+hangs+after, every, lanes, place))
	if err != nil {
		return nil, err
	}
	defer p.Close()
	w, err := witness.WatchOutputs(ctx, e, s.OutputDirs()...)
	if err != nil {
		return nil, err
	}
	node, err := spread(ctx, s)
	if err != nil {
		return nil, err
	}
	raw, err := openRaw(ctx, s, node)
	if err != nil {
		return nil, err
	}
	defer raw.close()
	began := time.Now()
	var group errgroup.Group
	working, stop := context.WithCancel(ctx)
	defer stop()
	group.Go(func() error { p.Run(working); return nil })
	group.Go(func() error { return raw.publish(working, calm+hangs+after) })
	t := &Table{Node: node.Name, Version: node.Server.Version()}
	if err = wait.Pause(ctx, calm); err == nil {
		t.at = time.Now()
		if t.Connected, err = s.ConnectedTo(node.Name); err == nil {
			err = node.Hang()
		}
	}
	if err == nil {
		err = wait.Pause(ctx, hangs)
	}
	if err = errors.Join(err, node.Resume()); err == nil {
		err = wait.Pause(ctx, time.Until(began.Add(calm+hangs+after)))
	}
	if err != nil {
		stop()
		return nil, errors.Join(err, group.Wait())
	}
	s.Rest(ctx, "", func(time.Duration, int) bool { return true })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	seen, err := w.Close()
	if err != nil {
		return nil, err
	}
	for i, lane := range lanes {
		one := row{name: lane, node: site.NodeNames[i]}
		for _, j := range p.Jobs {
			if sight := seen[j.OutputName()]; j.Lane == lane && sight != nil {
				one.done = append(one.done, done{j.Confirmed, sight.At})
			}
		}
		t.add(one)
	}
	t.add(row{name: "raw push", node: node.Name, done: raw.done()})
	return t, nil
}

// spread has each lane led by a node of its own, and returns one that leads another lane than express and has no
// producer.
func spread(ctx context.Context, s *site.Site) (*cluster.Node, error) {
	for i, lane := range lanes {
		if err := s.Cluster.MoveLeader(ctx, s.QueueOf(lane), s.Node(site.NodeNames[i])); err != nil {
			return nil, err
		}
	}
	var chosen *cluster.Node
	err := wait.Until(ctx, time.Minute, "a node without a producer", func() (bool, error) {
		for _, name := range site.NodeNames[1:] {
			connected, err := s.ConnectedTo(name)
			if err != nil {
				return false, err
			}
			if !slices.Contains(connected, "client") {
				chosen = s.Node(name)
			}
		}
		return chosen != nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("choose a node to hang: %w", err)
	}
	return chosen, nil
}
