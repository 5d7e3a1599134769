package gateway

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/gateway/auth"
)

// The page is at every path that isn't the API's; what the API doesn't have is a problem, and no page.
func TestPageBesideTheAPI(t *testing.T) {
	g := New(Options{Guard: auth.Anybody{Name: "me"}, Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		method, path, kind, allow string
		status                    int
	}{
		{"GET", "/", "text/html", "", 200},
		{"GET", "/jobs", "text/plain", "", 404}, // the page's views are behind its #
		{"GET", "/metrics", "text/plain", "", 404},
		{"GET", "/licences.txt", "text/plain", "", 200},
		{"GET", "/openapi.json", "application/", "", 200},
		{"GET", "/v1", "application/problem+json", "", 404},
		{"GET", "/v1/nothing", "application/problem+json", "", 404},
		{"POST", "/v1/nothing", "application/problem+json", "", 404},
		{"POST", "/v1/lanes", "application/problem+json", "GET, HEAD", 405},
		{"GET", "/v1/tunings/budget", "application/problem+json", "PUT, DELETE", 405},
		{"POST", "/", "text/plain", "GET, HEAD", 405},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		h := w.Header()
		if w.Code != c.status || !strings.HasPrefix(h.Get("Content-Type"), c.kind) || h.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %s, Allow %q", c.method, c.path, w.Code, h.Get("Content-Type"), h.Get("Allow"))
		}
	}
}

// Whoever asks is told who they are.
func TestWhoami(t *testing.T) {
	g := New(Options{Guard: auth.Anybody{Name: "me"}, Log: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest(http.MethodGet, "/v1/whoami", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	var got struct {
		Subject, Tenant string
		Roles           []auth.Role
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Subject != "me" || got.Tenant != "" ||
		!slices.Equal(got.Roles, auth.Roles) {
		t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
}
