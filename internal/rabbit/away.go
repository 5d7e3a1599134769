package rabbit

import (
	"context"
	"errors"
	"net"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// away is what this package says when the broker can't be reached, doesn't answer, or can't do now what it was asked.
var away = []error{errConnClosed, errLost, errSilent, ErrNotSent, ErrUnconfirmed, ErrUndeclared, ErrStale, context.DeadlineExceeded}

// IsAway is whether err says that RabbitMQ can't be reached, or can't do now what it was asked: not that it refuses this login, nor that
// the caller gave up.
func IsAway(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, lanes.ErrRefused) {
		return false
	}
	var network net.Error
	return errors.As(err, new(*amqp.Error)) || errors.As(err, &network) ||
		slices.ContainsFunc(away, func(known error) bool { return errors.Is(err, known) })
}
