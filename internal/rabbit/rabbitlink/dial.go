package rabbitlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/plain"
)

// patience is how long one address is waited for.
type patience struct {
	word time.Duration // until the other end says something
	rest time.Duration // from then on, until the handshakes of TLS and AMQP are over
}

var (
	// patient is for the only address, and for every second round over several: a busy broker takes its time.
	patient = patience{10 * time.Second, 10 * time.Second}
	// brief is for one of several addresses: one that hangs mustn't hold up the way to the others. RabbitMQ takes 3 s
	// over a refusal of a password.
	brief = patience{3 * time.Second, 5 * time.Second}
)

// Targets returns the hosts that the next dial chooses from: the URL and the certificates as they are now.
func (c *Conn) Targets() (Targets, error) {
	url := c.options.URL
	if c.options.Renew != nil {
		var err error
		if url, err = c.options.Renew(); err != nil {
			return nil, fmt.Errorf("find out where RabbitMQ is: %w", err)
		}
	}
	all, err := Parse(url)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.address = all.Address()
	c.mu.Unlock()
	return all, all.secure(c.options.TLS)
}

// dial tries one address after the other, and returns the first session. The round counts from 0 since the last one.
func (c *Conn) dial(round int) (*Session, error) {
	all, failed := c.find(c.ctx)
	home := c.order.sort(all)
	within := brief
	if len(all) == 1 || round%2 == 1 {
		within = patient
	}
	for _, p := range all {
		s, err := c.handshake(c.ctx, p, within)
		if err == nil {
			s.home = home
			s.alone.Store(len(all) == 1)
			return s, nil
		}
		if len(all) > 1 {
			err = fmt.Errorf("%s: %w", p.shown(), err)
		}
		failed = append(failed, err)
		if round == 0 {
			c.set(nil, failed) // who gives up meanwhile says why
		}
	}
	return nil, failed
}

// Tried is an address that was tried; Err is nil when a session could be made there.
type Tried struct {
	Address string
	Err     error
}

// Try tries all addresses at once, and holds no session. What DNS doesn't know is not among them.
func (c *Conn) Try(ctx context.Context) []Tried {
	all, _ := c.find(ctx)
	tried := make([]Tried, len(all))
	var trying sync.WaitGroup
	for i, p := range all {
		trying.Go(func() {
			s, err := c.handshake(ctx, p, brief)
			if err == nil {
				s.close(closeTimeout)
			}
			tried[i] = Tried{p.shown(), err}
		})
	}
	trying.Wait()
	return tried
}

// failures is why no address would do.
type failures []error

func (f failures) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (f failures) Unwrap() []error { return f }

// handshake makes a session at one address, until ctx ends.
func (c *Conn) handshake(ctx context.Context, to place, within patience) (*Session, error) {
	var raw *answering
	release := func() bool { return true }
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(c.options.Name)
	settings := to.tls
	if settings != nil {
		settings = settings.Clone() // one host may have several addresses
	}
	began := time.Now()
	conn, err := amqp.DialConfig(to.url, amqp.Config{
		Heartbeat:       heartbeat,
		Properties:      properties,
		TLSClientConfig: settings,
		Recovery:        nil, // its stale acks acknowledge other jobs
		Dial: func(network, _ string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: within.word}
			nc, err := dialer.DialContext(ctx, network, to.at.String())
			if err != nil {
				return nil, err
			}
			raw = &answering{Conn: nc, rest: within.rest}
			release = context.AfterFunc(ctx, func() { _ = nc.Close() }) // Close doesn't wait for a handshake
			return raw, nc.SetDeadline(time.Now().Add(within.word))     // for the handshakes; amqp091 lifts it
		},
	})
	release()
	if err == nil {
		c.order.answered(to.at)
		s := newSession(conn, raw.Conn, to, c.log.With(slog.String("broker", to.Address())))
		s.opens = max(c.opens, 4*time.Since(began))
		return s, nil
	}
	if raw != nil && raw.out.Load() != nil {
		err = *raw.out.Load() // amqp091 takes a login without an answer for one that is refused
	}
	if timedOut(err) {
		c.order.silent(to.at)
	}
	if raw != nil {
		_ = raw.Close()
	}
	return nil, to.explain(err)
}

// timedOut reports whether an error of connecting, or of the connection, is that nothing was heard in time. amqp091 has
// only the text of what its reader met.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || strings.Contains(err.Error(), "i/o timeout")
}

// answering is a connection whose other end has more time once it has said something.
type answering struct {
	net.Conn
	rest   time.Duration
	spoken sync.Once
	out    atomic.Pointer[error] // of time
}

func (a *answering) Read(b []byte) (int, error) {
	n, err := a.Conn.Read(b)
	if n > 0 {
		a.spoken.Do(func() { _ = a.SetDeadline(time.Now().Add(a.rest)) })
	}
	if err != nil && timedOut(err) {
		a.out.Store(&err)
	}
	return n, err
}

// kind returns what an error of connecting says, without what differs from one attempt to the next.
func kind(err error) string {
	parts := strings.Split(plain.Trouble(err), "; ")
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}
