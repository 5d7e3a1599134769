package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// OIDCOptions says whose JWTs let whom in.
type OIDCOptions struct {
	Issuer     string // URL of the provider, exactly as its tokens have it
	Audience   string // that a token must be for
	Subject    string // claim with the name of whoever shows it; "": sub
	Tenant     string // claim with their tenant, or EveryTenant; "": they have none, and see everybody's jobs
	Roles      string // claim with their roles; "": roles
	RolePrefix string // that a role begins with there, as in siren-operator; others aren't Siren's
	Now        func() time.Time
	Log        *slog.Logger
}

// EveryTenant is what the claim with the tenant says of those who see everybody's jobs.
const EveryTenant = "*"

// OIDC knows the JWTs of an OpenID provider.
type OIDC struct {
	OIDCOptions
	client   *http.Client
	tried    chan struct{} // closed: the provider was asked once
	verifier atomic.Pointer[oidc.IDTokenVerifier]
	failure  atomic.Pointer[error] // why there is no verifier
}

const (
	askAgain   = 2 * time.Second  // after the provider couldn't be asked who it is
	askWithin  = 5 * time.Second  // it has to answer
	skew       = 30 * time.Second // that the provider's clock may be wrong
	maxSubject = 200              // characters of a name
)

// algorithms are those by which a token may be signed: with a key that the provider alone has.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// Check refuses options that can't be meant so.
func (o OIDCOptions) Check() error {
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("issuer %q: write the provider's URL as its tokens have it, as in https://login.example.com", o.Issuer)
	case !confidential(u):
		return fmt.Errorf("issuer %q: it must be https, or others could put keys of their own in its place", o.Issuer)
	case o.Audience == "":
		return errors.New("no audience: say whom the provider's tokens must be for, or those for other programs let people in")
	}
	return nil
}

// confidential reports whether what comes from a URL is that host's: by TLS, or since it is this machine.
func confidential(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// NewOIDC makes a guard that asks the provider who it is, until it answers or ctx ends. Until then nobody can tell who
// shows a token.
func NewOIDC(ctx context.Context, o OIDCOptions) (*OIDC, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Subject == "" {
		o.Subject = "sub"
	}
	if o.Roles == "" {
		o.Roles = "roles"
	}
	g := &OIDC{
		OIDCOptions: o, tried: make(chan struct{}),
		client: &http.Client{Timeout: askWithin, Transport: &gentle{now: o.Now, next: http.DefaultTransport}},
	}
	go g.discover(ctx)
	return g, nil
}

// discover asks the provider who it is, until it has answered.
func (g *OIDC) discover(ctx context.Context) {
	said := ""
	for first := true; ; first = false {
		err := g.ask(ctx)
		if err != nil {
			g.failure.Store(&err)
		}
		if first {
			close(g.tried)
		}
		switch {
		case err == nil:
			g.Log.Info("the OpenID provider is known", "issuer", g.Issuer)
			return
		case err.Error() != said && ctx.Err() == nil:
			said = err.Error()
			g.Log.Error("the OpenID provider isn't known, so its tokens can't be checked; retrying", "issuer", g.Issuer,
				"error", err)
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return
		}
	}
}

// ask asks the provider who it is, and where its keys are.
func (g *OIDC) ask(ctx context.Context) error {
	ctx = oidc.ClientContext(ctx, g.client)
	provider, err := oidc.NewProvider(ctx, g.Issuer)
	if err != nil {
		return clipped(err)
	}
	var found struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&found); err != nil {
		return clipped(err)
	}
	g.verifier.Store(oidc.NewVerifier(g.Issuer, newKeys(ctx, found.Keys, g.Now), &oidc.Config{
		ClientID: g.Audience, SupportedSigningAlgs: algorithms, Now: func() time.Time { return g.Now().Add(-skew) },
	}))
	return nil
}

// Identify returns who shows a JWT.
func (g *OIDC) Identify(ctx context.Context, token string) (Identity, error) {
	if strings.Count(token, ".") != 2 {
		return Identity{}, ErrUnknown
	}
	select {
	case <-g.tried:
	case <-ctx.Done():
		return Identity{}, fmt.Errorf("%w: %w", ErrCantTell, ctx.Err())
	}
	verifier := g.verifier.Load()
	if verifier == nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrCantTell, *g.failure.Load())
	}
	var unfetched error
	verified, err := verifier.Verify(context.WithValue(ctx, unfetchedKey{}, &unfetched), token)
	switch {
	case unfetched != nil:
		return Identity{}, fmt.Errorf("%w: %w", ErrCantTell, clipped(unfetched))
	case err != nil:
		return Identity{}, fmt.Errorf("%w: %w", ErrUnknown, clipped(err))
	}
	var c claims
	if err := verified.Claims(&c); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrUnknown, clipped(err))
	}
	i, err := g.identity(c)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return i, nil
}

// identity returns who the claims of a token that is good say that it is. A claim that is missing never gives more.
func (g *OIDC) identity(c claims) (i Identity, err error) {
	if from, ok := c["nbf"].(json.Number); ok {
		if at, err := from.Float64(); err != nil || at > float64(g.Now().Add(skew).Unix()) {
			return i, fmt.Errorf("it begins only at %s", from)
		}
	}
	if i.Subject, err = c.name(g.Subject); err != nil {
		return i, err
	}
	if g.Subject == "email" && c["email_verified"] != true {
		return i, errors.New("claim email: email_verified isn't true, so it may be anybody's")
	}
	if g.Tenant != "" {
		if i.Tenant, err = c.name(g.Tenant); err != nil {
			return i, err
		}
		if i.Tenant == EveryTenant {
			i.Tenant = ""
		} else if err := CheckTenant(i.Tenant); err != nil {
			return i, fmt.Errorf("claim %s: %w", g.Tenant, err)
		}
	}
	i.Roles = c.roles(g.Roles, g.RolePrefix)
	return i, nil
}

// clipped returns an error with so much of its text as a log should have: part of it is a stranger's.
func clipped(err error) error {
	const most = 300
	if text := []rune(err.Error()); len(text) > most {
		return errors.New(string(text[:most]) + "…")
	}
	return err
}
