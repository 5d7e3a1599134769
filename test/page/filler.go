package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// largePolicy has a dozen lanes and half as many pools.
func largePolicy() (*lanes.Policy, error) {
	var b strings.Builder
	b.WriteString("lanes:\n")
	for i := range 12 {
		match := ""
		if i > 0 {
			match = fmt.Sprintf(`match: ["lane=%d"], `, i)
		}
		fmt.Fprintf(&b, "  - {name: lane-%02d, %sstartWithin: %ds}\n", i, match, 10*(i+1))
	}
	b.WriteString("pools:\n")
	for i := range 6 {
		fmt.Fprintf(&b, "  - {name: pool-%d, lanes: [lane-%02d, lane-%02d], slots: 2, max: 5000}\n", i, 2*i, 2*i+1)
	}
	b.WriteString("budget: 30000\n")
	return lanes.Parse([]byte(b.String()))
}

// filler writes what a large fleet has in Redis, as scaler, workers and ledger would.
type filler struct {
	of     scale
	store  *redislink.Store
	policy *lanes.Policy
	began  time.Time
}

func newFiller(ctx context.Context, url string, of scale) (*filler, error) {
	store, err := redislink.Open(url, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	p, err := largePolicy()
	if err != nil {
		return nil, err
	}
	return &filler{of, store, p, time.Now()}, store.Ping(ctx)
}

// fill writes the policy, six hours of history, the records and the first heartbeats.
func (f *filler) fill(ctx context.Context) error {
	board, history := redis.NewBoard(f.store, slog.Default()), redis.NewHistory(f.store)
	if _, err := board.PublishPolicy(ctx, lanes.Effective{Policy: *f.policy}); err != nil {
		return err
	}
	for back := redis.HistoryKeep; back > 0; back -= 10 * time.Second {
		if err := history.Note(ctx, f.snapshot(f.began.Add(-back))); err != nil {
			return err
		}
	}
	const batch = 5000
	for from := 0; from < f.of.Records; from += batch {
		if err := f.records(ctx, from, min(from+batch, f.of.Records)); err != nil {
			return err
		}
	}
	return f.beat(ctx, 0)
}

// id names a job; the one of 0 is the newest.
func (f *filler) id(i int) string { return fmt.Sprintf("job-%07d", f.of.Records-i) }

// at is when a job was enqueued: ten each second.
func (f *filler) at(i int) time.Time { return f.began.Add(-time.Duration(i) * 100 * time.Millisecond) }

// state is a job's state: the newest run, as many as there are slots for; a few wait; of the others some are dead.
func (f *filler) state(i int) job.State {
	switch {
	case i < f.of.Workers:
		return job.Running
	case i < f.of.Workers+f.of.Records/50:
		return job.Queued
	case i%50 == 0:
		return job.Dead
	}
	return job.Completed
}

// records writes some of the records, and what leads to them.
func (f *filler) records(ctx context.Context, from, to int) error {
	_, err := f.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		var all, dead, running []goredis.Z
		for i := from; i < to; i++ {
			id, at, state := f.id(i), f.at(i), f.state(i)
			fields := jobrecord.NewFields(work.Delivery{
				Job: job.Job{
					ID: id, Kind: "transcode", Input: "s3://uploads/2026/" + id + ".mov",
					Output: "s3://media/2026/" + id + ".mp4",
					Labels: map[string]string{"customer": "c" + strconv.Itoa(i%97), "tier": "premium"},
				},
				Lane: f.policy.Lanes[i%len(f.policy.Lanes)].Name, EnqueuedAt: at,
			}, at)
			fields = append(fields, "state", string(state)) // the last one counts
			z := goredis.Z{Score: float64(at.UnixMilli()), Member: id}
			all = append(all, z)
			if state != job.Queued {
				fields = append(fields, "started", at.Add(time.Second).UnixMilli(), "wait", 1000, "attempts", 1,
					"worker", f.worker(i))
			}
			switch state {
			case job.Running:
				running = append(running, z)
				fields = append(fields, "progress", `{"fraction":0.42,"note":"encoding"}`)
			case job.Dead:
				dead = append(dead, z)
				fields = append(fields, "reason", []string{"bad input", "poison", "timeout"}[i%3], "error",
					"moov atom not found")
				fallthrough
			case job.Completed:
				fields = append(fields, "ended", at.Add(20*time.Second).UnixMilli())
			}
			p.HSet(ctx, keyspace.Job(id), fields...)
		}
		for key, entries := range map[string][]goredis.Z{
			keyspace.Jobs: all, keyspace.Dead: dead, keyspace.Running: running,
		} {
			if len(entries) > 0 {
				p.ZAdd(ctx, key, entries...)
			}
		}
		return nil
	})
	return err
}

