package snippets

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// Trouble is a proxy before a gateway. To the first request that sends something it says 503, and carries out the
// second without answering it. It cuts off the first that asks for something, and the answer to the second. Then it
// lets everything pass.
type Trouble struct {
	URL     string
	server  *http.Server
	gateway *httputil.ReverseProxy

	mu    sync.Mutex
	asked int
	sent  []sent
}

// sent is a request that sends something.
type sent struct {
	at  time.Time
	key string
}

// Begin starts a proxy before the gateway at that URL. The caller stops it with Close.
func Begin(gateway string) (*Trouble, error) {
	to, err := url.Parse(gateway)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Trouble{URL: "http://" + listener.Addr().String(), gateway: httputil.NewSingleHostReverseProxy(to)}
	t.server = &http.Server{Handler: t}
	go func() { _ = t.server.Serve(listener) }()
	return t, nil
}

// Close stops the proxy.
func (t *Trouble) Close() { _ = t.server.Close() }

func (t *Trouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch n := t.count(r); {
	case r.Method == http.MethodPost && n == 1:
		w.Header().Set("Retry-After", "1")
		http.Error(w, `{"title":"Service Unavailable","status":503}`, http.StatusServiceUnavailable)
	case r.Method == http.MethodPost && n == 2:
		t.gateway.ServeHTTP(silent{http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case r.Method == http.MethodGet && n == 1:
		panic(http.ErrAbortHandler)
	case r.Method == http.MethodGet && n == 2:
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: job\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		t.gateway.ServeHTTP(w, r)
	}
}

// count counts a request, of those that send something or of the others.
func (t *Trouble) count(r *http.Request) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Method != http.MethodPost {
		t.asked++
		return t.asked
	}
	t.sent = append(t.sent, sent{at: time.Now(), key: r.Header.Get("Idempotency-Key")})
	return len(t.sent)
}

// Survived returns the key under which a program has sent its job, and an error unless it has met all of the trouble,
// has waited as it was told to, and has sent its job three times under that one key.
func (t *Trouble) Survived() (key string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.sent) < 3 || t.asked < 3 {
		return "", fmt.Errorf("it has sent its job %d times and asked for it %d times, want at least 3",
			len(t.sent), t.asked)
	}
	key = t.sent[0].key
	var errs []error
	for i, s := range t.sent[:3] {
		if s.key == "" || s.key != key {
			errs = append(errs, fmt.Errorf("the %d. time it has sent its job with the key %q, and before with %q", i+1,
				s.key, key))
		}
	}
	if waited := t.sent[1].at.Sub(t.sent[0].at); waited < time.Second {
		errs = append(errs, fmt.Errorf("it came again after %s; Retry-After was 1", waited))
	}
	return key, errors.Join(errs...)
}

// silent is an answer that nobody hears.
type silent struct{ header http.Header }

func (s silent) Header() http.Header         { return s.header }
func (s silent) Write(b []byte) (int, error) { return len(b), nil }
func (s silent) WriteHeader(int)             {}
