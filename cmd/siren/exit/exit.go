// Package exit has the exit codes of siren, and the error that carries one up to where the process ends. Nothing here
// ends it.
package exit

import (
	"errors"

	"github.com/polyglot-media/siren/internal/operate"
)

// Exit codes, as `siren options` lists them.
const (
	OK          = 0
	Failed      = 1 // what was asked for failed
	Usage       = 2 // wrong flags or arguments
	NotFound    = 3 // no such job, lane, pool or context
	JobFailed   = 4 // a job that was waited for is dead or cancelled, or its worker vanished
	Unreachable = 5 // RabbitMQ or Redis can't be reached
	Conflict    = 6 // somebody else changed it meanwhile
	Warnings    = 7 // siren doctor found warnings, and no error
	Refused     = 8 // RabbitMQ or Redis don't let this login in, or don't let it do this
)

// kinds is the exit code of each kind of error.
var kinds = map[operate.Kind]int{
	operate.NotFound: NotFound, operate.Conflict: Conflict, operate.Invalid: Usage, operate.NotPossible: Failed,
	operate.Unreachable: Unreachable, operate.Refused: Refused,
}

// Error is an error with the exit code it means.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// With gives err the exit code; nil stays nil.
func With(code int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{code, err}
}

// Code returns the exit code that an error means.
func Code(err error) int {
	code, _ := Of(err)
	return code
}

// Of returns the exit code that an error means; false when it doesn't say, which is Failed.
func Of(err error) (code int, says bool) {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Code, true
	}
	if code, says = kinds[operate.KindOf(err)]; says {
		return code, true
	}
	return Failed, false
}
