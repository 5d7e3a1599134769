package rabbitlink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// Neither the URL nor the parser's error may show: a URL that doesn't parse often breaks inside its password.
var (
	errURL = errors.New("the AMQP URL is malformed: write amqp://user:password@host:5672/vhost " +
		"(amqps:// and 5671 for TLS), with %-escapes for special characters in user, password and vhost")
	errPlain = errors.New("certificates are given for RabbitMQ, but its URL is amqp://, which has no TLS: " +
		"write amqps://")
)

// Target is where one dial goes to.
type Target struct {
	URI amqp.URI
	url string
	tls *tls.Config // nil: amqp091-go's own for amqps://, which trusts the CAs of the system
}

// Parse takes the URL apart. Its error never contains any part of it.
func Parse(url string) (Target, error) {
	uri, err := amqp.ParseURI(url)
	if err != nil {
		return Target{}, errURL
	}
	return Target{url: url, URI: uri}, nil
}

// Address returns host:port, and /vhost if it isn't the default, for people.
func (t Target) Address() string {
	address := net.JoinHostPort(t.URI.Host, strconv.Itoa(t.URI.Port))
	if t.URI.Vhost != "/" {
		address += "/" + t.URI.Vhost
	}
	return address
}

// secure adds the present TLS settings to the target; nil: none.
func (t Target) secure(settings func() (*tls.Config, error)) (Target, error) {
	if settings == nil {
		return t, nil
	}
	if t.URI.Scheme != "amqps" {
		return t, errPlain
	}
	config, err := settings()
	if err != nil {
		return t, fmt.Errorf("prepare TLS for RabbitMQ: %w", err)
	}
	t.tls = config.Clone() // amqp091-go writes the server's name into it
	if t.tls != nil && t.tls.ServerName == "" {
		t.tls.ServerName = t.URI.ServerName
	}
	return t, nil
}

// Target returns where the next dial goes: the URL and the certificates as they are now.
func (c *Conn) Target() (Target, error) {
	url := c.options.URL
	if c.options.Renew != nil {
		var err error
		if url, err = c.options.Renew(); err != nil {
			return Target{}, fmt.Errorf("find out where RabbitMQ is: %w", err)
		}
	}
	t, err := Parse(url)
	if err != nil {
		return t, err
	}
	c.mu.Lock()
	c.address = t.Address()
	c.mu.Unlock()
	return t.secure(c.options.TLS)
}

func (c *Conn) dial() (*Session, error) {
	to, err := c.Target()
	if err != nil {
		return nil, err
	}
	var raw net.Conn
	release := func() bool { return true }
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(c.options.Name)
	conn, err := amqp.DialConfig(to.url, amqp.Config{
		Heartbeat:       heartbeat,
		Properties:      properties,
		TLSClientConfig: to.tls,
		Recovery:        nil, // its stale acks acknowledge other jobs
		Dial: func(network, addr string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: dialTimeout, Resolver: c.options.Resolver}
			nc, err := dialer.DialContext(c.ctx, network, addr)
			if err != nil {
				return nil, err
			}
			raw = nc
			release = context.AfterFunc(c.ctx, func() { _ = nc.Close() }) // Close doesn't wait for a handshake
			return nc, nc.SetDeadline(time.Now().Add(dialTimeout))        // for the handshakes; amqp091 lifts it
		},
	})
	release()
	if err != nil {
		if raw != nil {
			_ = raw.Close()
		}
		return nil, to.explain(err)
	}
	return newSession(conn, raw, to.URI.Host, c.log.With(slog.String("broker", to.Address()))), nil
}

// explain adds to the failure of a dial what there is to do about it.
func (t Target) explain(err error) error {
	var noTLS tls.RecordHeaderError
	switch {
	case Code(err) == amqp.AccessRefused, Code(err) == amqp.NotAllowed:
		return fmt.Errorf("%w by RabbitMQ: user %q on vhost %q; "+
			"check the user, its password and its permissions there: %w",
			lanes.ErrRefused, t.URI.Username, t.URI.Vhost, err)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("RabbitMQ's certificate is signed by a CA that isn't trusted here; "+
			"give that CA's certificate: %w", err)
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Errorf("RabbitMQ's certificate is for other names; "+
			"write one of those as the host in the URL: %w", err)
	case errors.As(err, &noTLS):
		return fmt.Errorf("RabbitMQ has no TLS on that port; it usually has it on 5671: %w", err)
	case strings.Contains(err.Error(), "remote error: tls: "): // the alert's type isn't exported
		return fmt.Errorf("RabbitMQ wants a client certificate that its CA has signed; give one, and its key: %w", err)
	}
	return err
}

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
