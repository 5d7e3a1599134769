package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/polyglot-media/siren/lanes"
)

// Kind is what an error means to whoever asked for something: errors.Is(err, operate.NotFound). An error without a kind
// is a failure like any other.
type Kind string

// The kinds of error.
const (
	NotFound    Kind = "not found"    // no such job, lane, pool or tuning
	Conflict    Kind = "conflict"     // somebody else changed it meanwhile, and what they did counts
	Invalid     Kind = "invalid"      // what was asked for makes no sense
	NotPossible Kind = "not possible" // it can't be done to this as it is now
	Unreachable Kind = "unreachable"  // RabbitMQ or Redis can't be reached
	Refused     Kind = "refused"      // RabbitMQ or Redis don't let this login in, or don't let it do this
)

func (k Kind) Error() string { return string(k) }

// With gives err the kind, and leaves its text as it is; nil stays nil.
func (k Kind) With(err error) error {
	if err == nil {
		return nil
	}
	return &kindError{k, err}
}

// Errorf makes an error of the kind, with the text that a person reads.
func (k Kind) Errorf(format string, args ...any) error { return k.With(fmt.Errorf(format, args...)) }

// kindError is an error with its kind.
type kindError struct {
	kind Kind
	err  error
}

func (e *kindError) Error() string        { return e.err.Error() }
func (e *kindError) Unwrap() error        { return e.err }
func (e *kindError) Is(target error) bool { return target == e.kind }

// KindOf returns the kind of the outermost error in err's chain that has one. What RabbitMQ or Redis answered has a
// kind by what it is: one that says no is reached, and refuses. It is "" for any other error, and for what the caller
// gave up.
func KindOf(err error) Kind {
	e := (*kindError)(nil)
	switch {
	case errors.As(err, &e):
		return e.kind
	case err == nil, errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, lanes.ErrRefused):
		return Refused
	case errors.Is(err, lanes.ErrAway):
		return Unreachable
	default:
		return ""
	}
}
