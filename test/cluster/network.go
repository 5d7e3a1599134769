package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// network joins hosts, each in a namespace of its own, with each other and with this machine, by a cable (a pair of
// virtual interfaces) for each two. There is no bridge: cables go when a namespace at one of their ends does.
type network struct {
	number int         // below 512: which of 198.18.0.0/23 … it has
	places []namespace // 0 is this machine
}

// noMAC is nobody's: what is sent to it is dropped, and no one is told.
const noMAC = "02:00:00:00:ff:ff"

// newNetwork makes and joins so many hosts, numbered from 1.
func newNetwork(ctx context.Context, hosts int) (n *network, err error) {
	n = &network{number: freeNetwork(), places: make([]namespace, 1)}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	for range hosts {
		place, err := newNamespace()
		if err != nil {
			return n, err
		}
		n.places = append(n.places, place)
	}
	for a := range n.places {
		for b := range a {
			if err := n.join(ctx, a, b); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// freeNetwork chooses one of which this machine has no address: 198.18.0.0/15 is for tests, and never routed.
func freeNetwork() int {
	number := rand.IntN(512)
	have, _ := net.InterfaceAddrs()
	for _, a := range have {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.Equal(net.ParseIP(addressOf(number, 0))) {
			return freeNetwork()
		}
	}
	return number
}

func addressOf(number, host int) string {
	if host == 0 {
		host = 254
	}
	return fmt.Sprintf("198.%d.%d.%d", 18+number/256, number%256, host)
}

func (n *network) address(host int) string { return addressOf(n.number, host) }

// cable is the name of the interface at one host that leads to another. At this machine it has to be told from those of
// other networks.
func (n *network) cable(at, to int) string {
	if at == 0 {
		return fmt.Sprintf("siren%d-%d", n.number, to)
	}
	return fmt.Sprintf("to%d", to)
}

func mac(at, to int) string { return fmt.Sprintf("02:00:00:00:%02x:%02x", at, to) }

// join lays the cable between host a, which has a namespace, and b.
func (n *network) join(ctx context.Context, a, b int) error {
	peer := n.cable(b, a)
	if b > 0 {
		peer += " netns " + n.places[b].path()
	}
	err := n.places[0].ip(ctx, fmt.Sprintf("link add %s netns %s type veth peer name %s", n.cable(a, b),
		n.places[a].path(), peer))
	for _, end := range [][2]int{{a, b}, {b, a}} {
		at, to := end[0], end[1]
		cable, own := n.cable(at, to), "lo"
		if at == 0 {
			own = cable
		}
		err = errors.Join(err, n.places[at].ip(ctx,
			"link set lo up",
			fmt.Sprintf("link set %s address %s up", cable, mac(at, to)),
			fmt.Sprintf("address replace %s/32 dev %s", n.address(at), own),
			fmt.Sprintf("route replace %s/32 dev %s src %s", n.address(to), cable, n.address(at)),
			n.send(at, to, true)))
	}
	if err != nil {
		return fmt.Errorf("join host %d with host %d: %w", a, b, err)
	}
	return nil
}

// send is the command at one host that has what it sends to another arrive there, or nowhere.
func (n *network) send(at, to int, arrives bool) string {
	where := noMAC
	if arrives {
		where = mac(to, at)
	}
	return fmt.Sprintf("neighbour replace %s lladdr %s dev %s nud permanent", n.address(to), where, n.cable(at, to))
}

// set has packets between a host and another arrive or not, in both directions.
func (n *network) set(ctx context.Context, a, b int, arrives bool) error {
	return errors.Join(n.places[a].ip(ctx, n.send(a, b, arrives)), n.places[b].ip(ctx, n.send(b, a, arrives)))
}

func (n *network) close() {
	for _, p := range n.places {
		p.close()
	}
}
