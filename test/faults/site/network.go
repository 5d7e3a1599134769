package site

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is every connection of the fleet to RabbitMQ and Redis. Each goes through a proxy of its own, which can cut,
// slow and stall it.
type network struct {
	server *toxiproxy.ApiServer // never listens: the proxies want it for its logger

	mu    sync.Mutex
	links map[string]*link
}

func newNetwork() *network {
	return &network{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		links:  map[string]*link{},
	}
}

// link is what one process has to one server.
type link struct {
	name string // w1/amqp
	url  string
	*toxiproxy.Proxy
}

// to makes the link of a process to the server at the URL.
func (n *network) to(process, server, to string) (*link, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, fmt.Errorf("the URL of %s doesn't parse", server) // and has a password in it
	}
	l := &link{name: process + "/" + server}
	for range 100 {
		// Below the ports of outgoing connections: while it is cut, its port must stay free.
		address := fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(18_000))
		l.Proxy = toxiproxy.NewProxy(n.server, l.name, address, u.Host)
		if err = l.Start(); err == nil {
			u.Host = address
			l.url = u.String()
			n.mu.Lock()
			defer n.mu.Unlock()
			n.links[l.name] = l
			return l, nil
		}
	}
	return nil, fmt.Errorf("open a proxy for %s: %w", l.name, err)
}

// Connect makes the link of a process to the server amqp, redis or s3, and returns the URL of its end.
func (s *Site) Connect(process, server string) (string, error) {
	var to string
	switch server {
	case "amqp":
		to = s.RabbitMQ.URL
	case "redis":
		to = s.Redis.URL
	case "s3":
		to = s.Bucket.url
	}
	l, err := s.Net.to(process, server, to)
	if err != nil {
		return "", err
	}
	return l.url, nil
}

// Link returns the one of that name: w1/amqp.
func (n *network) Link(name string) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.links[name]
}

// close cuts everything for good.
func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		l.Stop()
	}
}

// Toxic adds one, in both directions.
func (l *link) Toxic(kind, attributes string) error {
	for _, direction := range []string{"upstream", "downstream"} {
		text := fmt.Sprintf(`{"name": %q, "type": %q, "stream": %q, "attributes": %s}`, kind+"-"+direction, kind,
			direction, attributes)
		if _, err := l.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
			return fmt.Errorf("%s on %s: %w", kind, l.name, err)
		}
	}
	return nil
}

// Cut ends all connections and lets none through.
func (l *link) Cut() { l.Stop() }

// Fix lets connections through again.
func (l *link) Fix() error {
	if l.Enabled {
		return nil
	}
	return l.Start()
}
