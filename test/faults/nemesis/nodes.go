package nemesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
)

// electedWithin is how long after a node is broken, or is back, its queues may have no leader: RabbitMQ needs up to
// 10 s to notice that a node hangs.
const electedWithin = 10 * time.Second

// nodeKind is a kind of fault of one node of RabbitMQ, of a minority.
func nodeKind(
	about string, least, most time.Duration, inject func(*Nemesis, history.Fault) (func() error, error),
) kind {
	return kind{
		about: about, on: clustered, targets: site.NodeNames, resources: resources("broker"), least: least, most: most,
		after: electedWithin, inject: inject,
	}
}

// clusterKinds is every way to break a RabbitMQ of three nodes, and a Redis with a replica.
var clusterKinds = map[string]kind{
	"node-hang": nodeKind("SIGSTOP of a node of RabbitMQ, then SIGCONT", 8*time.Second, 25*time.Second,
		func(n *Nemesis, f history.Fault) (func() error, error) {
			node := n.site.Node(f.Target)
			return node.Resume, node.Hang()
		}),
	"node-cut": nodeKind("packets between a node and everybody else are dropped", 8*time.Second, 25*time.Second,
		func(n *Nemesis, f history.Fault) (func() error, error) {
			node := n.site.Node(f.Target)
			return within(node.Heal), within(node.Cut)()
		}),
	"node-part": nodeKind("packets between a node and the other nodes are dropped", 8*time.Second, 25*time.Second,
		func(n *Nemesis, f history.Fault) (func() error, error) {
			node := n.site.Node(f.Target)
			return within(node.Heal), within(node.Part)()
		}),
	"node-kill": nodeKind("kill -9 of a node, and its restart", 0, 10*time.Second,
		func(n *Nemesis, f history.Fault) (func() error, error) {
			node := n.site.Node(f.Target)
			return within(node.Restart), node.Kill()
		}),
	"node-restart": nodeKind("orderly restart of a node", 0, 0,
		func(n *Nemesis, f history.Fault) (func() error, error) {
			return nothing, within(n.site.Node(f.Target).Restart)()
		}),
	"rolling-restart": {
		about: "orderly restart of all nodes in turn", on: clustered, resources: resources("broker"),
		inject: (*Nemesis).roll,
	},
	"leader-moved": {
		about: "lanes' queues get other leaders", on: clustered, resources: resources("broker"),
		inject: (*Nemesis).moveLeaders,
	},
	"redis-hung": {
		about: "SIGSTOP of Redis' primary, for less or more than the Sentinels' patience", on: clustered,
		resources: resources("redis"), least: time.Second, most: 10 * time.Second, outage: "redis",
		after: 5 * time.Second,
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) {
			n.failedOver()
			primary, _, err := n.site.Sentinels.Primary(context.Background())
			if err != nil {
				return nil, err
			}
			return within(n.site.Sentinels.Mend), primary.Signal(syscall.SIGSTOP)
		},
	},
	"redis-failover": {
		about: "kill -9 of Redis' primary; its replica takes over", on: clustered, resources: resources("redis"),
		most: 4 * time.Second, outage: "redis", after: 5 * time.Second,
		inject: func(n *Nemesis, _ history.Fault) (func() error, error) {
			n.failedOver()
			return within(n.site.Sentinels.Mend), within(n.site.Sentinels.Failover)()
		},
	},
	"redis-lost-tail": {
		about: "the same, and what was written for some seconds before is lost", on: clustered,
		resources: resources("redis"), most: 4 * time.Second, outage: "redis", after: 5 * time.Second,
		inject: (*Nemesis).loseTail,
	},
}

// within returns the function with a bound.
func within(do func(context.Context) error) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), fixTime)
		defer cancel()
		return do(ctx)
	}
}

// meet notes what a fault of a node meets: the lanes that it leads, and who is connected to it.
func (n *Nemesis) meet(w *history.Window) error {
	if !slices.Contains(site.NodeNames, w.Target) {
		return nil
	}
	led, err := n.site.Led(context.Background())
	if err != nil {
		return err
	}
	if slices.Contains(led[w.Target], "express") && w.Seed%3 > 0 { // mostly another lane's node
		if err := n.moveAway("express", w.Target); err != nil {
			return err
		}
		led[w.Target] = slices.DeleteFunc(led[w.Target], func(lane string) bool { return lane == "express" })
	}
	connected, err := n.site.ConnectedTo(w.Target)
	if err != nil {
		return err
	}
	w.Node, w.Led, w.Connected = w.Target, led[w.Target], connected
	for _, name := range connected {
		w.Lives = append(w.Lives, n.livesOf(name)...)
	}
	return nil
}

// moveAway has a lane's queue led by another node.
func (n *Nemesis) moveAway(lane, from string) error {
	ctx, cancel := context.WithTimeout(context.Background(), fixTime)
	defer cancel()
	to := slices.IndexFunc(n.site.Cluster.Nodes, func(c *cluster.Node) bool { return c.Name != from })
	return n.site.Cluster.MoveLeader(ctx, n.site.QueueOf(lane), n.site.Cluster.Nodes[to])
}

// roll restarts all nodes, one after the other, each as a fault of its own.
func (n *Nemesis) roll(f history.Fault) (func() error, error) {
	for _, name := range site.NodeNames {
		one := f
		one.Target = name
		w := history.Window{Fault: one}
		err := n.meet(&w)
		w.From = time.Now()
		err = errors.Join(err, within(n.site.Node(name).Restart)())
		w.To = time.Now().Add(electedWithin)
		n.note(w)
		if err != nil {
			return nil, err
		}
	}
	return nothing, nil
}

// moveLeaders has some lanes' queues led by other nodes.
func (n *Nemesis) moveLeaders(f history.Fault) (func() error, error) {
	r := rand.New(rand.NewPCG(f.Seed, 0))
	var group errgroup.Group
	for _, lane := range []string{"express", "standard", "bulk"} {
		if to := n.site.Cluster.Nodes[r.IntN(len(site.NodeNames))]; r.IntN(3) > 0 {
			group.Go(within(func(ctx context.Context) error {
				return n.site.Cluster.MoveLeader(ctx, n.site.QueueOf(lane), to)
			}))
		}
	}
	return nothing, group.Wait()
}

// loseTail has the replica follow no more, lets jobs go on for a while, and then kills the primary.
func (n *Nemesis) loseTail(f history.Fault) (func() error, error) {
	n.failedOver()
	if err := within(n.site.Sentinels.Leave)(); err != nil {
		return nil, err
	}
	time.Sleep(time.Second + time.Duration(f.Seed%3000)*time.Millisecond)
	return within(n.site.Sentinels.Mend), within(n.site.Sentinels.Failover)()
}

// failedOver notes that Redis' primary may be another from now on.
func (n *Nemesis) failedOver() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.FailedOver = append(n.FailedOver, time.Now())
}
