package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/load"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/scaler"
	"github.com/polyglot-media/siren/test/wait"
)

// Ground is where a real fleet runs.
type Ground struct {
	Siren   string // the binary that its workers are
	AMQPURL string
	Redis   func(role string) string // its URL
	Dir     string                   // an empty folder; jobs write to it
	Cold    time.Duration            // that a worker takes to start beyond what it needs anyway
	Log     slog.Handler
}

// version is what the scaler here says it is.
const version = "replay"

// run is a real run while it lasts.
type run struct {
	Ground
	policy  *lanes.Policy
	journal journal
	board   *redis.Board
	client  *client.Client
	began   time.Time
	ids     []string
}

// Real plays the jobs on a real fleet, for so long. The policy has to choose a job's lane by the label lane, and to
// have Bucket and the ground's folder in its storage.
func Real(
	ctx context.Context, g Ground, p *lanes.Policy, jobs load.Listed, lasts time.Duration,
) (o Outcome, m Measured, err error) {
	inputs := openSlow()
	defer inputs.Close()
	worker, err := g.worker(inputs.environ())
	if err != nil {
		return o, m, err
	}
	r := &run{Ground: g, policy: p, journal: newJournal(g.Log)}
	log := slog.New(r.journal)
	store, err := redislink.Open(g.Redis(role.Operator), log)
	if err != nil {
		return o, m, err
	}
	defer store.Close()
	r.board = redis.NewBoard(store, log)
	if r.client, err = client.New(client.Options{AMQPURL: g.AMQPURL, RedisURL: g.Redis(role.Producer)}); err != nil {
		return o, m, err
	}
	defer r.client.Close()

	leading, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- serve.Local{
			Self: worker, Version: version, Policy: p, At: reach.Plain(g.AMQPURL, g.Redis(role.Scaler)),
			Workers: reach.Plain(g.AMQPURL, g.Redis(role.Worker)), Dir: filepath.Join(g.Dir, "fleet"),
			Drain: 5 * time.Second, Log: log,
			WorkerArgs: []string{"--scratch", filepath.Join(g.Dir, "scratch"), "--threads", "1"},
		}.Run(leading)
	}()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	if err = r.play(ctx, jobs, lasts); err != nil {
		return o, m, err
	}
	lives := r.journal.kept.lives()
	if m, err = r.measured(ctx); err != nil {
		return o, m, err
	}
	o, err = r.outcome(ctx, jobs, &m)
	o.Fleet, o.WorkerSeconds, o.Starts = fleetOf(lives, r.began, lasts)
	return o, m, err
}

// worker makes the program that is started as a worker: siren, after a while, with where the slow inputs are.
func (g Ground) worker(environ map[string]string) (path string, err error) {
	lines := []string{"#!/bin/sh"}
	if g.Cold > 0 {
		lines = append(lines, fmt.Sprintf("sleep %.3f", g.Cold.Seconds()))
	}
	for name, value := range environ {
		lines = append(lines, fmt.Sprintf("export %s='%s'", name, value))
	}
	lines = append(lines, fmt.Sprintf("exec '%s' \"$@\"", g.Siren), "")
	path = filepath.Join(g.Dir, "worker")
	return path, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o755)
}

// play sends the jobs when their time has come, once the fleet is at its floor, and returns when the time is over.
func (r *run) play(ctx context.Context, jobs load.Listed, lasts time.Duration) error {
	err := wait.Until(ctx, time.Minute, "the fleet to be at its floor", func() (bool, error) {
		s, err := r.board.Snapshot(ctx)
		if err != nil || len(s.Pools) != len(r.policy.Pools) {
			return false, nil //nolint:nilerr // there is none yet
		}
		return !slices.ContainsFunc(s.Pools, func(p fleet.PoolStatus) bool { return p.Ready < p.Min }), nil
	})
	if err != nil {
		return err
	}
	r.began = time.Now()
	for i, j := range jobs {
		if err := wait.Pause(ctx, time.Until(r.began.Add(j.At))); err != nil {
			return err
		}
		id, err := r.client.Enqueue(ctx, r.job(i, j))
		if err != nil {
			return fmt.Errorf("enqueue job %d: %w", i, err)
		}
		r.ids = append(r.ids, id)
	}
	return wait.Pause(ctx, time.Until(r.began.Add(lasts)))
}

