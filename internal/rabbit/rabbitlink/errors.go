package rabbitlink

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// What an error of the broker means.
var (
	// ErrUndeclared is that the broker has no such queue.
	ErrUndeclared = lanes.Away(errors.New("the queues are not declared on this broker; " +
		"start `siren scaler` (or `siren up`), which declares them"))
	// ErrDown is that a queue is declared, and its only node is down, or can't reach it.
	ErrDown = lanes.Away(errors.New("the queue is on a node that is down or inaccessible, with all that is in it; " +
		"`rabbitmqctl cluster_status` says which one, and it has to be started"))
	// ErrStale is a settle that came too late: the session that delivered the job is over, and the broker has given the
	// job back to its lane. Nothing was touched.
	ErrStale = lanes.Away(errors.New("the session that delivered this job is over; the broker has put the job back " +
		"into its lane"))
)

// Code returns the AMQP reply code in err's chain, 0 when there is none.
func Code(err error) int {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// Answered marks an error of the broker, or of the connection to it: as lanes.ErrRefused when it says that the user may
// not do this, as ErrDown when a queue is there and its node isn't, as lanes.ErrAway else.
func Answered(err error) error {
	switch {
	case err == nil:
		return nil
	case Code(err) == amqp.AccessRefused:
		return fmt.Errorf("%w by RabbitMQ: %w", lanes.ErrRefused, err)
	case Code(err) == amqp.NotFound && !Absent(err) && !errors.Is(err, ErrDown):
		return fmt.Errorf("%w (%w)", ErrDown, err)
	default:
		return lanes.Away(err)
	}
}

// Absent reports whether the broker has said that a queue or an exchange isn't there. For a queue whose node is down it
// has the same code, and other words.
func Absent(err error) bool {
	var e *amqp.Error
	return errors.As(err, &e) && e.Code == amqp.NotFound && strings.HasPrefix(e.Reason, "NOT_FOUND - no ")
}

// Undeclared returns err, as ErrUndeclared when it says that a queue isn't there.
func Undeclared(err error) error {
	if Absent(err) {
		return fmt.Errorf("%w (%w)", ErrUndeclared, err)
	}
	return err
}
