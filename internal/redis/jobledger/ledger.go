package jobledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// Ledger keeps one record per job and grants the claims on them. It is safe for concurrent use.
//
// While Redis is away its moves return within two seconds, and once that is known at once: Claim answers Unclaimed,
// Close goes into the buffer; the others return lanes.ErrAway. It is the same while Redis refuses this login, with
// lanes.ErrRefused.
type Ledger struct {
	*jobrecord.Reader
	store  *redislink.Store
	log    *slog.Logger
	timing atomic.Pointer[lanes.Timing]
	away   *absence
	memory memory

	mu   sync.Mutex
	open map[string]opened // by job id: what runs here

	sweeping sync.Mutex
	swept    map[string]int64 // by index: how many of its oldest entries the next Sweep passes over
	enlisted int64            // how many of the oldest records the next Enlist passes over
}

// opened is a delivery that runs here.
type opened struct {
	work.Delivery
	worker  string
	began   time.Time // when it was claimed
	unheard string    // nonce of the claim that Redis didn't answer, and may yet have granted; "" when it did answer
}

// New makes a ledger with the default lease and keep. Closing the store ends it.
func New(s *redislink.Store, log *slog.Logger) *Ledger {
	l := &Ledger{
		Reader: jobrecord.NewReader(s, log), store: s, log: log,
		open: map[string]opened{}, swept: map[string]int64{}, away: newAbsence(s, log),
	}
	l.SetPolicy(&lanes.Policy{})
	l.away.onBack = l.doubt
	s.WhenOther(l.doubt)
	return l
}

// SetPolicy makes the ledger follow a policy's timing.lease and timing.keep, from the next move on.
func (l *Ledger) SetPolicy(p *lanes.Policy) {
	own := lanes.Policy{Timing: p.Timing}
	own.Default()
	l.timing.Store(&own.Timing)
}

func (l *Ledger) lease() int64 { return l.timing.Load().Lease.D().Milliseconds() }
func (l *Ledger) keep() int64  { return l.timing.Load().Keep.D().Milliseconds() }

// CreateAll makes the records of jobs that are about to be published, in a few round trips: of each delivery it takes
// Job, Lane, EnqueuedAt and ReadyAt. The answers are in the order of the jobs: false for one that has a record already,
// which stays as it is. With an error some of the records may have been made: the answers end there. lanes.ErrAway is
// no reason not to publish: the records are then made by the first claims.
func (l *Ledger) CreateAll(ctx context.Context, jobs []work.Delivery) ([]bool, error) {
	made := make([]bool, 0, len(jobs))
	for part := range slices.Chunk(jobs, jobrecord.BatchSize) {
		err := l.do(ctx, "make job records", func(ctx context.Context) error {
			some, err := l.create(ctx, part, len(made))
			made = append(made, some...)
			return err
		})
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

// create makes the records of jobs of which so many others stand before.
func (l *Ledger) create(ctx context.Context, jobs []work.Delivery, before int) ([]bool, error) {
	keys, args := make([]string, len(jobs)), make([][]any, len(jobs))
	index := make([]goredis.Z, len(jobs))
	now := l.store.Now()
	for i, d := range jobs {
		keys[i], args[i] = keyspace.Job(d.Job.ID), append(jobrecord.NewFields(d, now), "nth", before+i)
		index[i] = goredis.Z{Score: float64(keyspace.Millis(jobrecord.FirstSeen(d, now))), Member: d.Job.ID}
	}
	cmds, err := l.store.RunAll(ctx, createScript, keys, args)
	if err != nil {
		return nil, err
	}
	if err := l.store.Client().ZAddNX(ctx, keyspace.Jobs, index...).Err(); err != nil {
		return nil, err
	}
	made := make([]bool, len(jobs))
	for i, cmd := range cmds {
		made[i], _ = cmd.Bool()
	}
	return made, nil
}

// Withdraw deletes the record of a job that certainly wasn't published. A job that somebody has run stays.
func (l *Ledger) Withdraw(ctx context.Context, id string) error {
	return l.do(ctx, "withdraw job "+id, func(ctx context.Context) error {
		gone, err := withdrawScript.Run(ctx, l.store.Client(), []string{keyspace.Job(id)}).Bool()
		if err != nil || !gone {
			return err
		}
		return l.store.Client().ZRem(ctx, keyspace.Jobs, id).Err()
	})
}

// Claim asks for the right to run a delivery. For a job without a record it makes one. A job whose workers have
// vanished maxCrashes times is Poison. The answer is Unclaimed, and the error nil, when Redis is away or refuses: the
// job runs, and storage decides. An error means that this record is broken, or is ctx's.
func (l *Ledger) Claim(ctx context.Context, d work.Delivery, worker string, maxCrashes int) (work.Claim, error) {
	claim, now, nonce := work.Claim{JobID: d.Job.ID}, l.store.Now(), rand.Text()
	args := append([]any{
		keyspace.Moves(d.Job.ID), nonce, worker, l.lease(), maxCrashes, d.Copy, max(1, d.Attempt),
		d.Lane, keyspace.Millis(d.ReadyAt), d.Job.Priority,
	}, jobrecord.NewFields(d, now)...)
	var was before
	err := l.do(ctx, "claim job "+d.Job.ID, func(ctx context.Context) error {
		r, err := claimScript.Run(ctx, l.store.Client(), []string{keyspace.Job(d.Job.ID)}, args...).Slice()
		if err != nil {
			return err
		}
		claim.State = work.ClaimState(r[0].(string))
		claim.Token, claim.Attempts, claim.Crashes = r[1].(int64), int(r[2].(int64)), int(r[3].(int64))
		claim.First = r[6].(int64) == 1
		was = before{job.State(r[4].(string)), r[5].(string)}
		if claim.State == work.Buried {
			claim.Reason, claim.Error = r[7].(string), r[8].(string)
		}
		return nil
	})
	switch {
	case errors.Is(err, lanes.ErrAway), errors.Is(err, lanes.ErrRefused):
		l.remember(d, worker, nonce)
		return work.Claim{State: work.Unclaimed, JobID: d.Job.ID, Attempts: max(1, d.Attempt), First: d.Attempt <= 1},
			nil
	case err != nil:
		return work.Claim{}, err
	case claim.State == work.Granted:
		l.remember(d, worker, "")
		l.note(ctx, d)
		l.reindex(ctx, change{id: d.Job.ID, was: was, state: job.Running, enqueued: jobrecord.FirstSeen(d, now)})
	}
	return claim, nil
}

// Renew extends a claim's lease and notes the progress. The worker stops the job on work.ErrLost and on
// work.ErrCancelled (and then closes it), and when lanes.ErrAway has lasted for most of the lease. For an Unclaimed
// claim it does nothing.
func (l *Ledger) Renew(ctx context.Context, c work.Claim, p job.Progress) error {
	if c.State != work.Granted {
		return nil
	}
	doing := "renew the claim on job " + c.JobID
	err := l.do(ctx, doing, func(ctx context.Context) error {
		answer, err := l.renew(ctx, c, p)
		if err == nil && answer == "absent" { // Redis has lost its data, or the latest of it
			if err = l.adopt(ctx, c, l.running(c.JobID)); err == nil {
				answer, err = l.renew(ctx, c, p)
			}
		}
		if err != nil {
			return err
		}
		return refusal(answer)
	})
	if errors.Is(err, work.ErrLost) {
		l.forget(c.JobID)
	}
	return err
}

func (l *Ledger) renew(ctx context.Context, c work.Claim, p job.Progress) (string, error) {
	return renewScript.Run(ctx, l.store.Client(), []string{keyspace.Job(c.JobID)},
		keyspace.Moves(c.JobID), c.Token, l.lease(), keyspace.Encode(p)).Text()
}

// refusal returns the error for the one-word answer of a script.
func refusal(answer string) error {
	switch answer {
	case "ok":
		return nil
	case "cancelled":
		return work.ErrCancelled
	default:
		return work.ErrLost
	}
}

// do carries a move out, unless Redis is known to be away, and notices when it is. Errors say what was being done.
func (l *Ledger) do(ctx context.Context, doing string, move func(context.Context) error) error {
	if cause := l.away.cause(); cause != nil {
		return redislink.Failed(doing, cause)
	}
	bounded, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	err := move(bounded)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	if errors.Is(err, work.ErrLost) || errors.Is(err, work.ErrCancelled) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if isUnserved(err) {
		l.away.begin(err)
	}
	return redislink.Failed(doing, err)
}

// remember keeps what runs, so that its record can be restored should Redis lose it.
func (l *Ledger) remember(d work.Delivery, worker, unheard string) {
	d.Body, d.Receipt = nil, nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[d.Job.ID] = opened{d, worker, time.Now(), unheard}
}

func (l *Ledger) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, id)
}

