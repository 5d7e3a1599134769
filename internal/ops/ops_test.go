package ops_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/polyglot-media/siren/internal/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServer(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "siren_test_total", Help: "A counter."})
	registry.MustRegister(counter)
	counter.Inc()
	ready := errors.New("no session with the broker yet")
	s, err := ops.Listen("127.0.0.1:0", ops.Handler(registry, func() error {
		return nil
	}, func() error { return ready }), slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	get := func(path string) (int, string) {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + s.Addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}

	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, "siren_test_total 1") {
		t.Errorf("/metrics: %d %q", code, body)
	}
	if code, body := get("/livez"); code != 200 || body != "ok\n" {
		t.Errorf("/livez: %d %q", code, body)
	}
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "no session with the broker yet") {
		t.Errorf("/readyz while not ready: %d %q", code, body)
	}
	ready = nil
	if code, _ := get("/readyz"); code != 200 {
		t.Errorf("/readyz once ready: %d", code)
	}
	if code, _ := get("/elsewhere"); code != 404 {
		t.Errorf("/elsewhere: %d", code)
	}
}

func TestListenSaysWhatToDo(t *testing.T) {
	s, err := ops.Listen("127.0.0.1:0", http.NotFoundHandler(), slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	if _, err := ops.Listen(s.Addr, http.NotFoundHandler(), slog.Default()); err == nil ||
		!strings.Contains(err.Error(), "--listen") {
		t.Errorf("listening twice on %s: %v", s.Addr, err)
	}
}

// A probe that waits isn't told of what passes meanwhile, and holds up nothing at the end.
func TestProbeWaits(t *testing.T) {
	var ready atomic.Bool
	s, err := ops.Listen("127.0.0.1:0", ops.Handler(prometheus.NewRegistry(), func() error { return nil },
		func() error {
			if !ready.Load() {
				return errors.New("no session with the broker yet")
			}
			return nil
		}), slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	get := func(query string) int {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + s.Addr + "/readyz" + query)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for _, query := range []string{"", "?wait=1ms", "?wait=soon", "?wait=-1s"} {
		if code := get(query); code != http.StatusServiceUnavailable {
			t.Errorf("%q while not ready: %d", query, code)
		}
	}
	answers := make(chan int)
	go func() { answers <- get("?wait=1m") }()
	ready.Store(true)
	if code := <-answers; code != http.StatusOK {
		t.Errorf("once ready: %d", code)
	}
	ready.Store(false)
	go func() { answers <- get("?wait=1m") }()
	time.Sleep(50 * time.Millisecond) // on its way, most likely
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	<-answers
}
