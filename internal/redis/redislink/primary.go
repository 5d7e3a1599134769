package redislink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/polyglot-media/siren/internal/redis/redisurl"
	"github.com/polyglot-media/siren/lanes"
)

// place is an address to connect to. A name that has several IP addresses is several.
type place struct {
	name string // host:port as it is written
	at   string // the same with the IP address
}

// find returns where the addresses lead. With an error some may lack.
func (r *remote) find(ctx context.Context, addresses []string) (all []place, err error) {
	for _, name := range addresses {
		host, port, _ := net.SplitHostPort(name)
		ips, problem := []netip.Addr(nil), error(nil)
		if ip, bad := netip.ParseAddr(host); bad == nil {
			ips = []netip.Addr{ip}
		} else {
			ips, problem = r.resolver.LookupNetIP(ctx, "ip", host)
		}
		for _, ip := range ips {
			if p := (place{name, net.JoinHostPort(ip.Unmap().String(), port)}); !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
		err = errors.Join(err, problem)
	}
	return all, err
}

// chosenFor is how long a primary that was found among several addresses is taken for that.
const chosenFor = time.Second

// choice is a primary that was found among several addresses.
type choice struct {
	place
	until time.Time
	epoch int
}

// primary returns which of the addresses is a primary. Of several it asks all at once, so that one that hangs costs
// nothing, and the first that says so counts.
func (r *remote) primary(ctx context.Context, s redisurl.URL, addresses []string) (place, error) {
	all, err := r.find(ctx, addresses)
	if len(all) == 0 {
		return place{}, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	r.mu.Lock()
	known, epoch := r.chosen, r.epoch
	r.mu.Unlock()
	if known.epoch == epoch && time.Now().Before(known.until) && slices.Contains(all, known.place) {
		return known.place, nil
	}
	found, err := r.ask(ctx, s, all)
	if err != nil {
		return place{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chosen = choice{found, time.Now().Add(chosenFor), r.epoch}
	return found, nil
}

// ask asks all the places whether they are a primary. The error is lanes.ErrRefused where one doesn't let us in, and
// never to be taken for a reply of Redis.
func (r *remote) ask(ctx context.Context, s redisurl.URL, all []place) (place, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		place
		err error
	}
	answers := make(chan answer, len(all))
	for _, p := range all {
		go func() { answers <- answer{p, r.isPrimary(ctx, s, p)} }()
	}
	var others []error
	for range all {
		a := <-answers
		if a.err == nil {
			return a.place, nil
		}
		others = append(others, fmt.Errorf("%s: %w", a.at, a.err))
	}
	return place{}, fmt.Errorf("none of the addresses is a primary of Redis: %w", errors.Join(others...))
}

// isPrimary returns nil, or why the place is no primary for us.
func (r *remote) isPrimary(ctx context.Context, s redisurl.URL, p place) error {
	c := goredis.NewClient(&goredis.Options{
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return r.connect(ctx, network, p, s.Secure)
		},
		CredentialsProviderContext: r.credentials, ClientName: clientName, DisableIdentity: true,
		ContextTimeoutEnabled: true, MaxRetries: -1, PoolSize: 1,
		DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: IOTimeout, WriteTimeout: IOTimeout,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	defer func() { _ = c.Close() }()
	hello := goredis.NewMapStringInterfaceCmd(ctx, "HELLO")
	err := c.Process(ctx, hello)
	var reply goredis.Error
	switch {
	case goredis.IsAuthError(err), goredis.IsPermissionError(err):
		return fmt.Errorf("%w (%s)", lanes.ErrRefused, err.Error())
	case errors.As(err, &reply) && begins(reply, unable):
		return errors.New(reply.Error())
	case errors.As(err, &reply): // it answers and doesn't tell, as a proxy may
		return nil
	case err != nil:
		return err
	case hello.Val()["role"] == "replica":
		return errors.New("it is a replica")
	}
	return nil
}
