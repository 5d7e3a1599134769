package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/procs"
)

// restartAfter is the pause before a private server that died is started again.
const restartAfter = time.Second

// servers is the RabbitMQ and Redis that a local fleet uses: given ones, or private ones, which stop ends.
type servers struct {
	amqpURL, redisURL string
	private           []*procs.Server
	stop              func()
}

// servers starts what isn't given, and starts it again when it dies, until stop is called. The URLs stay the same.
func (a *app) servers(ctx context.Context, given servers, data string, log *slog.Logger) (s servers, err error) {
	s = given
	tendCtx, endTending := context.WithCancel(context.WithoutCancel(ctx))
	var tending sync.WaitGroup
	s.stop = func() {
		endTending()
		tending.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		for _, server := range s.private {
			if err := server.Stop(ctx); err != nil {
				log.Warn("stop a server", "error", err)
			}
		}
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	start := func(url *string, name string, with func(context.Context, procs.ServerOptions) (*procs.Server, error)) error {
		if *url != "" {
			return nil
		}
		fmt.Fprintf(a.err, "starting a private %s …\n", name)
		server, err := with(ctx, procs.ServerOptions{Dir: data, Log: log})
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		s.private = append(s.private, server)
		*url = server.URL
		tending.Go(func() { tend(tendCtx, server, name, log) })
		return nil
	}
	if err := start(&s.redisURL, "Redis", procs.StartRedis); err != nil {
		return s, err
	}
	return s, start(&s.amqpURL, "RabbitMQ", procs.StartRabbitMQ)
}

// tend starts a server again whenever it ends by itself, with its data, on the same port.
func tend(ctx context.Context, server *procs.Server, name string, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-server.Done():
		}
		log.Warn("a private server died; starting it again", "server", name)
		for server.Restart(ctx) != nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(restartAfter):
			}
		}
		if ctx.Err() == nil {
			log.Info("a private server is back", "server", name)
		}
	}
}
