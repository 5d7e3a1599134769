package command

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
)

// manyJobs is how many jobs the lists and the bulk verbs are measured on.
const manyJobs = 50_000

// Many measures commands about fifty thousand jobs that wait in a lane: how long each takes, how many records it reads,
// and how many scripts it has run.
func Many(ctx context.Context, b *stand.Bench) ([]report.Figure, error) {
	var all []report.Figure
	commands := []struct {
		name string
		args []string
	}{
		{"jobs list", []string{"jobs", "list"}},
		{"jobs list --limit 0", []string{"jobs", "list", "--limit", "0", "-o", "name"}},
		{"jobs move", []string{"jobs", "move", "--lane", stand.BulkLane, "--to", stand.StandardLane, "--yes"}},
		{"jobs cancel", []string{"jobs", "cancel", "--lane", stand.StandardLane, "--yes"}},
	}
	for _, c := range commands {
		for _, unit := range []string{"s", "records", "scripts"} {
			all = append(all, report.Figure{Name: fmt.Sprintf("%d jobs, %s", manyJobs, c.name), Unit: unit})
		}
	}
	for run := range b.Runs {
		b.Say("%d jobs, run %d of %d", manyJobs, run+1, b.Runs)
		if err := enqueueMany(ctx, b); err != nil {
			return nil, err
		}
		for i, c := range commands {
			took, read, ran, err := counted(ctx, b, c.args...)
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
func enqueueMany(ctx context.Context, b *stand.Bench) error {
	if err := b.Raw.Purge(); err != nil {
		return err
	}
	c, err := openRedis(b)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.FlushDB(ctx).Err(); err != nil {
		return err
	}
	if b.Effective.Revision, err = redis.NewBoard(b.Store, b.Log).PublishPolicy(ctx, *b.Effective); err != nil {
		return err
	}
	jobs := make([]job.Job, 1000)
	for range manyJobs / len(jobs) {
		for i := range jobs {
			jobs[i] = job.Job{
				Kind: "probe", Labels: map[string]string{"lane": stand.BulkLane}, Input: "file:///in.mp4",
				Output: "file:///out.json",
			}
		}
		for _, o := range b.Client.EnqueueBatch(ctx, jobs) {
			if o.Err != nil {
				return o.Err
			}
		}
	}
	return nil
}

// counted runs a command, and says how long it took, how many records it read and how many scripts it had run.
func counted(ctx context.Context, b *stand.Bench, args ...string) (took time.Duration, read, ran int, err error) {
	c, err := openRedis(b)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { _ = c.Close() }()
	if err := c.ConfigResetStat(ctx).Err(); err != nil {
		return 0, 0, 0, err
	}
	cmd := b.Command(ctx, args...)
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

// openRedis returns a plain client of the private Redis.
func openRedis(b *stand.Bench) (*goredis.Client, error) {
	o, err := goredis.ParseURL(b.RedisURL)
	if err != nil {
		return nil, err
	}
	return goredis.NewClient(o), nil
}
