// Package rabbitlink is a connection to RabbitMQ that lasts: dialling with TLS and rotated credentials, the choice
// among several addresses, one session after the other, channels, what an error of the broker means, and a broker's
// name that comes to mean another one. It knows of no message what it says.
//
// A call to the broker that waits for an answer goes through Channel.Call, which bounds it in time.
package rabbitlink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

const (
	heartbeat    = 10 * time.Second // a dead peer is noticed after one and a half; ?heartbeat= in the URL overrides it
	closeTimeout = 2 * time.Second  // the broker doesn't answer a close while an alarm blocks the connection

	// A node that is cut off may not answer either, and what it hasn't confirmed waits for the end.
	leaveTimeout = 500 * time.Millisecond
)

// ErrClosed is what a closed Conn answers.
var ErrClosed = lanes.Away(errors.New("the connection to RabbitMQ was closed by this process"))

// Options says which broker a Conn is for.
type Options struct {
	URL  string       // amqp:// or amqps://user:password@host:port/vhost, see Parse; may be empty with Renew
	Name string       // shown in the broker's list of connections: what for, and on which worker
	Log  *slog.Logger // nil: nothing is logged

	// Renew is asked for the URL before every dial, so that rotated credentials, and another host, need no restart;
	// nil: URL is for good. Its error is a failed attempt like any other; it is logged, so it must not contain a
	// secret.
	Renew func() (string, error)
	// TLS is asked before every dial for the CAs to trust and the certificate to show, and its error is treated alike.
	// The URL must be amqps:// then. nil: amqps:// trusts the CAs of the system and shows no certificate.
	TLS func() (*tls.Config, error)
	// Now is the clock that the times in headers are from and are read by; nil: this machine's.
	Now func() time.Time
	// Resolver finds the addresses of the URL's hosts; nil: this machine's. For tests.
	Resolver *net.Resolver
}

// Conn is one connection to the broker, dialled at its first use and made again whenever it is lost, with a growing and
// jittered pause between attempts (0.1 to 5 s); and when the broker's name has moved to another address. Of several
// addresses it has one that is its home, where it goes back to. It is safe for concurrent use.
type Conn struct {
	options Options
	log     *slog.Logger
	pace    pace
	opens   time.Duration // see opensWithin
	order   *order

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	start  sync.Once
	done   chan struct{}  // closed when keep has returned
	beside sync.WaitGroup // what keep has begun

	mu      sync.Mutex
	address string        // all hosts (Targets.Address); "" before they are known
	hopped  time.Time     // when a session was last left for another address
	current *Session      // nil while there is none
	lastErr error         // why there is none
	changed chan struct{} // closed and replaced whenever current changes
}

// Open prepares a connection; it is dialled at its first use. The error says that the URL is malformed, or not one for
// TLS. It doesn't cite the URL, since that carries a password.
func Open(o Options) (*Conn, error) { return open(context.Background(), o) }

func open(within context.Context, o Options) (*Conn, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Conn{
		options: o,
		log:     o.Log.With(slog.String("connection", o.Name)),
		pace:    pace{lookEvery, lookAgain, hopEvery},
		opens:   opensWithin,
		order:   newOrder(),
		done:    make(chan struct{}),
		changed: make(chan struct{}),
	}
	if o.URL != "" || o.Renew == nil {
		all, err := Parse(o.URL)
		if err != nil {
			return nil, err
		}
		if o.TLS != nil && all[0].URI.Scheme != "amqps" {
			return nil, errPlain
		}
		c.address = all.Address()
	}
	c.ctx, c.cancel = context.WithCancel(within)
	return c, nil
}

// Twin prepares another connection to the same broker, by the same order of addresses; it ends with this one at the
// latest.
func (c *Conn) Twin(what string) *Conn {
	o := c.options
	o.Name += " (" + what + ")"
	t, err := open(c.ctx, o)
	if err != nil {
		panic(err) // the same options were good
	}
	t.order = c.order
	return t
}

// Closed is closed once the connection is ended for good.
func (c *Conn) Closed() <-chan struct{} { return c.ctx.Done() }

// Now returns the time by the connection's clock.
func (c *Conn) Now() time.Time { return c.options.Now() }

// Log returns the log for what concerns the connection.
func (c *Conn) Log() *slog.Logger { return c.log }

// Up reports whether there is a live session now.
func (c *Conn) Up() bool { return c.Current() != nil }

// Current returns the live session; nil while there is none.
func (c *Conn) Current() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil || c.current.IsClosed() {
		return nil
	}
	return c.current
}

// Refusal returns the lanes.ErrRefused that ended the latest attempt to connect; nil when it succeeded or failed
// otherwise.
func (c *Conn) Refusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil && errors.Is(c.lastErr, lanes.ErrRefused) {
		return c.lastErr
	}
	return nil
}

