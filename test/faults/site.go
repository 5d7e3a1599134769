package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/procs"
)

// lease is how long a claim is good for without a renewal. Nothing is retried or taken over for long here: a run has
// few minutes.
const lease = 5 * time.Second

// policy is what all processes follow. The pools are frozen, since their workers are started here: so each can be
// broken by itself. What a killed worker was running counts as a crash of that job, and innocent ones may meet several:
// only those of lane trial are given up soon.
const policy = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s, reserve: 1, maxRuntime: 1m, maxCrashes: 50,
     retry: &often {attempts: 50, first: 1s, factor: 1.5, max: 5s}}
  - {name: standard, startWithin: 30s, maxRuntime: 1m, maxCrashes: 50, retry: *often}
  - {name: trial, match: ["trial=true"], startWithin: 5m, maxRuntime: 1m, maxCrashes: 2, retry: *often}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, maxRuntime: 1m, maxCrashes: 50, retry: *often,
     promote: {after: 30s, to: standard}}
pools:
  - {name: general, lanes: [express, standard, trial], guests: [bulk], slots: 1, shoulder: {express: 1}, max: 3,
     frozen: true}
  - {name: batch, lanes: [bulk], slots: 1, max: 1, frozen: true}
budget: 4
timing: {lease: %s, coldStart: 1s}
broker: {queueType: %s}
storage:
  - {prefix: "file://%s/in/", read: true}
  - {prefix: "file://%s/out/", read: true, write: true}
  - {prefix: "s3://faults/", read: true, write: true}
`

// site is one run's Siren: servers, processes, and the connections between them.
type site struct {
	dir      string // in/, out/, log/, scratch/, rabbitmq/, redis/
	siren    string
	log      *slog.Logger
	rabbitmq *procs.Server
	redis    *procs.Server
	net      *network
	workers  []*process
	scalers  []*process
	disk     *disk   // the scratch disk of the first worker
	bucket   *bucket // a quarter of the outputs goes there
	expected expected
	queues   []string // names of all, once the fleet is there

	brokerVersion, redisVersion, ffmpegVersion, sirenVersion string
}

// openSite makes a site in a folder of its own and has it filled. On an error nothing is left of it.
func openSite(ctx context.Context, o options, fill func(*site) error) (*site, error) {
	dir, err := os.MkdirTemp("", "siren-faults-")
	if err != nil {
		return nil, err
	}
	s := &site{log: o.log, siren: o.siren, dir: dir, net: newNetwork()}
	if err := fill(s); err != nil {
		err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		_ = os.RemoveAll(s.dir)
		return nil, err
	}
	return s, nil
}

// open makes all that a run needs: folders, inputs, a small disk, servers.
func (s *site) open(ctx context.Context, o options) (err error) {
	if err := s.found(ctx, o); err != nil {
		return err
	}
	if s.disk, err = mountDisk(filepath.Join(s.dir, "scratch", "w1")); err != nil {
		return err
	}
	var group errgroup.Group
	group.Go(func() error { return s.serve(ctx) })
	group.Go(func() (err error) {
		s.bucket, err = startBucket(ctx, s.dir)
		return err
	})
	group.Go(func() (err error) {
		s.expected, err = prepare(ctx, s.siren, filepath.Join(s.dir, "in"), filepath.Join(s.dir, "reference"))
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return s.versions(ctx)
}

// found lays out the folders and the policy, and builds siren unless that is given.
func (s *site) found(ctx context.Context, o options) error {
	for _, d := range []string{"in", "out", "log", "scratch", "reference"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o755); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(policy, lease, o.queueType, s.dir, s.dir)
	if err := os.WriteFile(s.policy(), []byte(text), 0o644); err != nil {
		return err
	}
	if s.siren != "" {
		return nil
	}
	s.siren = filepath.Join(s.dir, "siren")
	return build(ctx, s.siren)
}

// build builds siren.
func build(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path,
		"github.com/polyglot-media/siren/cmd/siren").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build siren: %w\n%s", err, out)
	}
	return nil
}

// serve starts both servers, with their data in the folder.
func (s *site) serve(ctx context.Context) (err error) {
	if s.redis, err = procs.StartRedis(ctx, procs.ServerOptions{Dir: s.dir}); err != nil {
		return err
	}
	s.rabbitmq, err = procs.StartRabbitMQ(ctx, procs.ServerOptions{Dir: s.dir})
	return err
}

func (s *site) policy() string { return filepath.Join(s.dir, "siren.yaml") }
func (s *site) out() string    { return filepath.Join(s.dir, "out") }

func (s *site) places() places {
	return places{
		input: "file://" + s.dir + "/in/", output: "file://" + s.out() + "/",
		bucket: "s3://" + bucketName + "/",
	}
}

// close ends everything that still runs.
func (s *site) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var problems []error
	for _, p := range append(s.workers, s.scalers...) {
		p.end()
	}
	s.net.close()
	for _, server := range []*procs.Server{s.rabbitmq, s.redis} {
		if server != nil {
			problems = append(problems, server.Stop(ctx))
		}
	}
	if s.bucket != nil {
		s.bucket.stop()
	}
	if s.disk != nil {
		problems = append(problems, s.disk.unmount())
	}
	return errors.Join(problems...)
}

// versions asks everybody who they are.
func (s *site) versions(ctx context.Context) error {
	conn, err := amqp.Dial(s.rabbitmq.URL)
	if err != nil {
		return err
	}
	s.brokerVersion, _ = conn.Properties["version"].(string)
	if err := conn.Close(); err != nil {
		return err
	}
	r, err := s.redisClient()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	info, err := r.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	s.redisVersion = after(info, "redis_version:")
	if v := after(info, "valkey_version:"); v != "" {
		s.redisVersion = "Valkey " + v
	}
	out, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output()
	if err != nil {
		return err
	}
	s.ffmpegVersion = after(string(out), "ffmpeg version ")
	out, err = exec.CommandContext(ctx, s.siren, "version").Output()
	s.sirenVersion = strings.TrimSpace(string(out))
	return err
}

// after returns the word that follows mark in the text; "" without one.
func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	word, _, _ := strings.Cut(rest+" ", " ")
	word, _, _ = strings.Cut(word, "\n")
	return strings.TrimSpace(word)
}

// redisClient goes straight to Redis, past all proxies.
func (s *site) redisClient() (*goredis.Client, error) {
	o, err := goredis.ParseURL(s.redis.URL)
	if err != nil {
		return nil, err
	}
	return goredis.NewClient(o), nil
}