// worker names the worker of a job.
func (f *filler) worker(i int) string {
	n := i % f.of.Workers
	return fmt.Sprintf("pool-%d-6f9c7d-%05d", n%len(f.policy.Pools), n)
}

// beat writes the heartbeats of all workers, each of which runs a job.
func (f *filler) beat(ctx context.Context, turn int) error {
	all := make([]any, 0, 2*f.of.Workers)
	now := time.Now()
	for n := range f.of.Workers {
		hb := fleet.Heartbeat{
			Worker: f.worker(n), Pool: f.policy.Pools[n%len(f.policy.Pools)].Name, Began: f.began.Add(-time.Hour),
			Version: "1.0.0", Revision: 1, Slots: 2, Subscribed: true, Host: f.worker(n), Cores: 4,
			Computing: 1.2 + float64((n+turn)%5)/10,
			Running: []fleet.Run{{
				Job: f.id(n), Lane: f.policy.Lanes[n%len(f.policy.Lanes)].Name, Since: f.at(n).Add(time.Second),
				Predicted: lanes.Duration(time.Minute),
			}},
			Lanes: map[string]fleet.LaneWork{"lane-00": {
				Started: int64(turn), Waits: make([]int64, fleet.RecentWaits),
			}},
		}
		all = append(all, hb.Worker, fmt.Sprintf("%d %s", now.UnixMilli(), keyspace.Encode(hb)))
	}
	for some := range slices.Chunk(all, 2000) {
		if err := f.store.Client().HSet(ctx, keyspace.Workers, some...).Err(); err != nil {
			return err
		}
	}
	return redis.NewBoard(f.store, slog.Default()).PutSnapshot(ctx, f.snapshot(now))
}

// keepBeating has all workers beat, and the scaler say what it sees, each second.
func (f *filler) keepBeating(ctx context.Context) error {
	for turn := 1; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		if err := f.beat(ctx, turn); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// snapshot is what the scaler of such a fleet sees.
func (f *filler) snapshot(at time.Time) fleet.Snapshot {
	s := fleet.Snapshot{At: at.UTC(), Leader: "siren-scaler-0", Revision: 1, Budget: f.of.Workers}
	for i, l := range f.policy.Lanes {
		wait := time.Duration(at.Unix()/10*7919%(int64(l.StartWithin.D().Seconds())+2)) * time.Second
		s.Lanes = append(s.Lanes, fleet.LaneStatus{
			Name: l.Name, Ready: f.of.Records / 50 / len(f.policy.Lanes), Busy: f.of.Workers / len(f.policy.Lanes),
			Slots: f.of.Workers / 6, InPerMin: 50, OutPerMin: 49 + float64(i), OldestWait: lanes.Duration(wait),
			P95Wait: lanes.Duration(wait / 2), StartWithin: l.StartWithin, Started: 250, InTime: 249,
			Service: lanes.Duration(20 * time.Second),
		})
	}
	for _, p := range f.policy.Pools {
		n := f.of.Workers / len(f.policy.Pools)
		s.Pools = append(s.Pools, fleet.PoolStatus{
			Name: p.Name, Lanes: p.Lanes, Replicas: n, Ready: n, Slots: 2 * n, Busy: n, Max: p.Max, Wanted: n,
			Target: n, Reason: fleet.Busy, Why: fmt.Sprintf("%d running jobs", n),
		})
	}
	return s
}

// memory returns how much memory Redis has taken, in bytes.
func (f *filler) memory(ctx context.Context) (int64, error) {
	said, err := f.store.Client().Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(said) {
		if rest, ok := strings.CutPrefix(line, "used_memory:"); ok {
			return strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
		}
	}
	return 0, nil
}
