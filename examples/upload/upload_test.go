package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const token = "siren_secret"

// serve serves the page before a gateway that does as told.
func serve(t *testing.T, gate http.HandlerFunc) (page *httptest.Server, folder string) {
	t.Helper()
	g := httptest.NewServer(gate)
	t.Cleanup(g.Close)
	address, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	handler, err := newHandler(folder, gateway{address, token})
	if err != nil {
		t.Fatal(err)
	}
	page = httptest.NewServer(handler)
	t.Cleanup(page.Close)
	return page, folder
}

// uploaded lists the uploads that are kept.
func uploaded(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "in", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// What is no upload is refused, with the reason, and leaves nothing behind; and no job is made of it.
func TestRefused(t *testing.T) {
	page, folder := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the gateway is asked for %s", r.URL)
	})
	const png, one = "Content-Type: image/png\r\n", "Content-Length: 1\r\n"
	for name, c := range map[string]struct {
		header string // of a request, after its first lines
		body   string
		status string
		says   string
	}{
		"no picture":   {"Content-Type: text/html\r\n" + one, "x", "415", "no picture"},
		"no type":      {one, "x", "415", "no picture"},
		"too large":    {png + fmt.Sprintf("Content-Length: %d\r\n", largest+1), "x", "413", "256 MB"},
		"foreign page": {png + one + "Origin: https://evil.example\r\n", "x", "403", "cross-origin"},
		"cut chunk":    {png + "Transfer-Encoding: chunked\r\n", "ff\r\nhalf", "400", "broke off"},
		"cut":          {png + "Content-Length: 1000\r\n", "half", "400", "broke off"},
	} {
		t.Run(name, func(t *testing.T) {
			host := page.Listener.Addr().String()
			conn, err := net.Dial("tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = fmt.Fprintf(conn, "POST /uploads HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", host, c.header, c.body)
			_ = conn.(*net.TCPConn).CloseWrite() // nothing more comes
			a, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			said, _ := io.ReadAll(a.Body)
			if !strings.HasPrefix(a.Status, c.status) || !strings.Contains(string(said), c.says) {
				t.Errorf("%s: %s", a.Status, said)
			}
			if left := uploaded(t, folder); len(left) > 0 {
				t.Errorf("%v are left", left)
			}
		})
	}
}

// Of the gateway one is given a job's events, and of the folder results: nothing else, and never the token.
func TestNothingElse(t *testing.T) {
	var asked []string
	page, folder := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		for name := range r.Header {
			if name == "Cookie" || name == "X-Foreign" {
				t.Errorf("the gateway is sent the visitor's %s", name)
			}
		}
		_, _ = io.WriteString(w, r.Header.Get("Authorization")[:len("Bearer ")])
	})
	for name, text := range map[string]string{"in/secret": "s", "out/a.webp": "a", "out/.siren": "s"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, status := range map[string]int{
		"/": 200, "/results/a.webp": 200, "/results/b.webp": 404, "/results/.siren": 404, "/results/": 404,
		"/results/..%2fin%2fsecret": 404, "/in/secret": 404, "/results/%2f": 404,
		"/jobs/one.a-B_9/events": 200, "/jobs/..%2flanes/events": 404, "/jobs/x%3fy/events": 404,
		"/jobs/one": 404, "/jobs/one/retry": 404,
	} {
		q, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, page.URL+path, nil)
		q.Header = http.Header{"Cookie": {"visitor=1"}, "X-Foreign": {"1"}}
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(a.Body)
		a.Body.Close()
		if a.StatusCode != status || strings.Contains(string(said), token) {
			t.Errorf("%s: %s: %s; want %d", path, a.Status, said, status)
		}
	}
	if len(asked) != 1 || asked[0] != "/v1/jobs/one.a-B_9/events" {
		t.Errorf("the gateway was asked %v", asked)
	}
}

// A gateway that is busy, or answers 409, is asked again under the same key; a refusal's reason is passed on.
func TestEnqueue(t *testing.T) {
	var keys []string
	page, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		switch len(keys) {
		case 1, 2:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusConflict}[len(keys)-1])
			_, _ = io.WriteString(w, `{}`)
		case 3:
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"id":"one"}`)
		default:
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"detail":"the storage isn't listed"}`)
		}
	})
	for _, says := range []string{`"job":"one"`, "try it again later"} {
		a, err := http.Post(page.URL+"/uploads", "image/png", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(a.Body)
		a.Body.Close()
		if !strings.Contains(string(said), says) {
			t.Errorf("%s: %s, want %s", a.Status, said, says)
		}
	}
	if len(keys) != 4 || keys[0] == "" || keys[1] != keys[0] || keys[2] != keys[0] || keys[3] == keys[0] {
		t.Errorf("keys: %q; want one for each upload", keys)
	}
}
