package redislink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/polyglot-media/siren/internal/redis/redisurl"
	"github.com/polyglot-media/siren/internal/redis/sentinel"
)

// An absent Redis must never hold a job up: all timeouts are short, and what Failed is tried again once.
const (
	dialTimeout  = 2 * time.Second // TCP, TLS and the sentinels' answer together
	retryBackoff = 10 * time.Millisecond
	clientName   = "siren"
)

// IOTimeout is after how long a call is given up.
const IOTimeout = 2 * time.Second

// errPlain is certificates for a connection that has none.
var errPlain = errors.New("certificates are given for Redis, but its URL is redis://, which has no TLS: " +
	"write rediss:// (or rediss+sentinel://)")

// Option says more about how a Store connects.
type Option func(*remote)

// WithRenew reads the URL again for every new connection, so that rotated credentials need no restart: those of the
// sentinels too. Open connections go on until Redis refuses something on them, or has let one with other credentials
// in. Hosts and TLS are followed as well, the database isn't. An error of renew is a Failed connection like any other;
// it is shown, so it must not contain a secret. nil: the URL never changes.
func WithRenew(renew func() (string, error)) Option {
	return func(r *remote) { r.renew = renew }
}

// WithTLS asks, for every new connection to Redis or a sentinel, which CAs to trust and which certificate to show; its
// error is treated alike. The URL must be rediss:// then. nil: rediss:// trusts the CAs of the system and shows no
// certificate.
func WithTLS(settings func() (*tls.Config, error)) Option {
	return func(r *remote) { r.tls = settings }
}

// WithClock sets a clock other than this machine's. For tests.
func WithClock(now func() time.Time) Option {
	return func(r *remote) { r.clock = now }
}

// WithResolver finds the addresses of hosts; nil: this machine's. For tests.
func WithResolver(resolver *net.Resolver) Option {
	return func(r *remote) { r.resolver = resolver }
}

// remote is the Redis that a store connects to.
type remote struct {
	opened   redisurl.URL // what the URL said at first
	renew    func() (string, error)
	tls      func() (*tls.Config, error)
	clock    func() time.Time // nil: this machine's
	resolver *net.Resolver    // nil: this machine's
	pace     pace
	log      *slog.Logger
	spawn    func(func(life context.Context)) bool // runs what ends with the store
	attend   func(life context.Context)            // what goes on from the first dial on

	attending sync.Once
	refusals  refused

	following sync.Once // of the sentinels

	mu       sync.Mutex
	dialled  *poolConn // the newest one
	latest   purpose   // of the newest connection that Redis has let in
	chosen   choice    // among several addresses
	epoch    int       // rises when the connections that are there are of no use any more
	names    named     // where the host was
	id       string    // of the server
	served   string    // id of the server of the newest connection
	other    func()    // is told when that is another one; nil: nobody is
	settled  time.Time // no earlier than then can it be another one
	patience time.Duration
	patient  time.Time // no earlier than then are connections to a replica made anew
}

// purpose is what a connection is for.
type purpose struct{ address, user, password string }

// now returns what the URL says now.
func (r *remote) now() (redisurl.URL, error) {
	if r.renew == nil {
		return r.opened, nil
	}
	url, err := r.renew()
	if err != nil {
		return redisurl.URL{}, fmt.Errorf("find out where Redis is: %w", err)
	}
	return r.parse(url)
}

func (r *remote) parse(url string) (redisurl.URL, error) {
	s, err := redisurl.Parse(url)
	if err == nil && r.tls != nil && !s.Secure {
		err = errPlain
	}
	return s, err
}

// client makes the go-redis client. It does no I/O.
func (r *remote) client() *goredis.Client {
	o := &goredis.Options{
		Addr: "redis", Dialer: r.dial, CredentialsProviderContext: r.credentials, OnConnect: r.welcomed,
		DB:         r.opened.DB,
		ClientName: clientName, DisableIdentity: true, ContextTimeoutEnabled: true,
		DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: IOTimeout, WriteTimeout: IOTimeout,
		MaxRetries: 1, MinRetryBackoff: retryBackoff, MaxRetryBackoff: retryBackoff,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	c := goredis.NewClient(o)
	c.AddHook(r)
	return c
}

// dial makes a connection for the pool, to where the URL says now.
func (r *remote) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	r.attending.Do(func() { r.spawn(r.attend) })
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	s, err := r.now()
	if err != nil {
		return nil, err
	}
	addresses := s.Addrs
	if s.Master != "" {
		r.following.Do(func() { r.spawn(r.follow) })
		at, err := r.sentinels(ctx, s).Master(ctx)
		if err != nil {
			return nil, err
		}
		addresses = []string{at}
	}
	epoch := r.age()
	to, err := r.primary(ctx, s, addresses)
	if err != nil {
		return nil, err
	}
	conn, err := r.connect(ctx, network, to, s.Secure)
	if err != nil {
		return nil, err
	}
	l := newPoolConn(conn, r, purpose{to.name, s.User, s.Password}, epoch)
	r.mu.Lock()
	r.dialled = l
	r.mu.Unlock()
	return l, nil
}

