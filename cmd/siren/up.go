package main

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/lanes"
)

//go:embed local.yaml
var localYAML string

// localPolicy is the policy for one machine, whose jobs may read and write below dir.
func localPolicy(dir string) (*lanes.Policy, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return lanes.Parse([]byte(strings.ReplaceAll(localYAML, "@DIR@", dir)))
}

func newUp(a *app) *cobra.Command {
	var policyFile, media, data string
	var drain time.Duration
	c := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this machine until Ctrl-C",
		Long: `Run a private RabbitMQ and Redis, the scaler and its workers on this machine until
Ctrl-C. Other terminals of the same user find it by themselves: try siren lanes --watch.
With --amqp-url and --redis-url it uses those servers instead of its own.`,
		Example: `  siren up
  siren up --policy siren.yaml --data ~/siren-data`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			policy, err := policyOr(policyFile, media)
			if err != nil {
				return err
			}
			log, err := a.logger(slog.LevelInfo)
			if err != nil {
				return err
			}
			return a.up(cmd.Context(), policy, data, drain, log)
		},
	}
	f := c.Flags()
	f.StringVar(&policyFile, "policy", "", "policy file (default a built-in one: express, standard and bulk)")
	f.StringVar(&media, "media", ".", "folder that jobs may read and write under the built-in policy")
	f.StringVar(&data, "data", "", "folder that keeps queues and records from run to run (default a temporary one)")
	f.DurationVar(&drain, "drain-timeout", 30*time.Second, "how long running jobs may go on after Ctrl-C")
	return c
}

func policyOr(file, media string) (*lanes.Policy, error) {
	if file != "" {
		return lanes.Load(file)
	}
	return localPolicy(media)
}

func (a *app) up(ctx context.Context, policy *lanes.Policy, data string, drain time.Duration, log *slog.Logger) error {
	if l, ok := running(); ok && a.amqpURL == "" {
		return fmt.Errorf("`siren up` runs already (pid %d); stop it with: kill %d", l.PID, l.PID)
	}
	s, err := a.servers(ctx, data, log)
	if err != nil && ctx.Err() != nil { // Ctrl-C while they started
		return nil
	}
	if err != nil {
		return err
	}
	defer s.stop()
	forget, err := local{PID: os.Getpid(), AMQPURL: s.amqpURL, RedisURL: s.redisURL}.save()
	if err != nil {
		return fmt.Errorf("tell other terminals where the servers are: %w", err)
	}
	defer forget()
	fmt.Fprintf(a.out, `Siren is up. In another terminal:
  siren lanes --watch
  siren enqueue thumbnail --input file://$PWD/clip.mp4 --output file://$PWD/clip.jpg --label urgent=true --wait
Ctrl-C stops everything; running jobs may finish for %s.
`, lanes.Duration(drain))
	workers := data
	if data != "" {
		workers = filepath.Join(data, "fleet")
	}
	return runFleet(ctx, fleet{
		policy: policy, amqpURL: s.amqpURL, redisURL: s.redisURL, listen: "127.0.0.1:0", dir: workers, drain: drain, log: log,
	})
}

// servers is the RabbitMQ and Redis that a local fleet uses: given ones, or private ones that stop stops.
type servers struct {
	amqpURL, redisURL string
	stop              func()
}

// servers starts what isn't given by flags or the environment.
func (a *app) servers(ctx context.Context, data string, log *slog.Logger) (s servers, err error) {
	s.amqpURL, s.redisURL = or(a.amqpURL, os.Getenv("SIREN_AMQP_URL")), or(a.redisURL, os.Getenv("SIREN_REDIS_URL"))
	var started []*procs.Server
	s.stop = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		for _, server := range started {
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
		started = append(started, server)
		*url = server.URL
		return nil
	}
	if err := start(&s.redisURL, "Redis", procs.StartRedis); err != nil {
		return s, err
	}
	return s, start(&s.amqpURL, "RabbitMQ", procs.StartRabbitMQ)
}

// or is the first text that isn't empty.
func or(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
