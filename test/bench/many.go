package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/job"
)

// manyJobs is how many jobs the lists and the bulk verbs are measured on.
const manyJobs = 50_000

// many measures commands about fifty thousand jobs that wait in a lane: how long each takes, how many records it reads,
// and how many scripts it has run.
func (b *bench) many(ctx context.Context) ([]figure, error) {
	var all []figure
	commands := []struct {
		name string
		args []string
	}{
		{"jobs list", []string{"jobs", "list"}},
		{"jobs list --limit 0", []string{"jobs", "list", "--limit", "0", "-o", "name"}},
		{"jobs move", []string{"jobs", "move", "--lane", bulkLane, "--to", standardLane, "--yes"}},
		{"jobs cancel", []string{"jobs", "cancel", "--lane", standardLane, "--yes"}},
	}
	for _, c := range commands {
		for _, unit := range []string{"s", "records", "scripts"} {
			all = append(all, figure{Name: fmt.Sprintf("%d jobs, %s", manyJobs, c.name), Unit: unit})
		}
	}
	for run := range b.runs {
		b.say("%d jobs, run %d of %d", manyJobs, run+1, b.runs)
		if err := b.enqueueMany(ctx); err != nil {
			return nil, err
		}
		for i, c := range commands {
			took, read, ran, err := b.counted(ctx, c.args...)
			if err != nil {
				return nil, err
			}
			for j, v := range []float64{took.Seconds(), float64(read), float64(ran)} {
				all[3*i+j].Siren = append(all[3*i+j].Siren, v)
			}
		}
	}
	return all, nil
}

// enqueueMany forgets all jobs, and fills a lane.
func (b *bench) enqueueMany(ctx context.Context) error {
	if err := b.raw.purge(); err != nil {
		return err
	}
	c, err := b.redis()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.FlushDB(ctx).Err(); err != nil {
		return err
	}
	if b.effective.Revision, err = redis.NewBoard(b.store, b.log).PublishPolicy(ctx, *b.effective); err != nil {
		return err
	}
	jobs := make([]job.Job, 1000)
	for range manyJobs / len(jobs) {
		for i := range jobs {
			jobs[i] = job.Job{
				Kind: "probe", Labels: map[string]string{"lane": bulkLane}, Input: "file:///in.mp4",
				Output: "file:///out.json",
			}
		}
		for _, o := range b.client.EnqueueBatch(ctx, jobs) {
			if o.Err != nil {
				return o.Err
			}
		}
	}
	return nil
}

// counted runs a command, and says how long it took, how many records it read and how many scripts it had run.
func (b *bench) counted(ctx context.Context, args ...string) (took time.Duration, read, ran int, err error) {
	c, err := b.redis()
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { _ = c.Close() }()
	if err := c.ConfigResetStat(ctx).Err(); err != nil {
		return 0, 0, 0, err
	}
	cmd := exec.CommandContext(ctx, b.siren, args...)
	cmd.Env = append(os.Environ(), "SIREN_AMQP_URL="+b.amqpURL, "SIREN_REDIS_URL="+b.redisURL)
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, 0, 0, fmt.Errorf("siren %v: %w", args, err)
	}
	took = time.Since(began)
	info, err := c.Info(ctx, "commandstats").Result()
	for _, found := range regexp.MustCompile(`cmdstat_(\w+):calls=(\d+)`).FindAllStringSubmatch(info, -1) {
		calls, _ := strconv.Atoi(found[2])
		switch found[1] {
		case "hgetall":
			read = calls
		case "evalsha", "eval":
			ran += calls
		}
	}
	return took, read, ran, err
}

// redis returns a plain client of the private Redis.
func (b *bench) redis() (*goredis.Client, error) {
	o, err := goredis.ParseURL(b.redisURL)
	if err != nil {
		return nil, err
	}
	return goredis.NewClient(o), nil
}
