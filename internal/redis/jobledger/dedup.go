package jobledger

import (
	"context"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes/job"
)

// reservedFor is how long a dedup key is reserved for a job that isn't known to be enqueued yet: longer than a publish
// takes.
const reservedFor = time.Minute

// Reservation is what a job's dedup key says.
type Reservation struct {
	First   string // id of the first job with the key: the job's own, or that of an earlier one
	Pending bool   // the earlier one isn't known to be enqueued yet
}

// Reserve asks, for jobs with a dedup key, which is the first with that key; a job that is has the key for a minute.
// Whoever enqueues it then says KeepKeys, or ReleaseKey. The answers are in the order of the jobs; each key is to be
// there once.
func (l *Ledger) Reserve(ctx context.Context, jobs []job.Job) ([]Reservation, error) {
	answers := make([]Reservation, 0, len(jobs))
	window := func(job.Job) any { return reservedFor.Milliseconds() }
	err := l.keyed(ctx, "look up dedup keys", reserveScript, jobs, window, func(c *goredis.Cmd) error {
		r, err := c.StringSlice()
		if err == nil {
			answers = append(answers, Reservation{First: r[1], Pending: r[0] == "pending"})
		}
		return err
	})
	return answers, err
}

// KeepKeys keeps the dedup keys of jobs that are enqueued, each for the job's window.
func (l *Ledger) KeepKeys(ctx context.Context, jobs []job.Job) error {
	err := l.keepKeys(ctx, jobs, 0)
	if err == nil {
		l.memory.keptKeys(jobs)
	}
	return err
}

// keepKeys keeps dedup keys of jobs that were enqueued so long ago.
func (l *Ledger) keepKeys(ctx context.Context, jobs []job.Job, ago time.Duration) error {
	window := func(j job.Job) any {
		whole := j.DedupWindow.D()
		if whole == 0 {
			whole = job.DefaultDedupWindow
		}
		return max(1, (whole - ago).Milliseconds())
	}
	return l.keyed(ctx, "keep dedup keys", keepKeyScript, jobs, window, (*goredis.Cmd).Err)
}

// ReleaseKey gives the dedup key of a job back that certainly wasn't enqueued.
func (l *Ledger) ReleaseKey(ctx context.Context, j job.Job) error {
	doing, nothing := "release the dedup key of job "+j.ID, func(job.Job) any { return 0 }
	return l.keyed(ctx, doing, releaseKeyScript, []job.Job{j}, nothing, (*goredis.Cmd).Err)
}

// keyed runs a script on the dedup key of each of the jobs, with the job's id and one more argument.
func (l *Ledger) keyed(
	ctx context.Context, doing string, script *goredis.Script, jobs []job.Job,
	more func(job.Job) any, read func(*goredis.Cmd) error,
) error {
	for part := range slices.Chunk(jobs, jobrecord.BatchSize) {
		keys, args := make([]string, len(part)), make([][]any, len(part))
		for i, j := range part {
			keys[i], args[i] = keyspace.Dedup(j.DedupKey), []any{j.ID, more(j)}
		}
		err := l.do(ctx, doing, func(ctx context.Context) error {
			cmds, err := l.store.RunAll(ctx, script, keys, args)
			for _, c := range cmds {
				if err == nil {
					err = read(c)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
