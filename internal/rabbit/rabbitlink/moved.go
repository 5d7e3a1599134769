package rabbitlink

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// The name of a broker can come to mean another one while the one before stays and answers: a session there would last,
// and its worker wait for jobs that go elsewhere. So as long as it lasts the name is looked up again.

const (
	nameEvery  = 30 * time.Second // between two looks at the addresses of the broker's name
	nameAgain  = 2 * time.Second  // the same once the session's is missing: only what is missing twice is gone
	nameWithin = 5 * time.Second
)

// looks is how often the name is looked up; tests can't wait so long.
type looks struct{ every, again time.Duration }

// watchName ends a session, with the reason, once two answers in a row lack its address. It returns when ctx ends.
//
// Jobs that run are no reason to wait: a worker that is never idle would stay for ever. They run on with their claims,
// and the copies that the broker gives to others are put back, or acknowledged once they have ended.
func (c *Conn) watchName(ctx context.Context, s *Session, end context.CancelCauseFunc) {
	at, err := netip.ParseAddrPort(s.raw.RemoteAddr().String())
	if _, isAddress := netip.ParseAddr(s.host); err != nil || isAddress == nil {
		return
	}
	missing := false
	for {
		wait := c.looks.every - rand.N(c.looks.every/3) // so that a fleet doesn't ask all at once
		if missing {
			wait = c.looks.again
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		there, known := c.lookUp(ctx, s.host, at.Addr().Unmap())
		if known && !there && missing {
			end(fmt.Errorf("%s isn't an address of %s any more", at.Addr(), s.host))
			return
		}
		missing = known && !there
	}
}

// lookUp reports whether the host has the address; known is false when nothing answers.
func (c *Conn) lookUp(ctx context.Context, host string, a netip.Addr) (there, known bool) {
	ctx, cancel := context.WithTimeout(ctx, nameWithin)
	defer cancel()
	found, err := c.options.Resolver.LookupNetIP(ctx, "ip", host)
	for _, f := range found {
		there = there || f.Unmap() == a
	}
	return there, err == nil
}
