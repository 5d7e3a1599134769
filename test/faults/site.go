package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/test/binary"
)

// lease is how long a claim is good for without a renewal. Nothing is retried or taken over for long here: a run has
// few minutes.
const lease = 5 * time.Second

// policy is what all processes follow. The pools are held, since their workers are started here: so each can be broken
// by itself. What a killed worker was running counts as a crash of that job, and innocent ones may meet several: only
// those of lane trial are given up soon.
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
     held: true}
  - {name: batch, lanes: [bulk], slots: 1, max: 1, held: true}
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
	dir      string // in/, out/, log/, scratch/, reference/, rabbitmq/, redis/, s3/
	siren    string // the binary
	log      *slog.Logger
	rabbitmq *procs.Server
	redis    *procs.Server
	net      *network
	workers  []*process
	scalers  []*process
	disk     *disk    // the scratch disk of the first worker
	bucket   *bucket  // where outputs may go beside out/
	queues   []string // names of all, once the fleet is there
}

// siteOptions says what a site is like.
type siteOptions struct {
	queueType string // of the policy
	siren     string // the binary; "": it is built
	log       *slog.Logger
}

// openSite makes a site with its folders, policy and siren, in a folder of its own, and has it filled. On an error
// nothing is left of it.
func openSite(ctx context.Context, o siteOptions, fill func(*site) error) (*site, error) {
	dir, err := os.MkdirTemp("", "siren-faults-")
	if err != nil {
		return nil, err
	}
	s := &site{log: o.log, siren: o.siren, dir: dir, net: newNetwork()}
	if err = s.found(ctx, o.queueType); err == nil {
		err = fill(s)
	}
	if err != nil {
		err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		_ = os.RemoveAll(s.dir)
		return nil, err
	}
	return s, nil
}

// found lays out the folders and the policy, and builds siren unless that is given.
func (s *site) found(ctx context.Context, queueType string) error {
	for _, d := range []string{"in", "out", "log", "scratch", "reference"} {
		if err := os.Mkdir(s.path(d), 0o755); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(policy, lease, queueType, s.dir, s.dir)
	if err := os.WriteFile(s.policy(), []byte(text), 0o644); err != nil {
		return err
	}
	if s.siren != "" {
		return nil
	}
	s.siren = s.path("siren")
	return binary.Build(ctx, s.siren)
}

// equip makes all that a fleet needs: servers, a bucket, a small disk.
func (s *site) equip(ctx context.Context) (err error) {
	if s.disk, err = mountDisk(s.path("scratch", workerNames[0])); err != nil {
		return err
	}
	var group errgroup.Group
	group.Go(func() error { return s.serve(ctx) })
	group.Go(func() (err error) {
		s.bucket, err = startBucket(ctx, s.dir)
		return err
	})
	return group.Wait()
}

// serve starts both servers, with their data in the folder.
func (s *site) serve(ctx context.Context) (err error) {
	if s.redis, err = procs.StartRedis(ctx, procs.ServerOptions{Dir: s.dir}); err != nil {
		return err
	}
	s.rabbitmq, err = procs.StartRabbitMQ(ctx, procs.ServerOptions{Dir: s.dir})
	return err
}

// path returns a path in the site's folder.
func (s *site) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

func (s *site) policy() string { return s.path("siren.yaml") }

// outputDirs returns the folders where outputs come to be seen.
func (s *site) outputDirs() []string { return []string{s.path("out"), s.bucket.dir} }

// close ends everything that still runs.
func (s *site) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var problems []error
	for _, p := range slices.Concat(s.workers, s.scalers) {
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
