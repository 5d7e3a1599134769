package rabbitlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// answerWithin is how long a call to the broker may take before its session is given up. amqp091-go's calls know no
// context, and a broker with an alarm may never answer.
const answerWithin = 30 * time.Second

// opensWithin is how long a broker may take to open a channel, for which it asks nobody else: four times as long as its
// handshake took if that is more. Before RabbitMQ ends a connection over an error it ends the connection's channels,
// and waits for those that wait for the leader of a queue: until then it answers nothing, and says nothing.
const opensWithin = 2 * time.Second

// Session is one live connection. When it is lost, everything that came over it is void.
type Session struct {
	conn  *amqp.Connection
	raw   net.Conn
	to    place
	home  address          // the one that the session belongs to, if it isn't this one
	alone atomic.Bool      // there is no other address
	opens time.Duration    // within which a channel is opened
	mute  atomic.Bool      // none was
	left  atomic.Bool      // this process ended it, for another one
	lost  chan *amqp.Error // the reason, then closed; for last
	over  chan *amqp.Error // closed, after the reason, once every channel of the session knows that it is closed
	leave chan notice      // for another address

	mu        sync.Mutex
	why       string        // of the alarm that blocks publishing, "" when none does
	unblocked chan struct{} // closed while publishing isn't blocked
}

// newSession watches a fresh connection for its end, and for alarms.
func newSession(conn *amqp.Connection, raw net.Conn, to place, log *slog.Logger) *Session {
	s := &Session{conn: conn, raw: raw, to: to, leave: make(chan notice, 1), unblocked: make(chan struct{})}
	close(s.unblocked)
	s.lost = conn.NotifyClose(make(chan *amqp.Error, 1))
	s.over = conn.NotifyClose(make(chan *amqp.Error, 1))
	blocks := conn.NotifyBlocked(make(chan amqp.Blocking, 8))
	go func() {
		for b := range blocks {
			s.setBlock(b)
			if b.Active {
				log.Warn("RabbitMQ accepts no jobs for now (an alarm)", slog.String("reason", b.Reason))
			} else {
				log.Info("RabbitMQ accepts jobs again")
			}
		}
	}()
	return s
}

func (s *Session) setBlock(b amqp.Blocking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case b.Active && s.why == "":
		s.why, s.unblocked = "alarm: "+b.Reason, make(chan struct{})
	case !b.Active && s.why != "":
		s.why = ""
		close(s.unblocked)
	}
}

// Block returns why publishing is blocked ("" when it isn't), and a channel that is closed once it no longer is.
func (s *Session) Block() (why string, unblocked <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why, s.unblocked
}

// Left reports whether this process has ended the session, or is about to, for another one. Then nothing that came over
// it can be the cause.
func (s *Session) Left() bool { return s.left.Load() || s.mute.Load() }

// IsClosed reports whether the session is over.
func (s *Session) IsClosed() bool { return s.conn.IsClosed() }

// Product returns what the broker calls itself: RabbitMQ, or another one that speaks AMQP; "" when it doesn't say.
func (s *Session) Product() string {
	v, _ := s.conn.Properties["product"].(string)
	return v
}

// Version returns the broker's version, such as 3.10.8; "" when it doesn't say.
func (s *Session) Version() string {
	v, _ := s.conn.Properties["version"].(string)
	return v
}

// Target returns the host that it is with.
func (s *Session) Target() Target { return s.to.Target }

// Address returns the host and port that it is with, and the vhost if it isn't the default, for people.
func (s *Session) Address() string { return s.to.Address() }

// last blocks until the session is lost, and says why; or until ctx ends.
func (s *Session) last(ctx context.Context) error {
	select {
	case reason := <-s.lost:
		if s.mute.Load() {
			return errMute
		}
		if reason == nil {
			return errors.New("closed")
		}
		return reason
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close ends the session within that time.
func (s *Session) close(within time.Duration) {
	defer s.within(within)()
	_ = s.conn.CloseDeadline(time.Now().Add(within))
}

// errMute is why a session ended that opened no channel, or set none up.
var errMute = errors.New("it opens no channel, or sets none up, in time: it is ending the connection, or hangs")

// unlessMute abandons the session when no channel is opened or set up in time, and no alarm says why.
func (s *Session) unlessMute() (done func()) {
	t := time.AfterFunc(s.opens, func() {
		if why, _ := s.Block(); why == "" {
			s.mute.Store(true)
			s.Abandon()
		}
	})
	return func() { t.Stop() }
}

// Abandon drops the connection without a word. Every call that hangs on it returns with an error.
func (s *Session) Abandon() { _ = s.raw.Close() }

// within abandons the session unless the returned function is called in time. It bounds calls that know no context.
func (s *Session) within(d time.Duration) (done func()) {
	t := time.AfterFunc(d, s.Abandon)
	return func() { t.Stop() }
}

// Broken ends the session after a write that failed, and returns once it is over. amqp091-go learns of such a write a
// moment later, or only by a heartbeat; until then the connection and its channels say that they are open.
func (s *Session) Broken() {
	s.Abandon()
	for range s.over {
	}
}

// ask makes one request to the broker, bounded in time. After an error that isn't the broker's answer the session is
// over.
func (s *Session) ask(request func() error) error {
	defer s.within(answerWithin)()
	return s.verdict(request())
}

// verdict returns what has become of a request.
func (s *Session) verdict(err error) error {
	if err != nil && Code(err) == 0 {
		s.Broken()
	}
	return Answered(err)
}

// UnlessEnded returns what f returns, or ctx's error when that ends first. Then f goes on by itself, and undo reverts
// what comes of it: f asks the broker over a connection that others use too, so that it can't be cut off for this
// caller alone.
func UnlessEnded[T any](ctx context.Context, f func() (T, error), undo func(T)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		v, err := f()
		answered <- answer{v, err}
	}()
	select {
	case a := <-answered:
		return a.v, a.err
	case <-ctx.Done():
	}
	go func() {
		if a := <-answered; a.err == nil {
			undo(a.v)
		}
	}()
	var none T
	return none, lanes.Away(fmt.Errorf("RabbitMQ doesn't answer: %w", context.Cause(ctx)))
}
