package system_test

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
)

// web is a server on loopback that jobs must not reach, and on the public address, where they may fetch and are sent on
// to where they mustn't be.
type web struct {
	port   int
	public string // URL, without a slash at its end
	inner  atomic.Int64
}

// isolated reports whether there is a public address at all.
func (w *web) isolated() bool { return public != "localhost" }

// serve starts the server; clip is what it has to give.
func serve(t *testing.T, clip []byte) *web {
	t.Helper()
	w := &web{}
	send := func(r http.ResponseWriter, _ *http.Request) { _, _ = r.Write(clip) }
	mux := http.NewServeMux()
	mux.HandleFunc("/clip.mp4", send)
	mux.HandleFunc("/inner.mp4", func(r http.ResponseWriter, q *http.Request) {
		w.inner.Add(1)
		send(r, q)
	})
	for path, to := range map[string]string{
		"/to-private": "http://10.1.2.3/x.mp4", "/to-metadata": "http://169.254.169.254/latest/meta-data/x",
		"/to-outside": "http://example.com/x.mp4",
	} {
		mux.Handle(path, http.RedirectHandler(to, http.StatusFound))
	}
	mux.HandleFunc("/to-loopback", func(r http.ResponseWriter, q *http.Request) {
		http.Redirect(r, q, fmt.Sprintf("http://localhost:%d/inner.mp4", w.port), http.StatusFound)
	})
	server := &http.Server{Handler: mux}
	t.Cleanup(func() { _ = server.Close() })
	listen := func(address string) {
		l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(w.port)))
		if err != nil {
			t.Fatal(err)
		}
		w.port = l.Addr().(*net.TCPAddr).Port
		go func() { _ = server.Serve(l) }()
	}
	listen("127.0.0.1")
	if w.isolated() {
		listen(public)
	} else {
		t.Log("no network of our own can be made here: redirects are sent from loopback, which no policy can name")
	}
	w.public = fmt.Sprintf("http://%s:%d", public, w.port)
	return w
}

// storage allows what a policy may name of it.
func (w *web) storage() (rules []string) {
	if w.isolated() {
		rules = append(rules, fmt.Sprintf(`  - {prefix: "%s/", read: true}`, w.public))
	}
	return rules
}

// refused returns what is said of a redirect to an internal address.
func (w *web) refused(says string) string {
	if w.isolated() {
		return says
	}
	return "is outside the storage"
}
