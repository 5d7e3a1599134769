// Package serve is the processes that stay, and what they are made of: a worker; a scaler with local workers, or with
// those of Kubernetes Deployments; the private servers beside them. It puts the rooms of the architecture together:
// internal/rabbit, internal/redis, internal/kube and internal/procs/localfleet into worker and scaler.
//
// What decides anything lives in those rooms, and what a person types or reads in the commands.
package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/polyglot-media/siren/internal/ops"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// processName returns a name that is unique among all processes of all machines.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// untilSecondSignal returns a context that ends at the second SIGTERM or interrupt: the first one ended ctx.
func untilSecondSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		for range 2 {
			select {
			case <-signals:
			case <-work.Done():
				return
			}
		}
		stop()
	}()
	return work, stop
}

// newRegistry makes a registry with the metrics of the Go runtime and the process; callers add the rest.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func alive() error { return nil }

// readyOnce makes a probe that is ready from the first session with the broker on, for good: pods that aren't ready are
// deleted first. A process that RabbitMQ or Redis refuses isn't ready: so a rollout with a wrong password or too few
// rights ends with its first pod. A Redis that is away is no reason to wait.
func readyOnce(c *rabbitlink.Conn, store *redislink.Store) ops.Probe {
	var was atomic.Bool
	return func() error {
		if was.Load() {
			return nil
		}
		if !c.Up() {
			return errors.Join(errors.New("no session with RabbitMQ yet"), c.Refusal())
		}
		if err := store.Refusal(); err != nil {
			return err
		}
		was.Store(true)
		return nil
	}
}

// readyUntil makes a probe that is as another until ctx ends, and not ready from then on: requests go elsewhere.
func readyUntil(ctx context.Context, ready ops.Probe) ops.Probe {
	return func() error {
		if ctx.Err() != nil {
			return errors.New("it was told to stop")
		}
		return ready()
	}
}

// stopServer ends the metrics and probes; nil has none.
func stopServer(s *ops.Server) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.Stop(ctx)
}
