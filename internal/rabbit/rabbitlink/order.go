package rabbitlink

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// address is one address of a broker: a name that has several IP addresses is several.
type address struct {
	host string
	port int
	ip   netip.Addr
}

// String returns what is dialled.
func (a address) String() string { return net.JoinHostPort(a.ip.String(), strconv.Itoa(a.port)) }

// place is an address, and how to get in there.
type place struct {
	Target
	at address
}

// shown returns the host and port, and vhost, for people; and the IP address where the host is a name.
func (p place) shown() string {
	if _, err := netip.ParseAddr(p.at.host); err == nil {
		return p.Address()
	}
	return fmt.Sprintf("%s (%s)", p.Address(), p.at.ip)
}

const (
	hungFor = time.Minute      // an address where nothing answered in time goes behind those that weren't tried
	cutFor  = time.Minute      // one that is cut off goes last; twice as long each time
	cutMost = 15 * time.Minute // no longer than that, and after so long it is forgotten
)

// order is the order in which a Conn tries the addresses of its broker. Each Conn has its own, so that many spread over
// all addresses; it stays the same whatever other addresses come and go (rendezvous hashing), but for those that go
// last for a while.
type order struct {
	seed maphash.Seed

	mu   sync.Mutex
	hung map[address]time.Time // until when
	cut  map[address]exile
}

// exile is how long an address goes last since its node was cut off.
type exile struct {
	until time.Time
	term  time.Duration
}

func newOrder() *order {
	return &order{seed: maphash.MakeSeed(), hung: map[address]time.Time{}, cut: map[address]exile{}}
}

func (o *order) weight(a address) uint64 {
	return maphash.String(o.seed, a.host+" "+a.String())
}

// sort puts the places into the order. The first of those that aren't cut off is the home, hung or not.
func (o *order) sort(all []place) (home address) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	rank := func(p place) int {
		switch {
		case now.Before(o.cut[p.at].until):
			return 2
		case now.Before(o.hung[p.at]):
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(p, q place) int { return cmp.Compare(o.weight(p.at), o.weight(q.at)) })
	for _, p := range all {
		if home == (address{}) && rank(p) < 2 {
			home = p.at
		}
	}
	slices.SortStableFunc(all, func(p, q place) int { return rank(p) - rank(q) })
	return home
}

// isCut reports whether the address goes last since it was cut off.
func (o *order) isCut(a address) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Now().Before(o.cut[a].until)
}

// answered notes that an address answers.
func (o *order) answered(a address) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.hung, a)
}

// silent notes that nothing answered at an address in time.
func (o *order) silent(a address) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for a, until := range o.hung {
		if now.After(until) {
			delete(o.hung, a)
		}
	}
	o.hung[a] = now.Add(hungFor)
}

// banish notes that the node at an address is cut off.
func (o *order) banish(a address) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for a, e := range o.cut {
		if now.After(e.until.Add(cutMost)) {
			delete(o.cut, a)
		}
	}
	term := min(max(2*o.cut[a].term, cutFor), cutMost)
	o.cut[a] = exile{now.Add(term), term}
}

const findWithin = 5 * time.Second // for the addresses of the broker's names

// find returns the broker's addresses as the URL and DNS say now. Where something failed some may lack.
func (c *Conn) find(ctx context.Context) (all []place, failed failures) {
	targets, err := c.Targets()
	if err != nil {
		return nil, failures{err}
	}
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	type answer struct {
		ips []netip.Addr
		err error
	}
	answers := make([]answer, len(targets))
	var asked sync.WaitGroup
	for i, t := range targets {
		if ip, err := netip.ParseAddr(t.URI.Host); err == nil {
			answers[i].ips = []netip.Addr{ip}
			continue
		}
		asked.Go(func() {
			ips, err := c.options.Resolver.LookupNetIP(ctx, "ip", t.URI.Host)
			answers[i] = answer{ips, err}
		})
	}
	asked.Wait()
	seen := map[address]bool{}
	for i, t := range targets {
		if answers[i].err != nil {
			failed = append(failed, answers[i].err)
		}
		for _, ip := range answers[i].ips {
			at := address{t.URI.Host, t.URI.Port, ip.Unmap()}
			if !seen[at] {
				seen[at] = true
				all = append(all, place{t, at})
			}
		}
	}
	return all, failed
}
