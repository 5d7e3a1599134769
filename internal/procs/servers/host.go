package servers

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// loopback is where a server listens that has no host of its own.
const loopback = "127.0.0.1"

// Host is a machine of its own to run a server on, such as a network namespace. The server listens on its address, on
// the usual ports, but not with TLS. For tests of clusters.
type Host struct {
	Name    string            // without a dot; RabbitMQ's node is siren@NAME
	Address string            // IPv4; this machine can reach it
	Enter   []string          // begins an argument list: runs the rest of it there
	Names   map[string]string // addresses of all hosts of the cluster, this one included, by name
}

// address returns where the server listens.
func (h *Host) address() string {
	if h == nil {
		return loopback
	}
	return h.Address
}

// at returns the address of a port of the server's.
func (s *Server) at(port int) string { return net.JoinHostPort(s.host.address(), strconv.Itoa(port)) }

// erlangAddress writes an address as Erlang does: {127,0,0,1}.
func erlangAddress(ip string) string { return "{" + strings.ReplaceAll(ip, ".", ",") + "}" }

// inetrc has Erlang find its nodes: not every container's /etc/hosts has localhost, and Erlang then dies without a
// word.
func (h *Host) inetrc() string {
	names := map[string]string{"localhost": loopback}
	if h != nil {
		names = h.Names
	}
	var lines []string
	for name, address := range names {
		lines = append(lines, fmt.Sprintf("{host, %s, [%q]}.\n", erlangAddress(address), name))
	}
	slices.Sort(lines)
	return strings.Join(lines, "") + "{lookup, [file, native]}.\n"
}
