package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/gateway"
	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/ops"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/client"
)

// Gateway is the HTTP gateway, in this process.
type Gateway struct {
	Address  string       // where it listens for requests; port 0: any free one
	Listener net.Listener // that it listens on instead; nil: none
	Listen   string       // address of metrics and probes; "": there are none
	Guard    auth.Guard
	Bounds   gateway.Bounds
	Outputs  []string // origins from which the web page may show what jobs made
	Version  string   // of Siren
	// how long it goes on answering, as not ready, once it was told to stop: until nobody sends it requests any more
	StopDelay time.Duration
	At        reach.Endpoints
	Log       *slog.Logger
}

// stopWithin is how long requests that are being answered may take once a gateway was told to stop.
const stopWithin = 10 * time.Second

// Run answers requests until ctx ends, and then those that have begun.
func (f Gateway) Run(ctx context.Context) error {
	l, err := f.listener() // before it is said to be ready
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	store, err := f.At.Store(f.Log)
	if err != nil {
		return err
	}
	defer store.Close()
	store.FollowClock(ctx)
	publish, err := f.At.Broker(store.Now, "gateway "+processName(), f.Log)
	if err != nil {
		return err
	}
	defer publish.Close()
	registry := newRegistry()
	go func() { _ = publish.Wait(ctx) }() // who isn't ready before is sent no job, for which it would connect
	if f.Listen != "" {
		redislink.RegisterRefusals(registry, store)
		server, err := ops.Listen(f.Listen, ops.Handler(registry, alive,
			readyUntil(ctx, readyOnce(publish, store))), f.Log)
		if err != nil {
			return err
		}
		defer func() { stopServer(server) }()
		f.Log.Info("metrics and probes", "address", server.Addr)
	}
	return f.answer(ctx, l, f.gateway(store, publish, gateway.NewMetrics(registry)))
}

// listener returns what requests come from.
func (f Gateway) listener() (net.Listener, error) {
	if f.Listener != nil {
		return f.Listener, nil
	}
	l, err := net.Listen("tcp", f.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for requests: %w; choose another address with --address", err)
	}
	return l, nil
}

// gateway makes what answers requests.
func (f Gateway) gateway(store *redislink.Store, publish *rabbitlink.Conn, metrics *gateway.Metrics) *gateway.Gateway {
	quiet := slog.New(slog.DiscardHandler) // what goes wrong is answered
	return gateway.New(gateway.Options{
		House: gateway.House{
			Producer: client.Over(publish, store, f.Log),
			Ledger:   jobledger.New(store, quiet), Board: redis.NewBoard(store, quiet),
			Roster: redis.NewRoster(store, quiet), Tunings: redis.NewTunings(store, quiet),
			Efforts: redis.NewEfforts(store), Once: redis.NewOnce(store), Now: store.Now,
			Blocked: func() string { return blocked(publish) },
			History: redis.NewHistory(store),
			Connect: func(ctx context.Context, name string) (*rabbitlink.Conn, error) {
				return f.At.Connect(ctx, store.Now, "gateway "+name, f.Log)
			},
		},
		Guard: f.Guard, Bounds: f.Bounds, Metrics: metrics, Outputs: f.Outputs, Version: f.Version, Log: f.Log,
	})
}

// answer answers what comes from l until ctx ends and the delay is over, and then what has begun.
func (f Gateway) answer(ctx context.Context, l net.Listener, g *gateway.Gateway) error {
	server := &http.Server{
		Handler: leaving(ctx, g), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	f.Log.Info("answering requests", "address", l.Addr().String())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-served:
		return err
	case <-time.After(f.StopDelay):
	}
	g.Stop()
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := server.Shutdown(late); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// leaving closes each connection behind its next answer once ctx has ended: whoever keeps connections goes elsewhere
// with the next request. On one that is kept, a request might come at the moment in which the server closes it.
func leaving(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// blocked says why the broker takes nothing from a connection now; "" when it does, or there is none.
func blocked(c *rabbitlink.Conn) (why string) {
	if s := c.Current(); s != nil {
		why, _ = s.Block()
	}
	return why
}