func (r *run) job(i int, j sim.Job) job.Job {
	name := fmt.Sprintf("job-%d", i)
	return job.Job{
		Kind: "probe", Labels: map[string]string{"lane": r.policy.Lanes[j.Lane].Name},
		Input: object(j.Service, name), Output: "file://" + filepath.Join(r.Dir, name+".json"),
	}
}

// measured reads how long workers took to start, as the scaler has measured it, and to leave.
func (r *run) measured(ctx context.Context) (m Measured, err error) {
	text, err := r.board.Sight(ctx)
	if err != nil {
		return m, err
	}
	s, err := scaler.ReadSight(text, version)
	if err != nil {
		return m, err
	}
	var colds []time.Duration
	for _, h := range s.Before.Pools {
		colds = append(colds, h.ColdStarts...)
	}
	slices.Sort(colds)
	m.Cold = sim.Cold{Median: place(colds, 50), CV: spread(colds)}
	m.Leave = r.journal.kept.leave()
	return m, nil
}

// spread returns the coefficient of variation.
func spread(all []time.Duration) float64 {
	var sum, squares float64
	for _, d := range all {
		sum += d.Seconds()
		squares += d.Seconds() * d.Seconds()
	}
	n := float64(max(1, len(all)))
	if sum == 0 {
		return 0
	}
	return math.Sqrt(max(0, squares/n-sum*sum/n/n)) / (sum / n)
}

// outcome reads from the records how long the jobs waited and ran.
func (r *run) outcome(ctx context.Context, jobs load.Listed, m *Measured) (o Outcome, err error) {
	waits := make([][]time.Duration, len(r.policy.Lanes))
	var records []job.Record
	for i, id := range r.ids {
		rec, err := r.client.Get(ctx, id)
		if err != nil {
			return o, err
		}
		if rec.State != job.Completed || rec.Attempts != 1 {
			return o, fmt.Errorf("job %d is %s after %d attempts: %s", i, rec.State, rec.Attempts, rec.Error)
		}
		j := sim.Job{At: max(0, rec.ReadyAt.Sub(r.began)), Lane: jobs[i].Lane, Service: rec.EndedAt.Sub(rec.StartedAt)}
		m.Load = append(m.Load, j)
		waits[j.Lane] = append(waits[j.Lane], rec.Wait.D())
		records = append(records, rec)
	}
	m.Turn = turn(records, r.policy)
	for i := range m.Load {
		m.Load[i].Service += m.Turn
	}
	slices.SortStableFunc(m.Load, func(a, b sim.Job) int { return int(a.At - b.At) })
	for i, l := range r.policy.Lanes {
		slices.Sort(waits[i])
		o.Lanes = append(o.Lanes, Waits{l.Name, len(waits[i]), place(waits[i], 50), place(waits[i], 95)})
	}
	return o, nil
}

// turn returns how long a slot took from the end of a job until it had begun the next one that waited, in the mean. It
// looks at lanes without a shoulder: of the others nobody knows which slot ran them.
func turn(records []job.Record, p *lanes.Policy) time.Duration {
	byWorker := map[string][]job.Record{}
	for _, r := range records {
		shoulder := slices.ContainsFunc(p.Pools, func(q lanes.Pool) bool { return q.Shoulder[r.Lane] > 0 })
		if !shoulder {
			byWorker[r.Worker] = append(byWorker[r.Worker], r)
		}
	}
	var sum time.Duration
	n := 0
	for _, all := range byWorker {
		slices.SortFunc(all, func(a, b job.Record) int { return a.StartedAt.Compare(b.StartedAt) })
		for i, next := range all[1:] {
			// After a longer gap the slot had something else to do: another lane's job, or to be parked.
			if gap := next.StartedAt.Sub(all[i].EndedAt); next.ReadyAt.Before(all[i].EndedAt) && gap < time.Second {
				sum, n = sum+gap, n+1
			}
		}
	}
	return sum / time.Duration(max(1, n))
}
