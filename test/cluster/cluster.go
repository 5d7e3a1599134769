// Package cluster runs what Siren meets at scale, for tests: a RabbitMQ of three nodes, each on a host of its own (a
// network namespace), and a Redis with a replica and three Sentinels. It can hang, cut off, stop and start each. The
// hosts need root, of this machine or of namespaces (AsRoot). Nothing is left, however the test ends.
package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/test/wait"
)

// Options says what a cluster is like.
type Options struct {
	Nodes   int          // 0: three
	Dir     string       // keeps data and logs, in a folder for each server; "": temporary ones
	Log     *slog.Logger // nil: nowhere
	Config  string       // more of rabbitmq.conf
	Plugins []string     // of RabbitMQ to enable
}

// Cluster is a RabbitMQ of several nodes.
type Cluster struct {
	Nodes []*Node
	net   *network
}

// joinsWithin is how long nodes that run may take to know of each other.
const joinsWithin = time.Minute

// Start starts a cluster and returns when its nodes know each other, after 15 to 40 s. A minority of nodes that is cut
// off pauses. The servers are those that servers.StartRabbitMQ starts.
func Start(ctx context.Context, o Options) (c *Cluster, err error) {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	c = &Cluster{}
	if c.net, err = newNetwork(ctx, o.Nodes); err != nil {
		return nil, err
	}
	for i := range o.Nodes {
		c.Nodes = append(c.Nodes, &Node{Name: fmt.Sprintf("node%d", i+1), host: i + 1, cluster: c})
	}
	secret := rand.Text()
	err = c.Nodes[0].start(ctx, o, secret) // who comes next has somebody to join
	if err == nil {
		var group errgroup.Group
		for _, n := range c.Nodes[1:] {
			group.Go(func() error { return n.start(ctx, o, secret) })
		}
		err = group.Wait()
	}
	if err == nil {
		err = c.awaitJoined(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// start starts the node's server for the first time.
func (n *Node) start(ctx context.Context, o Options, secret string) (err error) {
	config := []string{o.Config, "cluster_partition_handling = pause_minority"}
	host := &servers.Host{
		Name: n.Name, Address: n.cluster.net.address(n.host), Enter: n.cluster.net.places[n.host].enter(),
		Names: map[string]string{},
	}
	for _, other := range n.cluster.Nodes {
		host.Names[other.Name] = n.cluster.net.address(other.host)
	}
	if n.host > 1 {
		config = append(config, "cluster_formation.peer_discovery_backend = classic_config",
			"cluster_formation.classic_config.nodes.1 = siren@"+n.cluster.Nodes[0].Name,
			"cluster_formation.classic_config.nodes.2 = siren@"+n.Name)
	}
	dir := o.Dir
	if dir != "" {
		dir = filepath.Join(dir, n.Name)
	}
	n.Server, err = servers.StartRabbitMQ(ctx, servers.Options{
		Dir: dir, Log: o.Log, Config: strings.Join(config, "\n"), Plugins: o.Plugins, Secret: secret, Host: host,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	return nil
}

// awaitJoined waits until each node has all others.
func (c *Cluster) awaitJoined(ctx context.Context) error {
	return wait.Until(ctx, joinsWithin, "all nodes to be in the cluster", func() (bool, error) {
		said, err := c.Nodes[0].Eval(ctx, "length(rabbit_nodes:"+c.Nodes[0].running()+"()).")
		return said == fmt.Sprint(len(c.Nodes)), err
	})
}

// Address returns where a port of the node is.
func (n *Node) Address(port int) string {
	return net.JoinHostPort(n.cluster.net.address(n.host), strconv.Itoa(port))
}

// URL returns one with the addresses of all nodes.
func (c *Cluster) URL() string {
	u, err := url.Parse(c.Nodes[0].URL())
	if err != nil {
		panic(err) // it is ours
	}
	hosts := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		hosts[i] = fmt.Sprintf("%s:%s", c.net.address(n.host), u.Port())
	}
	return strings.Replace(u.String(), u.Host, strings.Join(hosts, ","), 1)
}

// Stop ends all nodes, whatever state they are in. Nothing of them is left.
func (c *Cluster) Stop(ctx context.Context) error {
	var group errgroup.Group
	for _, n := range c.Nodes {
		if n.Server == nil {
			continue
		}
		group.Go(func() error {
			return errors.Join(n.Resume(), n.Server.Kill(), n.Server.Stop(ctx))
		})
	}
	err := group.Wait()
	c.net.close()
	return err
}
