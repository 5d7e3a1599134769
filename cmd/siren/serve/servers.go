package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/lanes/role"
)

// restartAfter is the pause before a private server that died is started again.
const restartAfter = time.Second

// Servers is the RabbitMQ and Redis that a local fleet uses: given ones, or private ones, which Stop ends.
type Servers struct {
	AMQPURL  string
	RedisURL string            // with the login of an operator, if the Redis is a private one
	Private  []*servers.Server // that were started here
	Stop     func()

	Logins map[string]string // of a private Redis: by role, its URL
}

// RedisFor returns the URL of Redis with the login of the role. A given Redis has one for all.
func (s Servers) RedisFor(role string) string { return cmp.Or(s.Logins[role], s.RedisURL) }

// startRedis starts a private Redis with a user for each role.
func (s *Servers) startRedis(ctx context.Context, o servers.Options) (*servers.Server, error) {
	logins := access.NewLogins()
	o.Config += logins.Config()
	server, err := servers.StartRedis(ctx, o)
	if err != nil {
		return nil, err
	}
	s.Logins = map[string]string{}
	for _, role := range access.Roles() {
		if s.Logins[role], err = logins.URL(role, server.URL); err != nil {
			return nil, errors.Join(err, server.Stop(ctx))
		}
	}
	return server, nil
}

// StartServers starts what isn't given, and starts it again when it dies, until Stop is called. The URLs stay the same.
// That it takes a while to start one is said.
func StartServers(
	ctx context.Context, given Servers, data string, said io.Writer, log *slog.Logger,
) (s Servers, err error) {
	s = given
	tendCtx, endTending := context.WithCancel(context.WithoutCancel(ctx))
	var tending sync.WaitGroup
	s.Stop = func() {
		endTending()
		tending.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		for _, server := range s.Private {
			if err := server.Stop(ctx); err != nil {
				log.Warn("stop a server", "error", err)
			}
		}
	}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	start := func(url *string, name string, with func(context.Context, servers.Options) (*servers.Server,
		error),
	) error {
		if *url != "" {
			return nil
		}
		fmt.Fprintf(said, "starting a private %s …\n", name)
		server, err := with(ctx, servers.Options{Dir: data, Log: log})
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		s.Private = append(s.Private, server)
		*url = server.URL
		tending.Go(func() { tend(tendCtx, server, name, log) })
		return nil
	}
	if err := start(&s.RedisURL, "Redis", s.startRedis); err != nil {
		return s, err
	}
	s.RedisURL = s.RedisFor(role.Operator)
	return s, start(&s.AMQPURL, "RabbitMQ", servers.StartRabbitMQ)
}

// tend starts a server again whenever it ends by itself, with its data, on the same port.
func tend(ctx context.Context, server *servers.Server, name string, log *slog.Logger) {
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
