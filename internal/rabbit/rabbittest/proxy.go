package rabbittest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a client and the broker and can cut, stall and refuse.
type Proxy struct {
	URL      string
	target   string
	listener net.Listener
	copies   sync.WaitGroup

	mu      sync.Mutex
	pairs   []net.Conn
	refuses bool
	refused int
	stalled chan struct{} // nil: bytes flow; else they wait until it is closed
}

// NewProxy goes to the broker of the URL; its own URL is the one to use instead.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return NewProxyAt(t, "127.0.0.1:0", target)
}

// NewProxyAt listens at the address.
func NewProxyAt(t testing.TB, address, target string) *Proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal("parse the URL of the test's broker")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: u.Host, listener: l}
	u.Host = l.Addr().String()
	p.URL = u.String()
	p.copies.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Flow()
		p.Cut()
		p.copies.Wait()
	})
	return p
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.refuses {
			p.refused++
			_ = client.Close()
		} else if server, err := net.Dial("tcp", p.target); err != nil {
			_ = client.Close()
		} else {
			p.pairs = append(p.pairs, client, server)
			p.copies.Go(func() { p.pump(client, server) })
			p.copies.Go(func() { p.pump(server, client) })
		}
		p.mu.Unlock()
	}
}

func (p *Proxy) pump(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		wait := p.stalled
		p.mu.Unlock()
		if wait != nil {
			<-wait
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// Cut ends all connections; new ones are let through.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pairs {
		_ = c.Close()
	}
	p.pairs = nil
}

// Connections returns how many connections go through it.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs) / 2
}

// Refused returns how many connections it has refused.
func (p *Proxy) Refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// Refuse cuts, and lets nobody through any more.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	p.refuses = on
	p.mu.Unlock()
	if on {
		p.Cut()
	}
}

// Stall keeps connections open, but nothing gets through.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// Flow ends stall.
func (p *Proxy) Flow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}
