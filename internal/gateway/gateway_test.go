package gateway

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
)

// An operation that doesn't say who may ask for it is for nobody.
func TestOperationWithoutRoles(t *testing.T) {
	g := New(Options{Guard: auth.Anybody{Name: "ann"}, Log: slog.New(slog.DiscardHandler)})
	huma.Get(g.api, "/v1/forgotten", func(context.Context, *struct{}) (*struct{}, error) {
		t.Error("it was carried out")
		return nil, nil
	})
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/v1/forgotten", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWarningsAreLogged(t *testing.T) {
	var log bytes.Buffer
	g := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	g.desk(t.Context()).Warn("the audit log has no entry of this: %v", io.EOF)
	if !strings.Contains(log.String(), "no entry of this: EOF") {
		t.Errorf("logged: %s", log.String())
	}
}
