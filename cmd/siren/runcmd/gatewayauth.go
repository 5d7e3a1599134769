package runcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/say"
)

// The ways in which a gateway may know who is who.
const (
	byTokens = "tokens"
	byOIDC   = "oidc"
	byNobody = "none"
)

var admissions = []string{byTokens, byOIDC, byNobody}

// admission is how a gateway knows who makes a request.
type admission struct {
	by     []string
	tokens string // file
	oidc   auth.OIDCOptions
}

// add adds the flags.
func (m *admission) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringSliceVar(&m.by, "auth", []string{byTokens}, "how it is known who makes a request: "+say.Listed(admissions)+
		", or tokens,oidc")
	app.CompleteFlag(c, "auth", app.Fixed(append(admissions, byTokens+","+byOIDC)...))
	fs.StringVar(&m.tokens, "tokens", "", "`FILE` of tokens, which siren tokens writes (default: SIREN_GATEWAY_TOKENS)")
	app.CompleteFlag(c, "tokens", app.Files("yaml", "yml"))
	fs.StringVar(&m.oidc.Issuer, "oidc-issuer", "", "`URL` of the OpenID provider, as its tokens have it")
	fs.StringVar(&m.oidc.Audience, "oidc-audience", "", "`NAME` of this gateway at the provider: tokens must be for it")
	fs.StringVar(&m.oidc.Subject, "oidc-subject-claim", "sub", "`CLAIM` with the name of whoever shows a token")
	fs.StringVar(&m.oidc.Roles, "oidc-roles-claim", "roles", "`CLAIM` with their roles; with dots for one in another, as "+
		"in realm_access.roles")
	fs.StringVar(&m.oidc.RolePrefix, "oidc-role-prefix", "", "what Siren's roles begin with there, as in siren-")
	fs.StringVar(&m.oidc.Tenant, "oidc-tenant-claim", "", "`CLAIM` with their tenant, or * for everybody's jobs; without "+
		"this flag nobody has a tenant")
}

// guard makes what knows who is who, until ctx ends.
func (m *admission) guard(ctx context.Context, address string, log *slog.Logger) (auth.Guard, error) {
	if err := m.check(address); err != nil {
		return nil, exit.With(exit.Usage, err)
	}
	if slices.Contains(m.by, byNobody) {
		return auth.Anybody{Name: app.Who("")}, nil
	}
	var guards auth.Guards
	if slices.Contains(m.by, byTokens) {
		known, err := auth.OpenTokens(ctx, m.file(), time.Now, log)
		if err != nil {
			return nil, err
		}
		guards = append(guards, known)
	}
	if slices.Contains(m.by, byOIDC) {
		m.oidc.Now, m.oidc.Log = time.Now, log
		known, err := auth.NewOIDC(ctx, m.oidc)
		if err != nil {
			return nil, exit.With(exit.Usage, err)
		}
		guards = append(guards, known)
	}
	return guards, nil
}

// file returns the file of tokens.
func (m *admission) file() string { return cmp.Or(m.tokens, os.Getenv(auth.TokensVariable)) }

// check refuses flags that don't go together, or that lack something.
func (m *admission) check(address string) error {
	for _, how := range m.by {
		if !slices.Contains(admissions, how) {
			return fmt.Errorf("--auth %q: say %s, or tokens,oidc", how, say.Listed(admissions))
		}
	}
	tokens, oidc, nobody := slices.Contains(m.by, byTokens), slices.Contains(m.by, byOIDC), slices.Contains(m.by, byNobody)
	switch {
	case len(m.by) == 0:
		return fmt.Errorf("--auth says nothing: say %s, or tokens,oidc", say.Listed(admissions))
	case nobody && len(m.by) > 1:
		return fmt.Errorf("--auth %s: none asks nobody who they are, so it goes alone", strings.Join(m.by, ","))
	case nobody:
		return onLoopback(address)
	case tokens && m.file() == "":
		return errors.New("it isn't said who may ask: `siren tokens create NAME --role producer --file tokens.yaml` makes " +
			"a token, and --tokens tokens.yaml lets in who has it; on this machine alone, --auth none lets in everybody")
	case !tokens && m.tokens != "":
		return errors.New("--tokens is for --auth tokens; say --auth tokens,oidc for both")
	case oidc && m.oidc.Issuer == "":
		return errors.New("--auth oidc needs --oidc-issuer, the URL of the OpenID provider as its tokens have it")
	case oidc && m.oidc.Audience == "":
		return errors.New("--auth oidc needs --oidc-audience: the provider's tokens for other programs would let people in")
	case oidc:
		if err := m.oidc.Check(); err != nil {
			return fmt.Errorf("--auth oidc: %w", err)
		}
	case m.oidc.Issuer != "" || m.oidc.Audience != "" || m.oidc.Tenant != "":
		return errors.New("--oidc-… is for --auth oidc; say --auth tokens,oidc for both")
	}
	return nil
}
