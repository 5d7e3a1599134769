// Package ops is what a machine asks a worker or scaler: /metrics, /livez and /readyz over HTTP.
//
// It owns the HTTP server and nothing of what it shows: metrics come from a Gatherer, liveness and readiness from two
// functions of the process.
package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Probe answers whether the process is well; its error says what is wrong, without secrets.
type Probe func() error

// longestWait bounds what a probe may be asked to wait.
const longestWait = time.Minute

// Handler serves /metrics, /livez and /readyz. A probe with ?wait=10s answers as soon as all is well, and says what is
// wrong only after that time: so a process that is just starting isn't reported as unhealthy.
func Handler(metrics prometheus.Gatherer, live, ready Probe) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.Handle("GET /livez", probe(live))
	mux.Handle("GET /readyz", probe(ready))
	return mux
}

func probe(p Probe) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wait, _ := time.ParseDuration(r.URL.Query().Get("wait")) // 0 when it isn't there
		if err := await(r.Context(), p, min(wait, longestWait)); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// await returns nil once all is well, else what was wrong last.
func await(ctx context.Context, p Probe, wait time.Duration) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(wait)
	for {
		err := p()
		if err == nil || wait <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-late:
			return err
		case <-ticker.C:
		}
	}
}

// Server is a running HTTP server.
type Server struct {
	Addr string // where it listens, with the real port
	http *http.Server
	stop context.CancelFunc // has probes answer that wait
	done chan struct{}
}

// Listen binds addr (port 0: any free one) and serves h until Stop.
func Listen(addr string, h http.Handler, log *slog.Logger) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and probes: %w; choose another address with --listen", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		Addr: l.Addr().String(), stop: stop, done: make(chan struct{}),
		http: &http.Server{
			Handler: h, ReadHeaderTimeout: 5 * time.Second,
			BaseContext: func(net.Listener) context.Context { return ctx },
		},
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics and probes stopped", "error", err)
		}
	}()
	return s, nil
}

// Stop closes the server; requests under way get until ctx ends.
func (s *Server) Stop(ctx context.Context) error {
	s.stop()
	err := s.http.Shutdown(ctx)
	<-s.done
	return err
}
