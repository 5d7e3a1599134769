package work

import (
	"context"
	"errors"
)

// ErrorKind says what an error means for the job. Handlers choose it; Settle decides by it.
type ErrorKind string

// The kinds of error a handler returns. An error without a kind is Transient.
const (
	BadInput     ErrorKind = "bad input"     // the input or the params can never work: dead letter at once
	NotAllowed   ErrorKind = "not allowed"   // outside the allowed storage, or a forbidden address: dead letter at once
	OutputExists ErrorKind = "output exists" // another job's output is there: dead letter at once
	OverLimit    ErrorKind = "over limit"    // needs more memory, disk or pixels than a slot gives: dead letter at once
	Transient    ErrorKind = "failed"        // may work next time: retry
	TimedOut     ErrorKind = "timed out"     // ran into the lane's maxRuntime: retry
	Expired      ErrorKind = "expired"       // not started by its expiresAt: dead letter at once
	Interrupted  ErrorKind = "interrupted"   // the worker stopped it: return, at no cost
)

// JobError is an error with its kind. Its text is for a person who owns the job.
type JobError struct {
	Kind ErrorKind
	Err  error
}

func (e *JobError) Error() string { return e.Err.Error() }
func (e *JobError) Unwrap() error { return e.Err }

// Fail wraps err with a kind; nil stays nil.
func Fail(kind ErrorKind, err error) error {
	if err == nil {
		return nil
	}
	return &JobError{Kind: kind, Err: err}
}

// KindOf returns the kind of the outermost JobError in err's chain. A bare context.Canceled is Interrupted, anything
// else Transient; nil is "".
func KindOf(err error) ErrorKind {
	var j *JobError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &j):
		return j.Kind
	case errors.Is(err, context.Canceled):
		return Interrupted
	default:
		return Transient
	}
}

// Permanent reports whether no further attempt can help.
func (k ErrorKind) Permanent() bool {
	switch k {
	case BadInput, NotAllowed, OutputExists, OverLimit, Expired:
		return true
	default:
		return false
	}
}

// What a ledger answers when a claim can't be renewed or closed.
var (
	ErrLost      = errors.New("the claim is lost: another worker has taken the job over")
	ErrCancelled = errors.New("the job was cancelled")
)
