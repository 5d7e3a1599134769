// Package site is the fleet that is broken: private servers, scalers and workers that are started again whenever they
// end, and the links between them, each through a proxy. It knows no fault, and of jobs only how many messages there
// are.
package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/binary"
	"github.com/polyglot-media/siren/test/cluster"
)

// Lease is how long a claim is good for without a renewal. Nothing is retried or taken over for long here: a run has
// few minutes.
const Lease = 5 * time.Second

// policy is what all processes follow. Two pools are frozen, since their workers are started here: so each can be
// broken by itself. Pool elastic is the scalers'; nobody works in pool shelf, whose lane former has a queue type of its
// own. What a killed worker was running counts as a crash of that job, and innocent ones may meet several: only those
// of lane trial are given up soon.
const policy = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s, reserve: 1, maxRuntime: 1m, maxCrashes: 50,
     retry: &often {attempts: 50, first: 1s, factor: 1.5, max: 5s}}
  - {name: standard, startWithin: %s, maxRuntime: 1m, maxCrashes: 50, retry: *often}
  - {name: trial, match: ["trial=true"], startWithin: 5m, maxRuntime: 1m, maxCrashes: 2, retry: *often}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, maxRuntime: 1m, maxCrashes: 50, retry: *often,
     promote: {after: 30s, to: standard}}
  - {name: surge, match: ["surge=true"], startWithin: 10s, maxRuntime: 1m, maxCrashes: 50, retry: *often}
  - {name: kept, match: ["kept=true"], startWithin: 30m, maxRuntime: 1m, maxCrashes: 50, retry: *often}
  - {name: spare, match: ["spare=true"], startWithin: 30m, maxRuntime: 1m, maxCrashes: 50, retry: *often}
  - {name: former, match: ["former=true"], startWithin: 30m, maxRuntime: 1m, maxCrashes: 50, retry: *often,
     queueType: %s}
pools:
  - {name: general, lanes: [express, standard, trial], guests: [bulk], slots: 1, shoulder: {express: 1}, max: 3,
     frozen: true}
  - {name: batch, lanes: [bulk], slots: 1, max: 1, frozen: true}
  - {name: elastic, lanes: [surge], slots: 1, max: %d, hold: 6s}
  - {name: shelf, lanes: [kept, spare, former], slots: 1, max: 1, frozen: true}
budget: 6
timing: {lease: %s, coldStart: 1s}
broker: {queueType: %s}
storage:
  - {prefix: "file://%s/in/", read: true}
  - {prefix: "file://%s/out/", read: true, write: true}
  - {prefix: "s3://faults/", read: true, write: true}
`

// Site is one run's Siren: servers, processes, and the connections between them.
type Site struct {
	Dir       string // in/, out/, log/, scratch/, reference/, s3/, and one for each server
	Siren     string // the binary
	Log       *slog.Logger
	RabbitMQ  *servers.Server
	Redis     *servers.Server
	Cluster   *cluster.Cluster // instead of RabbitMQ
	Sentinels *cluster.Redis   // instead of Redis
	Net       *network
	Workers   []*Process
	Scalers   []*Process
	Disk      *disk    // the scratch disk of the first worker
	Bucket    *bucket  // where outputs may go beside out/
	queues    []string // names of all, once the fleet is there
	clustered bool
	queueType string
}

// Options says what a site is like.
type Options struct {
	QueueType string // of the policy
	Clustered bool   // a RabbitMQ of three nodes, and a Redis with a replica and Sentinels
	Siren     string // the binary; "": it is built
	Log       *slog.Logger
}

// Open makes a site with its folders, policy and siren, in a folder of its own, and has it filled. On an error
// nothing is left of it.
func Open(ctx context.Context, o Options, fill func(*Site) error) (*Site, error) {
	dir, err := os.MkdirTemp("", "siren-faults-")
	if err != nil {
		return nil, err
	}
	s := &Site{Log: o.Log, Siren: o.Siren, Dir: dir, Net: newNetwork(), clustered: o.Clustered}
	if err = s.found(ctx, o.QueueType); err == nil {
		err = fill(s)
	}
	if err != nil {
		err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		_ = os.RemoveAll(s.Dir)
		return nil, err
	}
	return s, nil
}

// found lays out the folders and the policy, and builds siren unless that is given.
func (s *Site) found(ctx context.Context, queueType string) error {
	for _, d := range []string{"in", "out", "log", "scratch", "reference"} {
		if err := os.Mkdir(s.Path(d), 0o755); err != nil {
			return err
		}
	}
	s.queueType = queueType
	if err := s.WritePolicy(30*time.Second, queueType); err != nil {
		return err
	}
	if s.Siren != "" {
		return nil
	}
	s.Siren = s.Path("siren")
	return binary.Build(ctx, s.Siren)
}

// Equip makes all that a fleet needs: servers, a bucket, a small disk.
func (s *Site) Equip(ctx context.Context) (err error) {
	if s.Disk, err = mountDisk(s.Path("scratch", WorkerNames[0])); err != nil {
		return err
	}
	var group errgroup.Group
	group.Go(func() error { return s.Serve(ctx) })
	group.Go(func() (err error) {
		s.Bucket, err = startBucket(ctx, s.Dir)
		return err
	})
	return group.Wait()
}

// Path returns a path in the site's folder.
func (s *Site) Path(names ...string) string {
	return filepath.Join(append([]string{s.Dir}, names...)...)
}

// OtherType returns the type that queues don't have here.
func (s *Site) OtherType() string {
	if s.queueType == lanes.Classic {
		return lanes.Quorum
	}
	return lanes.Classic
}

// WritePolicy writes the policy, with this objective for lane standard and this type for the queue of lane former.
// Scalers read it when they start.
func (s *Site) WritePolicy(objective time.Duration, former string) error {
	text := fmt.Sprintf(policy, objective, former, MostSized, Lease, s.queueType, s.Dir, s.Dir)
	next := s.policy() + ".new"
	if err := os.WriteFile(next, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(next, s.policy())
}

func (s *Site) policy() string { return s.Path("siren.yaml") }

// OutputDirs returns the folders where outputs come to be seen.
func (s *Site) OutputDirs() []string { return []string{s.Path("out"), s.Bucket.Dir} }

// Close ends everything that still runs.
func (s *Site) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var problems []error
	for _, p := range slices.Concat(s.Workers, s.Scalers) {
		p.end()
	}
	for _, p := range s.Sized() { // which outlive a scaler for a while
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
	s.Net.close()
	problems = append(problems, s.stopServers(ctx))
	if s.Bucket != nil {
		s.Bucket.stop()
	}
	if s.Disk != nil {
		problems = append(problems, s.Disk.unmount())
	}
	return errors.Join(problems...)
}