func (l *Ledger) running(id string) opened {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.open[id]
	if !ok {
		d.Job.ID = id
	}
	return d
}

// adopt restores the record of a job that runs here, or ran, while Redis knows nothing of it, or nothing of its claim.
// A record with a claim says running, with the claim's token, so that it goes on counting; the caller renews or closes
// it next. work.ErrLost says that the record knows of something newer than the claim.
func (l *Ledger) adopt(ctx context.Context, c work.Claim, d opened) error {
	now := l.store.Now()
	fields := jobrecord.NewFields(d.Delivery, now)
	made := change{id: c.JobID, enqueued: jobrecord.FirstSeen(d.Delivery, now)}
	if c.State == work.Unclaimed {
		err := createScript.Run(ctx, l.store.Client(), []string{keyspace.Job(c.JobID)}, fields...).Err()
		if err != nil {
			return err
		}
	} else {
		args := append([]any{
			keyspace.Moves(c.JobID), c.Token, c.Attempts, c.Crashes, l.lease(), d.Copy, max(1, d.Attempt), d.Lane,
			d.worker, time.Since(d.began).Milliseconds(),
		}, fields...)
		r, err := adoptScript.Run(ctx, l.store.Client(), []string{keyspace.Job(c.JobID)}, args...).StringSlice()
		if err != nil {
			return err
		}
		if r[0] != "ok" {
			return work.ErrLost
		}
		made.was, made.state = before{job.State(r[1]), r[2]}, job.Running
	}
	l.reindex(ctx, made)
	l.note(ctx, d.Delivery)
	return nil
}

// note lets a malformed message be found by the id that it bears, as long as its record is kept.
func (l *Ledger) note(ctx context.Context, d work.Delivery) {
	if d.Bears == "" {
		return
	}
	if err := l.store.Client().Set(ctx, keyspace.Bears(d.Bears), d.Job.ID, l.timing.Load().Keep.D()).Err(); err != nil {
		l.log.Debug("a malformed message isn't found by the id that it bears",
			slog.String("job", d.Job.ID), slog.Any("error", err))
	}
}
