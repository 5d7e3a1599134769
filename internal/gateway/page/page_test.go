package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func ask(t *testing.T, h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var named = regexp.MustCompile(`(?:src|href)="(/page-[0-9a-f]+\.(?:js|css))"`)

// The page is small, comes whole, and is asked for once only.
func TestPageIsServed(t *testing.T) {
	h := Handler()
	index := ask(t, h, "/")
	if got := index.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("the page is %s", got)
	}
	if got := index.Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("the page is cached: %s", got)
	}
	files := named.FindAllStringSubmatch(index.Body.String(), -1)
	if len(files) != 2 {
		t.Fatalf("the page names %v", files)
	}
	sum := ask(t, h, "/", "Accept-Encoding", "br, gzip").Body.Len()
	for _, f := range files {
		plain, zipped := ask(t, h, f[1]), ask(t, h, f[1], "Accept-Encoding", "gzip")
		if got := plain.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s is cached as %q", f[1], got)
		}
		sum += zipped.Body.Len()
		z, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, plain.Body.Bytes()) {
			t.Errorf("%s isn't the same zipped: %v", f[1], err)
		}
		again := ask(t, h, f[1], "If-None-Match", plain.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s is sent again: %d", f[1], again.Code)
		}
		if ask(t, h, f[1], "Accept-Encoding", "gzip;q=0").Header().Get("Content-Encoding") != "" {
			t.Errorf("%s is zipped for one that can't read it", f[1])
		}
	}
	if most := 60_000; sum > most {
		t.Errorf("the page has %d bytes, over %d", sum, most)
	}
	if got := ask(t, h, "/metrics").Code; got != http.StatusNotFound {
		t.Errorf("another path: %d", got)
	}
	if got := ask(t, h, "/licences.txt").Body.String(); strings.Count(got, "Permission is hereby granted") != 4 {
		t.Error("licences are missing")
	}
}

// Nothing but this origin gives the page anything, besides pictures and films from where they may come.
func TestPageMayNot(t *testing.T) {
	const strict = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
		"img-src 'self' data:; media-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	for _, path := range []string{"/", "/page.js", "/x"} {
		h := ask(t, Handler(), path).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": strict, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s of %s is %q", name, path, got)
			}
		}
	}
	w := ask(t, Handler("https://media.example.com/films/", "http://[::1]:9000", "javascript:x", "https://a b",
		`https://x";`, "https://user@x", "*"), "/")
	got := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(got, "img-src 'self' https://media.example.com http://[::1]:9000 data:; "+
		"media-src 'self' https://media.example.com http://[::1]:9000; ") {
		t.Errorf("the policy is %s", got)
	}
	if want := `content="https://media.example.com http://[::1]:9000"`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("the page isn't told of them: %s", w.Body)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	refused := httptest.NewRecorder()
	Handler().ServeHTTP(refused, r)
	if refused.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered with %d", refused.Code)
	}
}
