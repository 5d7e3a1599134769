package redislink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

// Redis is found through sentinels here, and not by go-redis' own client for that (NewFailoverClient): there the
// sentinels, and the password for them, are for good. Once the password is another and its connections to them have
// ended, it finds no master any more, as TestSentinel shows; and its errors don't say which sentinel refused.

const (
	listenFor   = 5 * time.Second // a sentinel that says nothing for so long is asked whether it is there
	listenAgain = time.Second     // pause before the sentinels are listened to again
)

// master asks all sentinels at once where the master is. The first answer counts.
func (r *remote) master(ctx context.Context, s server) (address string, err error) {
	r.following.Do(func() { r.spawn(r.follow) })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		address string
		err     error
	}
	answers := make(chan answer, len(s.addrs))
	for _, a := range s.addrs {
		go func() {
			c := r.sentinel(s, a)
			defer func() { _ = c.Close() }()
			address, err := ask(ctx, c, s.master)
			if err != nil {
				err = fmt.Errorf("sentinel %s: %w", a, err)
			}
			answers <- answer{address, err}
		}()
	}
	var silent []error
	for range s.addrs {
		a := <-answers
		if a.err == nil {
			return a.address, nil
		}
		silent = append(silent, a.err)
	}
	return "", fmt.Errorf("no sentinel says where the Redis %q is: %w", s.master, errors.Join(silent...))
}

// sentinel returns a client of one sentinel, as the URL says now.
func (r *remote) sentinel(s server, address string) *goredis.SentinelClient {
	return goredis.NewSentinelClient(&goredis.Options{
		Addr: address, Username: s.sentinelUser, Password: s.sentinelPassword,
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			return r.connect(ctx, network, address, s.secure)
		},
		ClientName: clientName, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1,
		DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: IOTimeout, WriteTimeout: IOTimeout,
	})
}

func ask(ctx context.Context, sentinel *goredis.SentinelClient, name string) (address string, err error) {
	at, err := sentinel.GetMasterAddrByName(ctx, name).Result()
	var reply goredis.Error
	switch {
	case errors.Is(err, goredis.Nil), err == nil && len(at) != 2:
		return "", fmt.Errorf("it knows no Redis %q", name)
	case IsRefused(err):
		return "", fmt.Errorf("%w (%s)", lanes.ErrRefused, err.Error())
	case errors.As(err, &reply): // not to be taken for a reply of Redis
		return "", errors.New(reply.Error())
	case err != nil:
		return "", err
	}
	return net.JoinHostPort(at[0], at[1]), nil
}

// follow listens to the sentinels until life ends. For some seconds after they made another Redis the master the former
// one takes writes, which are lost.
func (r *remote) follow(life context.Context) {
	for life.Err() == nil {
		if s, err := r.now(); err == nil {
			for _, address := range s.addrs {
				r.listen(life, s, address)
			}
		}
		select {
		case <-life.Done():
		case <-time.After(listenAgain):
		}
	}
}

// listen returns when the sentinel can't be heard, or not any more; and when it has done so for long: its name may mean
// another one by then.
func (r *remote) listen(life context.Context, s server, address string) {
	life, cancel := context.WithTimeout(life, maxAge)
	defer cancel()
	c := r.sentinel(s, address)
	defer func() { _ = c.Close() }()
	p := c.Subscribe(life, "+switch-master")
	defer context.AfterFunc(life, func() { _ = p.Close() })() // ends a read
	defer func() { _ = p.Close() }()
	for asked := false; ; {
		_, err := p.ReceiveTimeout(life, listenFor)
		if timeout := net.Error(nil); !asked && errors.As(err, &timeout) && timeout.Timeout() {
			asked = true
			err = p.Ping(life)
		} else if err == nil { // subscribed, a switch, or the answer to Ping
			asked = false
			var at string
			if at, err = ask(life, c, s.master); err == nil && r.moved(at) {
				r.log.Info("the sentinels have made another Redis the master", slog.String("redis", at))
			}
		}
		if err != nil {
			return
		}
	}
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
