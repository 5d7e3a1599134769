package bucket

import (
	"strings"

	"gocloud.dev/gcerrors"

	"github.com/polyglot-media/siren/lanes/plain"
)

// Fault is what is wrong with a request, as far as the answer says.
type Fault int

// What may be wrong.
const (
	Other     Fault = iota // a network or a server that fails, among the rest
	NoObject               // there is no such object; where the answer has no words (HEAD), perhaps no such bucket
	NoBucket               // there is no such bucket
	Forbidden              // the credentials are wrong, or don't allow it
	Changed                // the condition isn't met: there is an object, or another version of it
)

// Fault says what an error of a bucket means.
func (b *Opener) Fault(err error) Fault {
	if f := b.fault(err); f != Other {
		return f
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return NoObject
	case gcerrors.PermissionDenied:
		return Forbidden
	case gcerrors.FailedPrecondition:
		return Changed
	}
	return Other
}

// Explain returns the error in one line, with what to do about it where that is known.
func (b *Opener) Explain(bucket string, err error) error {
	said := b.said(err)
	if said == "" {
		said = err.Error()
	}
	said = plain.Clip(strings.Join(strings.Fields(said), " "), 300)
	switch b.Fault(err) {
	case NoBucket, NoObject: // an object that isn't there is no trouble of its own
		said = "there is no bucket " + bucket + ": create it, or correct the policy's storage (" + said + ")"
	case Forbidden:
		said = "check the credentials (" + b.credentials + ") and what they may do in " + bucket + " (" + said + ")"
	}
	return &explained{said, err}
}

// explained is an error in other words.
type explained struct {
	said string
	err  error
}

func (e *explained) Error() string { return e.said }
func (e *explained) Unwrap() error { return e.err }
