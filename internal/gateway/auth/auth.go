// Package auth says who makes a request to the gateway, and what they may do: by the tokens of a file, or by the JWTs
// of an OpenID provider.
//
// It decides nothing about a request beyond that: which role an operation needs, and whose job is whose, lives in
// internal/gateway.
package auth

import (
	"context"
	"errors"
	"slices"
)

// Role is what somebody may do.
type Role string

// The roles. An operator may do all that a reader may.
const (
	Producer Role = "producer" // enqueues jobs, looks at them, cancels and retries them
	Reader   Role = "reader"   // looks at everything
	Operator Role = "operator" // and changes it
)

// Roles is all that there are.
var Roles = []Role{Producer, Reader, Operator}

// Identity is who makes a request.
type Identity struct {
	Subject string // their name, as the audit log has it
	Tenant  string // whose jobs alone they see and make; "": everybody's
	Roles   []Role
}

// May reports whether they have one of the roles.
func (i Identity) May(any ...Role) bool {
	return slices.ContainsFunc(any, func(r Role) bool {
		return slices.Contains(i.Roles, r) || r == Reader && slices.Contains(i.Roles, Operator)
	})
}

// Errors of Identify.
var (
	// ErrUnknown is a token that lets nobody in. Whoever shows it isn't told more than the error's text.
	ErrUnknown = errors.New("this token lets nobody in")
	// ErrCantTell is that nobody can tell now, as when the provider's keys can't be fetched.
	ErrCantTell = errors.New("it can't be told now whether this token lets anybody in")
)

// Guard knows who is who.
type Guard interface {
	// Identify returns who shows a bearer token; ErrUnknown or ErrCantTell.
	Identify(ctx context.Context, token string) (Identity, error)
}

// Guards asks several guards, one after the other: the first that knows the token says who it is.
type Guards []Guard

// Identify returns who shows the token.
func (g Guards) Identify(ctx context.Context, token string) (Identity, error) {
	unknown := ErrUnknown
	for _, guard := range g {
		i, err := guard.Identify(ctx, token)
		if err == nil {
			return i, nil
		}
		if !errors.Is(err, ErrUnknown) || errors.Is(unknown, ErrUnknown) {
			unknown = err
		}
	}
	return Identity{}, unknown
}

// Anybody lets everybody do everything, as whoever runs the program.
type Anybody struct{ Name string }

// Identify returns that name, whatever the token.
func (a Anybody) Identify(context.Context, string) (Identity, error) {
	return Identity{Subject: a.Name, Roles: Roles}, nil
}
