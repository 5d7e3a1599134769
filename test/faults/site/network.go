package site

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is every connection of the fleet to RabbitMQ, to a Redis without Sentinels and to S3. Each goes through a
// proxy of its own, which can cut, slow and stall it.
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

// link is what one process has to one server: a proxy for each address.
type link struct {
	name    string // w1/amqp
	proxies []*toxiproxy.Proxy
}

// to makes the link of a process to the server at the URLs, and returns the URL of its end.
func (n *network) to(process, server string, to ...string) (string, error) {
	l := &link{name: process + "/" + server}
	var ends []string
	for _, one := range to {
		host, err := hostOf(one)
		if err != nil {
			return "", fmt.Errorf("%s: %w", l.name, err)
		}
		p, err := n.open(l.name, host)
		if err != nil {
			return "", err
		}
		l.proxies = append(l.proxies, p)
		ends = append(ends, p.Listen)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[l.name] = l
	host, _ := hostOf(to[0]) // seen to above
	return strings.Replace(to[0], host, strings.Join(ends, ","), 1), nil
}

// open starts a proxy.
func (n *network) open(name, to string) (p *toxiproxy.Proxy, err error) {
	for range 100 {
		// Below the ports of outgoing connections: while it is cut, its port must stay free.
		p = toxiproxy.NewProxy(n.server, name, fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(18_000)), to)
		if err = p.Start(); err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("open a proxy for %s: %w", name, err)
}

// Connect makes the link of a process to the server amqp, redis or s3, and returns the URL of its end. To a Redis with
// Sentinels there is none: those name its address.
func (s *Site) Connect(process, server string) (string, error) {
	switch {
	case server == "amqp":
		return s.Net.to(process, server, s.brokers()...)
	case server == "s3":
		return s.Net.to(process, server, s.Bucket.url)
	case s.clustered:
		return s.Sentinels.URL(), nil
	default:
		return s.Net.to(process, server, s.Redis.URL)
	}
}

// Link returns the one of that name: w1/amqp.
func (n *network) Link(name string) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.links[name]
}

// ConnectedTo lists the processes that have a connection to that node of RabbitMQ.
func (s *Site) ConnectedTo(node string) (processes []string, err error) {
	ends, err := connectedTo()
	if err != nil {
		return nil, err
	}
	s.Net.mu.Lock()
	defer s.Net.mu.Unlock()
	for name, l := range s.Net.links {
		process, server, _ := strings.Cut(name, "/")
		for i, p := range l.proxies {
			var port int
			_, _ = fmt.Sscanf(p.Listen, "127.0.0.1:%d", &port) // as open writes it
			if server == "amqp" && NodeNames[i] == node && ends[port] {
				processes = append(processes, process)
			}
		}
	}
	return processes, nil
}

// connectedTo lists the ports of loopback to which there are connections.
func connectedTo() (map[int]bool, error) {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	ports := map[int]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		const established, loopback = "01", "0100007F"
		fields := strings.Fields(lines.Text()) // number, own address, the other's, state
		if len(fields) < 4 || fields[3] != established {
			continue
		}
		if address, hex, _ := strings.Cut(fields[2], ":"); address == loopback {
			var port int
			_, _ = fmt.Sscanf(hex, "%x", &port)
			ports[port] = true
		}
	}
	return ports, nil
}

// close cuts everything for good.
func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		l.Cut()
	}
}

// Toxic adds one, in both directions, on the way to all addresses.
func (l *link) Toxic(kind, attributes string) error {
	for _, p := range l.proxies {
		for _, direction := range []string{"upstream", "downstream"} {
			text := fmt.Sprintf(`{"name": %q, "type": %q, "stream": %q, "attributes": %s}`, kind+"-"+direction, kind,
				direction, attributes)
			if _, err := p.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
				return fmt.Errorf("%s on %s: %w", kind, l.name, err)
			}
		}
	}
	return nil
}

// Heal takes every toxic off.
func (l *link) Heal() {
	for _, p := range l.proxies {
		p.Toxics.ResetToxics(context.Background())
	}
}

// Cut ends all connections and lets none through.
func (l *link) Cut() {
	for _, p := range l.proxies {
		p.Stop()
	}
}

// Fix lets connections through again.
func (l *link) Fix() (err error) {
	for _, p := range l.proxies {
		if !p.Enabled {
			err = errors.Join(err, p.Start())
		}
	}
	return err
}
