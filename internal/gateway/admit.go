package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/lanes/plain"
)

// rolesOf is the name under which an operation says who may ask for it.
const rolesOf = "roles"

// whoKey is the name under which a request's context says who makes it.
type whoKey struct{}

// who returns who makes the request.
func who(ctx context.Context) auth.Identity {
	i, _ := ctx.Value(whoKey{}).(auth.Identity)
	return i
}

// refusedEvery is how often a refused token is logged, when many are: whoever tries tokens doesn't fill the disk.
const refusedEvery = 10 * time.Second

// admit lets those in who may ask for the operation, as often as they may.
func (g *Gateway) admit(c huma.Context, next func(huma.Context)) {
	asksFor(c.Context(), c.Operation().OperationID)
	roles, _ := c.Operation().Metadata[rolesOf].([]auth.Role)
	r, w := humago.Unwrap(c)
	token := bearerOf(c.Header("Authorization"))
	i, err := g.guard.Identify(c.Context(), token)
	switch {
	case errors.Is(err, auth.ErrCantTell):
		g.log.Warn("who makes a request can't be told", "error", err)
		refuse(w, http.StatusServiceUnavailable, auth.ErrCantTell.Error())
	case err != nil && token == "":
		refuse(w, http.StatusUnauthorized,
			"say who you are: Authorization: Bearer TOKEN (`siren tokens create` makes one)")
	case err != nil:
		g.refusals.Do(func() { g.log.Info("a token was refused", "error", err) })
		refuse(w, http.StatusUnauthorized, auth.ErrUnknown.Error())
	case !i.May(roles...):
		refuse(w, http.StatusForbidden, fmt.Sprintf("%s may not do this: it is for %s", i.Subject, named(roles)))
	case i.Tenant != "" && !slices.Contains(roles, auth.Producer):
		refuse(w, http.StatusForbidden, fmt.Sprintf("%s is of tenant %s, and sees its jobs alone", i.Subject, i.Tenant))
	case !g.paces.allow(i.Subject):
		refuse(w, http.StatusTooManyRequests,
			fmt.Sprintf("%s asks more than %g times a second", i.Subject, g.bounds.Rate))
	case isStream(r) && !g.paces.open(i.Subject, g.bounds.Each):
		refuse(w, http.StatusTooManyRequests,
			fmt.Sprintf("%s has %d streams open, as many as one may", i.Subject, g.bounds.Each))
	default:
		if isStream(r) {
			defer g.paces.close(i.Subject)
		}
		if why := odd(r, c.Operation()); why != "" {
			refuse(w, http.StatusUnprocessableEntity, why)
			return
		}
		next(huma.WithValue(huma.WithValue(c, whoKey{}, i), tokenKey{}, token))
	}
}

// odd says what of a request's parameters can't be meant so, "" for nothing: a misspelt filter would choose everything.
func odd(r *http.Request, o *huma.Operation) string {
	known := map[string]bool{} // whether there may be several
	var names []string
	for _, p := range o.Parameters {
		if p.In == "query" {
			known[p.Name] = p.Schema.Type == huma.TypeArray
			names = append(names, p.Name)
		}
	}
	for name, values := range r.URL.Query() {
		several, is := known[name]
		switch {
		case !is && len(names) == 0:
			return fmt.Sprintf("there is no parameter %q, and no other either", name)
		case !is:
			return fmt.Sprintf("there is no parameter %q%s", name, plain.ThereAre(name, names))
		case len(values) > 1 && !several:
			return fmt.Sprintf("%s is there %d times: say it once", name, len(values))
		}
	}
	if key, is := r.Header[idempotencyKey]; is && strings.TrimSpace(key[0]) == "" {
		return idempotencyKey + " is empty, so it protects nothing: leave it out, or say what the request is for"
	}
	return ""
}

const idempotencyKey = "Idempotency-Key"

// tokenKey is the name under which a request's context has its token.
type tokenKey struct{}

// still reports whether whoever made a request may still make it: tokens are revoked, and expire.
func (g *Gateway) still(ctx context.Context) bool {
	token, _ := ctx.Value(tokenKey{}).(string)
	i, err := g.guard.Identify(ctx, token)
	return errors.Is(err, auth.ErrCantTell) || ctx.Err() != nil || err == nil && reflect.DeepEqual(i, who(ctx))
}

// bearerOf returns the token of an Authorization header; "" without one. Whether a scheme's letters are small doesn't
// count (RFC 9110, 11.1).
func bearerOf(header string) string {
	scheme, token, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, bearer) {
		return ""
	}
	return strings.TrimSpace(token)
}

// named names roles in an error.
func named(roles []auth.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return "the role " + strings.Join(names, " or ")
}
