package redislink

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// The name of a Redis can come to mean another server while the one before stays and answers, as a replica whose data
// grows old. Connections that only read would stay there for good. So each store looks, from its first connection on,
// whether its connections are still the right ones.

const (
	lookEvery  = 5 * time.Second  // between two looks at Redis' clock and role
	nameEvery  = 15 * time.Second // between two looks at the addresses of its name
	nameAgain  = 2 * time.Second  // the same after they have changed: only what is missing twice is gone
	nameWithin = 2 * time.Second

	// A name may go on meaning a replica for a while: connections are made anew after pauses that grow between these
	// two.
	leastPatience, mostPatience = time.Second, 15 * time.Second

	// A connection is used for 4 to 6 minutes: a proxy may lead elsewhere without any sign of it.
	maxAge = 6 * time.Minute
)

// pace is how often a store looks, and how old its connections become; tests can't wait so long.
type pace struct{ look, name, again, age time.Duration }

// attend looks until life ends.
func (s *Store) attend(life context.Context) {
	r := s.remote
	look := time.NewTicker(r.pace.look)
	defer look.Stop()
	name := time.NewTimer(jittered(r.pace.name))
	defer name.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-look.C:
			s.look(life)
		case <-name.C:
			name.Reset(r.lookUp(life))
		}
	}
}

// jittered returns d or up to a third less, so that a fleet doesn't ask all at once.
func jittered(d time.Duration) time.Duration { return d - rand.N(d/3+1) }

// look reads Redis' clock, and whether it still is a master. HELLO says that to every user, as ROLE and INFO don't.
func (s *Store) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, clockWithin)
	defer cancel()
	var clock *goredis.TimeCmd
	hello := goredis.NewMapStringInterfaceCmd(ctx, "HELLO")
	asked := s.clock.own()
	_, _ = s.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		clock = p.Time(ctx)
		return p.Process(ctx, hello)
	})
	if theirs, err := clock.Result(); err == nil {
		s.clock.set(theirs, asked, s.clock.own().Sub(asked))
	}
	switch hello.Val()["role"] {
	case "master":
		s.remote.promoted()
	case "replica":
		s.remote.demoted("it says so")
	}
}

// promoted notes that a connection is to a master.
func (r *remote) promoted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.patience, r.patient = 0, time.Time{}
}

// demoted notes that a connection is to a replica: all that are there are of no use any more, unless that was noted a
// moment ago.
func (r *remote) demoted(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.patient) {
		return
	}
	if r.patience == 0 {
		r.log.Warn("Redis is a replica now; reconnecting", slog.String("redis", r.latest.address),
			slog.String("why", why))
	}
	r.patience = min(max(2*r.patience, leastPatience), mostPatience)
	r.patient = now.Add(r.patience)
	r.epoch++
}

// identity returns the run_id of the server at the other end, and its mode, as cluster; each "" when it doesn't say, as
// to a user that may not ask.
func identity(ctx context.Context, conn *goredis.Conn) (id, mode string) {
	hello := goredis.NewMapStringInterfaceCmd(ctx, "HELLO")
	var info *goredis.StringCmd
	_, _ = conn.Pipelined(ctx, func(p goredis.Pipeliner) error {
		info = p.Info(ctx, "server")
		return p.Process(ctx, hello)
	})
	_, rest, _ := strings.Cut(info.Val(), "run_id:")
	id, _, _ = strings.Cut(rest, "\r\n")
	mode, _ = hello.Val()["mode"].(string)
	return id, mode
}

// meets notes which server a new connection is to, and tells whoever wants to know that it is another one than before.
// The caller holds mu.
func (r *remote) meets(id string) {
	if id == "" || id == r.served {
		return
	}
	if r.served != "" && r.other != nil {
		r.other()
	}
	r.served = id
}

// replaced reports whether a new connection is to another server than the open ones, which are of no use any more then.
// The caller holds mu. Where a name leads to several servers in turn it reports true now and then.
func (r *remote) replaced(id string) bool {
	if id == "" || id == r.id {
		return false
	}
	now := time.Now()
	if now.Before(r.settled) {
		return false
	}
	former := r.id
	r.id = id
	if former == "" {
		return false
	}
	r.settled = now.Add(mostPatience)
	r.log.Info("another Redis answers now; those connected to the one before reconnect",
		slog.String("redis", r.latest.address))
	r.epoch++
	return true
}

// named is the addresses of the host at the last two looks; nil: not known.
type named struct {
	host         string
	last, before map[netip.Addr]bool
}

// has reports whether the address was seen at one of the two. It does so too for addresses of another host, and for
// none.
func (n named) has(host string, a netip.Addr) bool {
	return n.host != host || n.before == nil || n.before[a] || n.last[a]
}

// lookUp looks at the addresses of the host that the connections are to, and returns when to do so again.
func (r *remote) lookUp(life context.Context) time.Duration {
	r.mu.Lock()
	host := hostOf(r.latest.address)
	r.mu.Unlock()
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return r.pace.name
	}
	ctx, cancel := context.WithTimeout(life, nameWithin)
	defer cancel()
	found, err := r.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return jittered(r.pace.name) // nothing is known of it
	}
	now := map[netip.Addr]bool{}
	for _, a := range found {
		now[a.Unmap()] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names.host != host {
		r.names = named{host: host}
	}
	changed := r.names.last == nil
	for a := range r.names.before {
		if !now[a] && !r.names.last[a] {
			r.log.Info("the name of Redis has lost an address; those connected to it reconnect",
				slog.String("redis", host), slog.String("lost", a.String()))
		}
	}
	for a := range r.names.last {
		changed = changed || !now[a]
	}
	r.names.before, r.names.last = r.names.last, now
	if changed {
		return r.pace.again
	}
	return jittered(r.pace.name)
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}

// addressOf returns the IP address at the other end.
func addressOf(c net.Conn) netip.Addr {
	at, _ := netip.ParseAddrPort(c.RemoteAddr().String()) // none where it isn't TCP
	return at.Addr().Unmap()
}
