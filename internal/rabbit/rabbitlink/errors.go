package rabbitlink

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// What an error of the broker means.
var (
	// ErrUndeclared is that the broker has no such queue.
	ErrUndeclared = lanes.Away(errors.New("the queues are not declared on this broker; " +
		"start `siren scaler` (or `siren up`), which declares them"))
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
// not do this, as lanes.ErrAway else.
func Answered(err error) error {
	switch {
	case err == nil:
		return nil
	case Code(err) == amqp.AccessRefused:
		return fmt.Errorf("%w by RabbitMQ: %w", lanes.ErrRefused, err)
	default:
		return lanes.Away(err)
	}
}

// Absent reports whether the broker has said that a queue isn't there.
func Absent(err error) bool { return Code(err) == amqp.NotFound }

// Undeclared returns err, as ErrUndeclared when it says that a queue isn't there.
func Undeclared(err error) error {
	if Absent(err) {
		return fmt.Errorf("%w (%w)", ErrUndeclared, err)
	}
	return err
}
