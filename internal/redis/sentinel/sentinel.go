// Package sentinel finds a Redis through its sentinels: it asks them where the master is, and listens to what they say.
//
// go-redis' own client for that (NewFailoverClient) has the sentinels, and the password for them, for good. Once the
// password is another and its connections to them have ended, it finds no master any more, as TestSentinel of redislink
// shows; and its errors don't say which sentinel refused.
package sentinel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

const (
	listenFor   = 5 * time.Second // a sentinel that says nothing for so long is asked whether it is there
	listenAgain = time.Second     // pause before the sentinels are listened to again
	listenMost  = 6 * time.Minute // to one sentinel: its name may mean another one by then
)

// Group is the sentinels of one Redis.
type Group struct {
	Addresses []string // host:port
	Of        string   // the name that they know the Redis by
	Client    func(address string) *goredis.SentinelClient
}

// Master asks all sentinels at once where the master is. The first answer counts. The error is lanes.ErrRefused where
// one doesn't let us in, and never to be taken for a reply of Redis.
func (g Group) Master(ctx context.Context) (address string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		address string
		err     error
	}
	answers := make(chan answer, len(g.Addresses))
	for _, a := range g.Addresses {
		go func() {
			c := g.Client(a)
			defer func() { _ = c.Close() }()
			address, err := g.ask(ctx, c)
			if err != nil {
				err = fmt.Errorf("sentinel %s: %w", a, err)
			}
			answers <- answer{address, err}
		}()
	}
	var silent []error
	for range g.Addresses {
		a := <-answers
		if a.err == nil {
			return a.address, nil
		}
		silent = append(silent, a.err)
	}
	return "", fmt.Errorf("no sentinel says where the Redis %q is: %w", g.Of, errors.Join(silent...))
}

func (g Group) ask(ctx context.Context, one *goredis.SentinelClient) (address string, err error) {
	at, err := one.GetMasterAddrByName(ctx, g.Of).Result()
	var reply goredis.Error
	switch {
	case errors.Is(err, goredis.Nil), err == nil && len(at) != 2:
		return "", fmt.Errorf("it knows no Redis %q", g.Of)
	case goredis.IsAuthError(err), goredis.IsPermissionError(err):
		return "", fmt.Errorf("%w (%s)", lanes.ErrRefused, err.Error())
	case errors.As(err, &reply): // not to be taken for a reply of Redis
		return "", errors.New(reply.Error())
	case err != nil:
		return "", err
	}
	return net.JoinHostPort(at[0], at[1]), nil
}

// Follow listens to the sentinels until life ends, and tells moved where the master is whenever they say so. For some
// seconds after they made another Redis the master the former one takes writes, which are lost.
func Follow(life context.Context, now func() (Group, error), moved func(address string)) {
	for life.Err() == nil {
		if g, err := now(); err == nil {
			for _, address := range g.Addresses {
				g.listen(life, address, moved)
			}
		}
		select {
		case <-life.Done():
		case <-time.After(listenAgain):
		}
	}
}

// listen returns when the sentinel can't be heard, or not any more; and when it has done so for long.
func (g Group) listen(life context.Context, address string, moved func(address string)) {
	life, cancel := context.WithTimeout(life, listenMost)
	defer cancel()
	c := g.Client(address)
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
			if at, err = g.ask(life, c); err == nil {
				moved(at)
			}
		}
		if err != nil {
			return
		}
	}
}
