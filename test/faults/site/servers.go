package site

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/test/cluster"
)

// NodeNames are the nodes of a RabbitMQ that has several.
var NodeNames = []string{"node1", "node2", "node3"}

// Serve starts the servers, with their data in the folder: one RabbitMQ and one Redis, or a cluster, and a Redis with
// a replica and Sentinels.
func (s *Site) Serve(ctx context.Context) error {
	if !s.clustered {
		return s.serveOne(ctx)
	}
	var group errgroup.Group
	group.Go(func() (err error) {
		s.Cluster, err = cluster.Start(ctx, cluster.Options{Nodes: len(NodeNames), Dir: s.Dir})
		return err
	})
	group.Go(func() (err error) {
		s.Sentinels, err = cluster.StartRedis(ctx, cluster.RedisOptions{Dir: s.Dir})
		return err
	})
	return group.Wait()
}

func (s *Site) serveOne(ctx context.Context) (err error) {
	if s.Redis, err = servers.StartRedis(ctx, servers.Options{Dir: s.Dir}); err != nil {
		return err
	}
	s.RabbitMQ, err = servers.StartRabbitMQ(ctx, servers.Options{Dir: s.Dir})
	return err
}

// stopServers ends all of them.
func (s *Site) stopServers(ctx context.Context) error {
	var problems []error
	for _, server := range []*servers.Server{s.RabbitMQ, s.Redis} {
		if server != nil {
			problems = append(problems, server.Stop(ctx))
		}
	}
	if s.Cluster != nil {
		problems = append(problems, s.Cluster.Stop(ctx))
	}
	if s.Sentinels != nil {
		problems = append(problems, s.Sentinels.Stop(ctx))
	}
	return errors.Join(problems...)
}

// Versions says which RabbitMQ and which Redis these are.
func (s *Site) Versions() (broker, redis string) {
	if s.clustered {
		return s.Cluster.Nodes[0].Server.Version(), s.Sentinels.Nodes[0].Version()
	}
	return s.RabbitMQ.Version(), s.Redis.Version()
}

// Broker returns the RabbitMQ, or one of its nodes that isn't broken, to have rabbitmqctl ask it.
func (s *Site) Broker() (*servers.Server, error) {
	if !s.clustered {
		return s.RabbitMQ, nil
	}
	n, err := s.Cluster.Present()
	if err != nil {
		return nil, err
	}
	return n.Server, nil
}

// ctl has rabbitmqctl ask.
func (s *Site) ctl(ctx context.Context, args ...string) (string, error) {
	b, err := s.Broker()
	if err != nil {
		return "", err
	}
	return b.Rabbitmqctl(ctx, args...)
}

// brokers returns the URLs of RabbitMQ's nodes.
func (s *Site) brokers() (urls []string) {
	if !s.clustered {
		return []string{s.RabbitMQ.URL}
	}
	for _, n := range s.Cluster.Nodes {
		urls = append(urls, n.URL())
	}
	return urls
}

// Node returns the one of that name.
func (s *Site) Node(name string) *cluster.Node {
	for _, n := range s.Cluster.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// RedisURL returns one that needs no link.
func (s *Site) RedisURL() string {
	if s.clustered {
		return s.Sentinels.URL()
	}
	return s.Redis.URL
}

// AMQPURL returns one that needs no link.
func (s *Site) AMQPURL() string {
	if s.clustered {
		return s.Cluster.URL()
	}
	return s.RabbitMQ.URL
}

// answersWithin is how long a node may take to answer whoever comes past all links.
const answersWithin = 5 * time.Second

// Direct lends a channel straight to the broker, past all proxies: to the first node that answers.
func (s *Site) Direct(use func(*amqp.Channel) error) error {
	var problems []error
	for _, at := range s.brokers() {
		conn, err := amqp.DialConfig(at, amqp.Config{Dial: amqp.DefaultDial(answersWithin)})
		if err != nil {
			problems = append(problems, err)
			continue
		}
		defer func() { _ = conn.Close() }()
		ch, err := conn.Channel()
		if err != nil {
			return err
		}
		return use(ch)
	}
	return errors.Join(problems...)
}

// Led returns the lanes whose queues each node leads.
func (s *Site) Led(ctx context.Context) (map[string][]string, error) {
	n, err := s.Cluster.Present()
	if err != nil {
		return nil, err
	}
	said, err := n.Eval(ctx, `[io:format("~s ~s~n", [element(4, amqqueue:get_name(Q)), amqqueue:qnode(Q)]) ||
		Q <- rabbit_amqqueue:list(<<"/">>)], ok.`)
	if err != nil {
		return nil, err
	}
	led := map[string][]string{}
	for line := range strings.Lines(said) {
		queue, node, _ := strings.Cut(strings.TrimSpace(line), " siren@")
		lane, ok := strings.CutPrefix(queue, laneQueue)
		if !ok {
			continue
		}
		lane, _, _ = strings.Cut(lane, ".")
		led[node] = append(led[node], lane)
	}
	return led, nil
}

// Addresses returns the URLs of one server each that a URL with several addresses stands for.
func Addresses(all string) (urls []string) {
	scheme, rest, _ := strings.Cut(all, "://")
	login, rest, _ := strings.Cut(rest, "@")
	hosts, path, _ := strings.Cut(rest, "/")
	for host := range strings.SplitSeq(hosts, ",") {
		urls = append(urls, fmt.Sprintf("%s://%s@%s/%s", scheme, login, host, path))
	}
	return urls
}

// hostOf returns the address that a URL with one address has.
func hostOf(one string) (string, error) {
	u, err := url.Parse(one)
	if err != nil {
		return "", errors.New("a server's URL doesn't parse") // and has a password in it
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		return "", err
	}
	return u.Host, nil
}
