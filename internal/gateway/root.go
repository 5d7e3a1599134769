package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/gateway/page"
)

// routed sends requests to the API, and all that isn't of the API to the web page.
func (g *Gateway) routed(api *http.ServeMux, outputs []string) http.Handler {
	site := page.Handler(outputs...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := api.Handler(r); pattern != "" {
			api.ServeHTTP(w, r)
			return
		}
		allowed := methods(api, r)
		switch {
		case len(allowed) > 0:
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			refuse(w, http.StatusMethodNotAllowed, r.Method+" isn't for this; there is "+strings.Join(allowed, ", "))
		case r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/"):
			refuse(w, http.StatusNotFound, "there is no such thing; /openapi.json says what may be asked")
		default:
			site.ServeHTTP(w, r)
		}
	})
}

// methods returns the methods that there are for a request's path.
func methods(api *http.ServeMux, r *http.Request) []string {
	all := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}
	return slices.DeleteFunc(all, func(m string) bool {
		other := *r
		other.Method = m
		_, pattern := api.Handler(&other)
		return pattern == ""
	})
}

type whoamiOut struct {
	Body struct {
		Subject string      `json:"subject" doc:"Your name, as the audit log has it."`
		Tenant  string      `json:"tenant,omitempty" doc:"Whose jobs alone you see and make; left out: everybody's."`
		Roles   []auth.Role `json:"roles" nullable:"false" doc:"What you may do."`
	}
}

func (g *Gateway) addWhoami() {
	on(g, huma.Operation{
		OperationID: "whoami", Method: http.MethodGet, Path: "/v1/whoami",
		Summary: "Say who asks, and what they may do", Tags: []string{"gateway"},
	}, func(ctx context.Context, _ *struct{}) (*whoamiOut, error) {
		i, out := who(ctx), &whoamiOut{}
		out.Body.Subject, out.Body.Tenant, out.Body.Roles = i.Subject, i.Tenant, append([]auth.Role{}, i.Roles...)
		return out, nil
	}, auth.Roles...)
}
