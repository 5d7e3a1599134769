// Package dnstest is a DNS server for tests, on loopback and in this process, whose names can be moved.
package dnstest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// Server is a DNS server whose names can be moved.
type Server struct {
	conn net.PacketConn
	done sync.WaitGroup

	mu    sync.Mutex
	known map[string][]netip.Addr
	once  map[string][]netip.Addr
	asked int
}

// New starts one that knows no name.
func New() (*Server, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for DNS: %w", err)
	}
	n := &Server{conn: conn, known: map[string][]netip.Addr{}, once: map[string][]netip.Addr{}}
	n.done.Go(n.serve)
	return n, nil
}

// Close ends it.
func (n *Server) Close() {
	_ = n.conn.Close()
	n.done.Wait()
}

// Move gives the name these IPv4 addresses, in place of those that it has.
func (n *Server) Move(name string, addresses ...string) { n.set(n.known, name, addresses) }

// Once makes the next answer, and no other, name these.
func (n *Server) Once(name string, addresses ...string) { n.set(n.once, name, addresses) }

func (n *Server) set(in map[string][]netip.Addr, name string, addresses []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	in[name+"."] = nil
	for _, a := range addresses {
		in[name+"."] = append(in[name+"."], netip.MustParseAddr(a))
	}
}

// Asked returns how often it was asked for IPv4 addresses.
func (n *Server) Asked() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// Resolver asks this server alone.
func (n *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

func (n *Server) serve() {
	buffer := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		n.answer(&m)
		if packed, err := m.Pack(); err == nil {
			_, _ = n.conn.WriteTo(packed, from)
		}
	}
}

// answer makes the answer of a question.
func (n *Server) answer(m *dnsmessage.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	name := q.Name.String()
	addresses, ok := n.known[name]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
		return
	}
	if q.Type != dnsmessage.TypeA {
		return
	}
	n.asked++
	if once, ok := n.once[name]; ok {
		addresses = once
		delete(n.once, name)
	}
	for _, a := range addresses {
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
	}
}