// sentinels returns those of the URL: where a name has several addresses, one at each.
func (r *remote) sentinels(ctx context.Context, s redisurl.URL) sentinel.Group {
	all, _ := r.find(ctx, s.Addrs)
	places := map[string]place{}
	for _, p := range all {
		places[p.at] = p
	}
	addresses := slices.Sorted(maps.Keys(places))
	if len(addresses) == 0 {
		addresses = s.Addrs // whoever connects says why
	}
	return sentinel.Group{Addresses: addresses, Of: s.Master, Client: func(address string) *goredis.SentinelClient {
		return goredis.NewSentinelClient(&goredis.Options{
			Addr: address, Username: s.SentinelUser, Password: s.SentinelPassword,
			Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
				to, known := places[address]
				if !known {
					to = place{address, address}
				}
				return r.connect(ctx, network, to, s.Secure)
			},
			ClientName: clientName, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1,
			DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: IOTimeout, WriteTimeout: IOTimeout,
		})
	}}
}

// follow follows the sentinels until life ends.
func (r *remote) follow(life context.Context) {
	now := func() (sentinel.Group, error) {
		s, err := r.now()
		if err != nil {
			return sentinel.Group{}, err
		}
		return r.sentinels(life, s), nil
	}
	sentinel.Follow(life, now, func(at string) {
		if r.moved(at) {
			r.log.Info("the sentinels have made another Redis the master", slog.String("redis", at))
		}
	})
}

// moved reports whether the open connections are to another Redis.
func (r *remote) moved(address string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.latest
	if p == (purpose{}) { // there are none
		return false
	}
	p.address = address
	return r.changed(p)
}

// connect makes one connection, to Redis or a sentinel.
func (r *remote) connect(ctx context.Context, network string, to place, secure bool) (net.Conn, error) {
	dialer := net.Dialer{Resolver: r.resolver}
	conn, err := dialer.DialContext(ctx, network, to.at)
	if err != nil || !secure {
		return conn, err
	}
	over, err := r.secure(ctx, conn, to.name)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return over, nil
}

// secure starts TLS over the connection, with the certificates as they are now.
func (r *remote) secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.tls != nil {
		given, err := r.tls()
		if err != nil {
			return nil, fmt.Errorf("prepare TLS for Redis: %w", err)
		}
		if given != nil {
			config = given.Clone()
		}
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	over := tls.Client(conn, config)
	err := over.HandshakeContext(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // a Redis without TLS waits for the end of a line
		return nil, fmt.Errorf("%s doesn't answer in TLS; does it have TLS on that port? %w", address, err)
	}
	return over, err
}

// credentials returns what a new connection logs in with.
func (r *remote) credentials(context.Context) (user, password string, err error) {
	s, err := r.now()
	return s.User, s.Password, err
}

// welcomed notes that Redis has let a new connection in. When that is to another Redis, or with other credentials, than
// the one before, all are replaced as they come up: a former user's rights may go, and a former master is none.
func (r *remote) welcomed(ctx context.Context, conn *goredis.Conn) error {
	id, mode := identity(ctx, conn)
	if mode == "cluster" {
		return fmt.Errorf("connect: %w", ErrCluster) // go-redis unwraps it once
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.meets(id)
	if l := r.dialled; r.changed(l.purpose) || r.replaced(id) {
		l.epoch = r.epoch // all but this one
	}
	return nil
}

// changed reports whether the open connections were for something else. Then they are of no use any more. The caller
// holds mu.
func (r *remote) changed(p purpose) bool {
	former := r.latest
	r.latest = p
	if former == p || former == (purpose{}) {
		return false
	}
	r.epoch++
	return true
}

func (r *remote) age() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch
}

// useful reports whether the connection is to what a new one would be to.
func (r *remote) useful(l *poolConn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.epoch == r.epoch && r.names.has(hostOf(l.purpose.address), l.at)
}

// refused reports whether Redis refused a command on connections that are of no use any more, so that new ones may do
// better: those to a replica, those that are not logged in, and those with other credentials than a new one would have.
func (r *remote) refused(err error) bool {
	if goredis.HasErrorPrefix(err, "READONLY") || goredis.HasErrorPrefix(err, "MASTERDOWN") {
		r.demoted(err.Error())
		return true
	}
	loggedOut := goredis.HasErrorPrefix(err, "NOAUTH")
	if !IsRefused(err) || goredis.HasErrorPrefix(err, "WRONGPASS") {
		return false
	}
	s, err := r.now()
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if (!loggedOut || s.Password == "") && s.User == r.latest.user && s.Password == r.latest.password {
		return false
	}
	r.latest.user, r.latest.password = s.User, s.Password
	r.epoch++
	return true
}

// The methods of a go-redis hook.

// DialHook does nothing.
func (r *remote) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessHook runs a command that was refused for its connection once more, on a new one.
func (r *remote) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		err := next(ctx, cmd)
		if r.refused(err) {
			err = next(ctx, cmd)
		}
		r.refusals.note(err)
		return err
	}
}

// ProcessPipelineHook makes the next pipeline run on a new connection when this one was refused. Some of this one's
// commands may have had their effect.
func (r *remote) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			r.refused(cmd.Err())
		}
		r.refusals.note(err)
		return err
	}
}

// explain adds to the failure of TLS what there is to do about it.
func explain(err error) error {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("its certificate is signed by a CA that isn't trusted here; give that CA's certificate: %w",
			err)
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Errorf("its certificate is for other names; write one of those as the host in the URL: %w", err)
	case isAlert(err):
		return fmt.Errorf("it wants a client certificate that its CA has signed; give one, and its key: %w", err)
	}
	return err
}
