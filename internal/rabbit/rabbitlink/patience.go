package rabbitlink

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// RabbitMQ serves a channel by one process, which waits for a queue's leader: while that is away, nothing else on the
// channel is answered, for up to a minute. So a request about a queue is left after a while, and its channel with it;
// nothing else of the session is touched. Who can't wait for one queue while another has jobs gives each a channel.

// Patience is how long a queue may take to answer, unless its channel says otherwise.
const Patience = 5 * time.Second

// ErrSilent is a queue that doesn't answer: the node of its leader hangs or is cut off, or the broker is very slow.
var ErrSilent = lanes.Away(errors.New("RabbitMQ doesn't answer for it; the node of its leader may hang or be cut off"))

// About runs one request about a queue, bounded in time. Once patience ends it is ErrSilent, with the queue's name, as
// where the broker says that the leader is away. The channel then counts as closed, and closes when there is an answer:
// what has come over it by then goes back to its queue. The request mustn't touch what its caller goes on using.
func (c *Channel) About(queue string, request func() error) error {
	answer := make(chan error, 1)
	go func() { answer <- c.Session.verdict(request()) }()
	patience := time.NewTimer(c.Patience)
	defer patience.Stop()
	select {
	case err := <-answer:
		if Code(err) == amqp.InternalError { // it ends the connection
			return fmt.Errorf("%w (%w)", c.silent(queue), err)
		}
		return err
	case <-patience.C:
	}
	c.left.Store(true)
	go func() {
		if err := <-answer; Code(err) == 0 { // else the channel is closed
			_ = c.Channel.Close()
		}
	}()
	return c.silent(queue)
}

// silent names the queue, and says how to look at it.
func (c *Channel) silent(queue string) error {
	if queue == "" {
		return ErrSilent
	}
	of := queue
	if vhost := c.Session.to.URI.Vhost; vhost != "/" {
		of += " --vhost " + vhost
	}
	return fmt.Errorf("queue %s: %w; see `rabbitmqctl cluster_status` and, of a quorum queue, `rabbitmq-queues "+
		"quorum_status %s`", queue, ErrSilent, of)
}

// Unanswered reports whether a request stands on the channel that nobody waits for; false for no channel.
func (c *Channel) Unanswered() bool { return c != nil && c.left.Load() && !c.Channel.IsClosed() }
