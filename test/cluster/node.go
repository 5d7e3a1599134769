package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/test/wait"
)

// Node is one of a cluster.
type Node struct {
	Name    string // node1
	Server  *servers.Server
	host    int // in the network
	cluster *Cluster
	away    atomic.Bool // hung or cut off: not one to ask
}

// URL returns its address, with user and password.
func (n *Node) URL() string { return n.Server.URL }

// Where returns where it is, as host:port.
func (n *Node) Where() string {
	u, err := url.Parse(n.URL())
	if err != nil {
		panic(err) // it is ours
	}
	return u.Host
}

// Hang freezes it: its connections stay open, and nothing answers.
func (n *Node) Hang() error {
	n.away.Store(true)
	return n.Server.Signal(syscall.SIGSTOP)
}

// Resume undoes Hang.
func (n *Node) Resume() error {
	n.away.Store(false)
	if err := n.Server.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Cut drops all packets between it and everybody else.
func (n *Node) Cut(ctx context.Context) error {
	n.away.Store(true)
	return errors.Join(n.set(ctx, false), n.cluster.net.set(ctx, n.host, 0, false))
}

// Part drops all packets between it and the other nodes: clients still reach it.
func (n *Node) Part(ctx context.Context) error {
	n.away.Store(true)
	return n.set(ctx, false)
}

// Heal undoes Cut and Part.
func (n *Node) Heal(ctx context.Context) error {
	n.away.Store(false)
	return errors.Join(n.set(ctx, true), n.cluster.net.set(ctx, n.host, 0, true))
}

func (n *Node) set(ctx context.Context, arrives bool) (err error) {
	for _, other := range n.cluster.Nodes {
		if other != n {
			err = errors.Join(err, n.cluster.net.set(ctx, n.host, other.host, arrives))
		}
	}
	return err
}

// Kill ends it at once, as a crash does. Restart brings it back.
func (n *Node) Kill() error {
	n.away.Store(true)
	return n.Server.Kill()
}

// Halt stops it in order, and returns once it is down. Restart brings it back.
func (n *Node) Halt(ctx context.Context) error {
	n.away.Store(true)
	down := n.Server.Done()
	if err := n.Server.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-down:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Restart stops it in order when it runs, and starts it with its data. The others must be there.
func (n *Node) Restart(ctx context.Context) error {
	n.away.Store(true)
	err := n.Server.Restart(ctx)
	n.away.Store(err != nil)
	return err
}

// Eval has the node compute an Erlang expression, which ends with a dot, and returns what comes of it.
func (n *Node) Eval(ctx context.Context, expression string) (string, error) {
	said, err := n.Server.Rabbitmqctl(ctx, "eval", expression)
	return strings.TrimSpace(said), err
}

// running is the function of rabbit_nodes that lists the nodes that run.
func (n *Node) running() string {
	if strings.Contains(n.Server.Version(), " 3.") {
		return "all_running"
	}
	return "list_running"
}

// Present returns a node that is neither hung nor cut off nor down.
func (c *Cluster) Present() (*Node, error) {
	for _, n := range c.Nodes {
		if !n.away.Load() {
			return n, nil
		}
	}
	return nil, errors.New("no node is there to be asked")
}

// find begins an expression with the queue of virtual host / as Q.
const find = `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<%q>>)), `

// Leader returns the node where a queue's leader is; of a classic queue, its home.
func (c *Cluster) Leader(ctx context.Context, queue string) (*Node, error) {
	asked, err := c.Present()
	if err != nil {
		return nil, err
	}
	said, err := asked.Eval(ctx, fmt.Sprintf(find+`amqqueue:qnode(Q).`, queue))
	if err != nil {
		return nil, err
	}
	for _, n := range c.Nodes {
		if strings.Trim(said, "'") == "siren@"+n.Name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("the leader of %s is on %s", queue, said)
}

// Members returns on how many nodes a quorum queue is.
func (c *Cluster) Members(ctx context.Context, queue string) (int, error) {
	asked, err := c.Present()
	if err != nil {
		return 0, err
	}
	// a list, or a map from 4.3 on
	said, err := asked.Eval(ctx, fmt.Sprintf(find+`#{nodes := N} = amqqueue:get_type_state(Q),
		if is_map(N) -> map_size(N); true -> length(N) end.`, queue))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(said)
}

// syncWithin is how long a node that is back may take until its members of quorum queues take part again.
const syncWithin = time.Minute

// AwaitSync waits until no quorum queue depends on every one of a bare majority of its members: the next node may stop.
func (c *Cluster) AwaitSync(ctx context.Context) error {
	return wait.Until(ctx, syncWithin, "all members of quorum queues to be there", func() (bool, error) {
		asked, err := c.Present()
		if err != nil {
			return false, err
		}
		said, err := asked.Eval(ctx, "length(rabbit_quorum_queue:list_with_minimum_quorum()).")
		return said == "0", err
	})
}

// moveWithin is how long a queue may refuse another leader: a member that was away has to catch up first.
const moveWithin = 30 * time.Second

// MoveLeader has a quorum queue led by that node.
func (c *Cluster) MoveLeader(ctx context.Context, queue string, to *Node) error {
	var last error
	err := wait.Until(ctx, moveWithin, "the leader of "+queue+" on "+to.Name, func() (bool, error) {
		last = c.moveLeader(ctx, queue, to)
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

func (c *Cluster) moveLeader(ctx context.Context, queue string, to *Node) error {
	asked, err := c.Present()
	if err != nil {
		return err
	}
	said, err := asked.Eval(ctx, fmt.Sprintf(find+`rabbit_quorum_queue:transfer_leadership(Q, '%s').`, queue,
		"siren@"+to.Name))
	if err == nil && !strings.Contains(said, to.Name) && !strings.Contains(said, "already_leader") {
		err = errors.New(said)
	}
	return err
}
