package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// answerWithin is how long a call to the broker may take before its session is given up. amqp091-go's calls know no
// context, and a broker with an alarm may never answer.
const answerWithin = 30 * time.Second

// session is one live connection. When it is lost, everything that came over it is void.
type session struct {
	conn *amqp.Connection
	raw  net.Conn
	host string           // that it was dialled as
	lost chan *amqp.Error // the reason, then closed; for last
	over chan *amqp.Error // closed, after the reason, once every channel of the session knows that it is closed

	mu        sync.Mutex
	why       string        // of the alarm that blocks publishing, "" when none does
	unblocked chan struct{} // closed while publishing isn't blocked
}

func newSession(conn *amqp.Connection, raw net.Conn, host string, log *slog.Logger) *session {
	s := &session{conn: conn, raw: raw, host: host, unblocked: make(chan struct{})}
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

func (s *session) setBlock(b amqp.Blocking) {
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

// block is why publishing is blocked ("" when it isn't), and a channel that is closed once it isn't any more.
func (s *session) block() (why string, unblocked <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why, s.unblocked
}

// version is the broker's, such as 3.10.8; "" when it doesn't say.
func (s *session) version() string {
	v, _ := s.conn.Properties["version"].(string)
	return v
}

// last blocks until the session is lost, and says why; or until ctx ends, and closes it.
func (s *session) last(ctx context.Context) error {
	select {
	case reason := <-s.lost:
		if reason == nil {
			return errors.New("closed")
		}
		return reason
	case <-ctx.Done():
		defer s.within(closeTimeout)()
		_ = s.conn.CloseDeadline(time.Now().Add(closeTimeout))
		return context.Cause(ctx)
	}
}

// abandon drops the connection without a word. Every call that hangs on it returns with an error.
func (s *session) abandon() { _ = s.raw.Close() }

// within abandons the session unless the returned function is called in time. It bounds calls that know no context.
func (s *session) within(d time.Duration) (done func()) {
	t := time.AfterFunc(d, s.abandon)
	return func() { t.Stop() }
}

// broken ends the session after a write that failed, and returns once it is over. amqp091-go learns of such a write a
// moment later, or only by a heartbeat; until then the connection and its channels say that they are open.
func (s *session) broken() {
	s.abandon()
	for range s.over {
	}
}

// ask makes one request to the broker, bounded in time. After an error that isn't the broker's answer the session is over.
func (s *session) ask(request func() error) error {
	defer s.within(answerWithin)()
	err := request()
	if err != nil && code(err) == 0 {
		s.broken()
	}
	return answered(err)
}

// answered marks an error of the broker, or of the connection to it: as lanes.ErrRefused when it says that the user may not do this, as lanes.ErrAway else.
func answered(err error) error {
	switch {
	case err == nil:
		return nil
	case code(err) == amqp.AccessRefused:
		return fmt.Errorf("%w by RabbitMQ: %w", lanes.ErrRefused, err)
	default:
		return lanes.Away(err)
	}
}

// unlessEnded is what f returns; or ctx's error when that ends first. Then f goes on by itself, and undo ends what comes of it: f asks
// the broker over a connection that others use too, so that it can't be cut off for this caller alone.
func unlessEnded[T any](ctx context.Context, f func() (T, error), undo func(T)) (T, error) {
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

func (s *session) channel() (*channel, error) {
	var ch *amqp.Channel
	err := s.ask(func() (err error) {
		ch, err = s.conn.Channel()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &channel{Channel: ch, session: s, closed: ch.NotifyClose(make(chan *amqp.Error, 1))}, nil
}

// channel is an AMQP channel with the session that it belongs to.
type channel struct {
	*amqp.Channel
	session *session
	closed  chan *amqp.Error // the reason, then closed
}

// call runs one request to the broker over the channel, bounded in time. Every one that waits for an answer goes through it.
func (c *channel) call(request func() error) error { return c.session.ask(request) }

// get takes the next message of a queue; false when none is ready.
func (c *channel) get(queue string) (d amqp.Delivery, found bool, err error) {
	err = c.call(func() (err error) {
		d, found, err = c.Get(queue, false)
		return err
	})
	return d, found, err
}

// close gives the channel back. What it held unacknowledged goes back to its queues.
func (c *channel) close() {
	_ = c.call(c.Close)
}

// reason is why the channel has closed, as the end of a sentence; "" while it hasn't.
func (c *channel) reason() string {
	if !c.IsClosed() {
		return ""
	}
	select {
	case e := <-c.closed:
		if e != nil {
			return ": " + e.Error()
		}
	default:
	}
	return ": the channel was closed"
}

// code is the AMQP reply code in err's chain, 0 when there is none.
func code(err error) int {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// undeclared is err; as ErrUndeclared when it says that a queue isn't there.
func undeclared(err error) error {
	if code(err) == amqp.NotFound {
		return fmt.Errorf("%w (%w)", ErrUndeclared, err)
	}
	return err
}
