package lanes

import "errors"

// What RabbitMQ and Redis answer, and the cluster, when they don't do what they were asked.
var (
	// ErrAway is a server that can't be reached, or can't do now what it was asked. See Away.
	ErrAway = errors.New("redis is away")
	// ErrRefused is a server that is there, and doesn't let this login in, or doesn't let it do this. It may once
	// somebody has given it the rights.
	ErrRefused = errors.New("refused")
	// ErrConflict is the refusal to write what isn't any more what the writer saw, such as a pool of the fleet. Look
	// again and decide afresh.
	ErrConflict = errors.New("changed meanwhile")
)

// Away marks an error as ErrAway; its text stays as it is.
func Away(err error) error { return &awayError{err} }

type awayError struct{ error }

func (e *awayError) Unwrap() error        { return e.error }
func (e *awayError) Is(target error) bool { return target == ErrAway }