// Wait dials if need be and returns once there is a live session. When ctx ends first, the error says what the last
// attempt died of.
func (c *Conn) Wait(ctx context.Context) error {
	_, err := c.Session(ctx)
	return err
}

// Close ends the connection for good. It takes at most a few seconds, also when the broker doesn't answer.
func (c *Conn) Close() {
	c.cancel()
	c.start.Do(func() { close(c.done) }) // never dialled: nothing keeps it
	<-c.done
}

// Session waits for a live session.
func (c *Conn) Session(ctx context.Context) (*Session, error) {
	c.start.Do(func() { go c.keep() })
	for {
		c.mu.Lock()
		s, changed := c.current, c.changed
		c.mu.Unlock()
		if c.ctx.Err() != nil {
			return nil, ErrClosed
		}
		if s != nil && !s.IsClosed() {
			return s, nil
		}
		select {
		case <-changed:
		case <-c.ctx.Done():
		case <-ctx.Done():
			return nil, c.unreachable(context.Cause(ctx))
		}
	}
}

func (c *Conn) unreachable(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastErr == nil {
		return lanes.Away(fmt.Errorf("no connection to %s: %w", c.broker(), cause))
	}
	return lanes.Away(fmt.Errorf("no connection to %s (%w): %w", c.broker(), c.lastErr, cause))
}

// broker names it in errors. The caller holds mu.
func (c *Conn) broker() string {
	if c.address == "" {
		return "RabbitMQ"
	}
	return "RabbitMQ at " + c.address
}

// Channel opens a channel on a live session, waiting for one. It returns when ctx ends.
func (c *Conn) Channel(ctx context.Context) (*Channel, error) {
	for {
		s, err := c.Session(ctx)
		if err != nil {
			return nil, err
		}
		ch, err := UnlessEnded(ctx, s.Channel, (*Channel).Close)
		if err == nil {
			return ch, nil
		}
		if ctx.Err() != nil || !s.IsClosed() {
			return nil, fmt.Errorf("open a channel to RabbitMQ: %w", err)
		}
	}
}

// keep holds one session after the other until Close. It is the only writer of current.
func (c *Conn) keep() {
	defer close(c.done)
	defer c.beside.Wait()
	pause := NewBackoff()
	complaints := map[string]bool{} // since the last session
	var next *Session
	for round := 0; c.ctx.Err() == nil; {
		s := next
		if s == nil {
			var err error
			if s, err = c.dial(round); err != nil {
				round++
				c.complain(err, complaints)
				pause.Wait(c.ctx)
				continue
			}
		}
		round = 0
		clear(complaints)
		next = c.hold(s, pause)
	}
	if next != nil {
		next.close(closeTimeout)
	}
}

// hold holds a session until it is over, and returns the one to go on with; nil: none yet.
func (c *Conn) hold(s *Session, pause *Backoff) (next *Session) {
	began := time.Now()
	c.set(s, nil)
	c.log.Info("connected to RabbitMQ", s.where(), slog.String("version", s.Version()))
	life, end := context.WithCancelCause(c.ctx)
	c.beside.Go(func() { c.attend(life, s, end) })
	err := s.last(life)
	s.left.Store(life.Err() != nil)
	end(nil)
	var to *move
	if errors.As(context.Cause(life), &to) {
		c.log.LogAttrs(c.ctx, to.level, "leaving this address of RabbitMQ for another one", s.where(),
			slog.String("reason", to.why))
		c.beside.Go(func() { s.close(to.within) }) // the broker gives its jobs to others meanwhile
		return to.session
	}
	c.set(nil, err)
	s.close(closeTimeout)
	if timedOut(err) || errors.Is(err, errMute) {
		c.order.silent(s.to.at) // no heartbeat comes, say
	}
	if c.ctx.Err() == nil {
		c.log.Warn("lost the connection to RabbitMQ; reconnecting", s.where(), slog.Any("error", err))
		pause.Lasted(time.Since(began))
		pause.Wait(c.ctx)
	}
	return nil
}

// complain logs a failed attempt, but the same reason only once.
func (c *Conn) complain(err error, known map[string]bool) {
	c.set(nil, err)
	if k := kind(err); !known[k] && c.ctx.Err() == nil {
		known[k] = true
		c.mu.Lock()
		broker := c.address
		c.mu.Unlock()
		c.log.Warn("can't connect to RabbitMQ; retrying", slog.String("broker", broker), slog.Any("error", err))
	}
}

func (c *Conn) set(s *Session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.lastErr = s, err
	close(c.changed)
	c.changed = make(chan struct{})
}
