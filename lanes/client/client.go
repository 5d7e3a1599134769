// Package client is for producers: it puts jobs into their lanes and tells what became of them.
//
//	c, err := client.New(client.Options{AMQPURL: os.Getenv("SIREN_AMQP_URL"), RedisURL: os.Getenv("SIREN_REDIS_URL")})
//	…
//	defer c.Close()
//	id, err := c.Enqueue(ctx, job.Job{
//		Kind: "thumbnail", Labels: map[string]string{"tier": "premium"},
//		Input: "s3://media-in/a.mp4", Output: "s3://media-out/a.jpg",
//	})
//	…
//	record, err := c.Wait(ctx, id)
//
// A job's lane follows from its labels by the policy in force. Producers in other languages publish the same JSON to
// the exchange siren.jobs with a lane's name as routing key; they need nothing of this package.
//
// The package knows jobs and records. How messages travel is internal/rabbit's, how records are kept internal/redis'.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/work"
)

// Errors that a caller branches on; test for them with errors.Is.
var (
	// ErrUncertain: the broker didn't confirm in time, so the job may or may not run. Enqueue it again with the same
	// id: a job that arrived twice runs once.
	ErrUncertain = confirms.ErrUnconfirmed
	// ErrNotFound: there is no record of that job, or not any more.
	ErrNotFound = redislink.ErrNotFound
	// ErrNoPolicy: no scaler has published a policy yet, and none was given in Options.
	ErrNoPolicy = errors.New("no policy is in force yet: start `siren scaler` (or `siren up`), or give the client a " +
		"policy")
)

const (
	policyFor    = 5 * time.Second // how long the client goes by the policy that it last read
	policyWithin = time.Second     // how long a call waits for a newer one
)

// Options says which broker and store a Client is for.
type Options struct {
	AMQPURL  string        // amqp:// or amqps://user:password@host:port/vhost; several hosts with commas between them
	RedisURL string        // redis://, rediss:// or redis+sentinel://
	Name     string        // shown in the broker's list of connections; "siren client" when empty
	Policy   *lanes.Policy // to classify by, and with the presets; nil: the policy in force, read from Redis
	Log      *slog.Logger  // nil: nothing is logged
	AnyKind  bool          // also send jobs of kinds that aren't in lanes/kinds: those of workers of your own

	// AMQPTLS and RedisTLS are for amqps:// and rediss:// URLs: the CAs to trust, the certificate to show. nil: the CAs
	// of the system, and no certificate.
	AMQPTLS  *tls.Config
	RedisTLS *tls.Config
}

// Client puts jobs into lanes. It is safe for concurrent use; its connections are made at their first use and again
// whenever they are lost.
type Client struct {
	conn    *rabbitlink.Conn
	publish *confirms.Publisher
	store   *redislink.Store
	ledger  *jobledger.Ledger
	board   *redis.Board
	log     *slog.Logger
	given   bool // the policy was given: it isn't read again
	anyKind bool

	clock sync.Once // the first enqueue begins to follow Redis' clock

	mu     sync.Mutex
	rules  *rules
	readAt time.Time
}

// rules is what the client goes by: a policy, with its selectors compiled.
type rules struct {
	*lanes.Classifier
	policy *lanes.Policy
}

func newRules(p *lanes.Policy) (*rules, error) {
	classify, err := lanes.NewClassifier(p)
	if err != nil {
		return nil, err
	}
	return &rules{classify, p}, nil
}

// New makes a Client. It does no I/O: the error says that an option is malformed.
func New(o Options) (*Client, error) { return open(o) }

func open(o Options, more ...redislink.Option) (*Client, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Name == "" {
		o.Name = "siren client"
	}
	c := &Client{log: o.Log, anyKind: o.AnyKind}
	var err error
	if o.Policy != nil {
		if c.rules, err = newRules(o.Policy); err != nil {
			return nil, err
		}
		c.given = true
	}
	if c.store, err = redislink.Open(o.RedisURL, o.Log,
		append(more, redislink.WithTLS(always(o.RedisTLS)))...); err != nil {
		return nil, err
	}
	if c.conn, err = rabbitlink.Open(rabbitlink.Options{
		URL: o.AMQPURL, Name: o.Name, Log: o.Log,
		TLS: always(o.AMQPTLS), Now: c.store.Now,
	}); err != nil {
		return nil, errors.Join(err, c.store.Close())
	}
	c.attach()
	return c, nil
}

// Over makes a Client over connections that the caller has, and closes. Nothing else may publish over conn.
func Over(conn *rabbitlink.Conn, store *redislink.Store, log *slog.Logger) *Client {
	c := &Client{conn: conn, store: store, log: log}
	c.attach()
	return c
}

func (c *Client) attach() {
	c.publish = confirms.NewPublisher(c.conn, 0)
	c.ledger, c.board = jobledger.New(c.store, c.log), redis.NewBoard(c.store, c.log)
}

// always returns the function that gives each dial the same TLS settings; nil for nil.
func always(c *tls.Config) func() (*tls.Config, error) {
	if c == nil {
		return nil
	}
	return func() (*tls.Config, error) { return c, nil }
}

// Close ends the client's connections.
func (c *Client) Close() error {
	c.conn.Close()
	return c.store.Close()
}

// Now returns the time by Redis' clock, which a job's times go by. Count a deadline (ExpiresAt) from it, in case this
// machine's clock is wrong. The first call takes a second at most; without Redis it returns this machine's time.
func (c *Client) Now(ctx context.Context) time.Time {
	c.clock.Do(func() { c.store.FollowClock(ctx) })
	return c.store.Now()
}

// Outcome is what became of one job of a batch.
type Outcome struct {
	ID        string // the job's, made when it had none
	Lane      string
	Known     bool  // a job with this id was enqueued before; it runs once, so this one may never run
	Duplicate bool  // an earlier job has the same dedupKey: ID is that one's, and this one isn't enqueued
	Err       error // nil: the broker has confirmed the job
}

// Enqueue puts a job into the lane that its labels choose and returns its id; a job without one gets a new id that
// sorts by time. A job with a preset is sent with the params that this stands for (job.Job.Expand). A job whose kind,
// preset or params are wrong (work.BadInput) isn't sent. With a dedupKey that an earlier job has it is that one's id,
// and nothing is enqueued. Without an error the broker has confirmed the job. See ErrUncertain for the error that isn't
// a plain no.
func (c *Client) Enqueue(ctx context.Context, j job.Job) (id string, err error) {
	o := c.EnqueueBatch(ctx, []job.Job{j})[0]
	return o.ID, o.Err
}

// EnqueueBatch enqueues many jobs in a window of confirms: far faster than one by one. The outcomes are in the order of
// the jobs, each with an error of its own.
func (c *Client) EnqueueBatch(ctx context.Context, jobs []job.Job) []Outcome {
	b := &batch{jobs: slices.Clone(jobs), outcomes: make([]Outcome, len(jobs)), same: map[int]int{}}
	r, err := c.inForce(ctx)
	now := c.Now(ctx)
	for i := range b.jobs {
		j := &b.jobs[i]
		if err != nil {
			b.outcomes[i] = Outcome{ID: j.ID, Err: err}
			continue
		}
		if j.ID == "" {
			j.ID = job.NewID(now)
		}
		o := &b.outcomes[i]
		o.ID = j.ID
		o.Lane, o.Err = r.Place(j.Labels, j.Priority)
		expanded, bad := j.Expand(r.policy)
		if *j = expanded; bad != nil {
			o.Err = work.Fail(work.BadInput, bad)
		} else if bad := c.check(*j); bad != nil {
			o.Err = bad
		}
	}
	c.dedup(ctx, b)
	c.publishAll(ctx, b, now)
	c.enqueued(ctx, b)
	b.follow()
	return b.outcomes
}

// check refuses a job that can never work, as far as can be known here: a worker would refuse it with the same words,
// and it would be a dead letter.
func (c *Client) check(j job.Job) error {
	if _, err := job.Encode(j); err != nil {
		return err
	}
	if c.anyKind && !slices.Contains(kinds.Names(), j.Kind) {
		return nil
	}
	for _, at := range []struct{ what, url string }{{"input", j.Input}, {"output", j.Output}} {
		if at.url == "" {
			return work.Fail(work.BadInput, fmt.Errorf("%s is missing: give a URL", at.what))
		}
		if _, err := location.Parse(at.url); err != nil {
			return work.Fail(work.BadInput, fmt.Errorf("%s: %w", at.what, err))
		}
	}
	return work.Fail(work.BadInput, kinds.Check(j.Kind, j.Params, j.Output))
}

// publishAll records and publishes the jobs of the batch that are to be.
func (c *Client) publishAll(ctx context.Context, b *batch, now time.Time) {
	var entries []wire.Entry
	var records []work.Delivery
	var at []int
	for i, j := range b.jobs {
		o := b.outcomes[i]
		if _, follows := b.same[i]; follows || o.Err != nil || o.Duplicate {
			continue
		}
		entries = append(entries, wire.Entry{Lane: o.Lane, Job: j, EnqueuedAt: now, Priority: j.Priority})
		records = append(records, work.Delivery{Job: j, Lane: o.Lane, EnqueuedAt: now, ReadyAt: now})
		at = append(at, i)
	}
	made := c.record(ctx, records)
	for k, err := range rabbit.Enqueue(ctx, c.publish, entries) {
		o := &b.outcomes[at[k]]
		o.Err = err
		o.Known = k < len(made) && !made[k]
		if err != nil && !errors.Is(err, ErrUncertain) && k < len(made) && made[k] {
			c.withdraw(ctx, entries[k].Job.ID)
		}
	}
}

// record makes the jobs' records before they are published and says which were made by that. Without Redis there are
// none until the jobs start.
func (c *Client) record(ctx context.Context, jobs []work.Delivery) []bool {
	made, err := c.ledger.CreateAll(ctx, jobs)
	if err != nil {
		c.log.Warn("jobs have no record until they start", "jobs", len(jobs)-len(made), "error", err)
	}
	return made
}

// withdraw takes back the record of a job that wasn't published.
func (c *Client) withdraw(ctx context.Context, id string) {
	if err := c.ledger.Withdraw(context.WithoutCancel(ctx), id); err != nil {
		c.log.Warn("a job that wasn't enqueued keeps its record", "job", id, "error", err)
	}
}

// inForce returns the rules of the given policy, or of the one in force, which it reads every few seconds. An older
// policy stays in use while Redis is away, and by other calls while one call reads it again.
func (c *Client) inForce(ctx context.Context) (*rules, error) {
	c.mu.Lock()
	known := c.rules
	if c.given || known != nil && time.Since(c.readAt) < policyFor {
		c.mu.Unlock()
		return known, nil
	}
	if known != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, policyWithin)
		defer cancel()
		c.readAt = time.Now() // nobody else reads it meanwhile, nor soon after a failure
	}
	c.mu.Unlock()
	e, err := c.board.Policy(ctx)
	switch {
	case err == nil:
	case known != nil:
		c.log.Warn("going by an older policy", "error", err)
		return known, nil
	case errors.Is(err, redislink.ErrNotFound):
		return nil, ErrNoPolicy
	default:
		return nil, fmt.Errorf("read the policy in force: %w", err)
	}
	r, err := newRules(&e.Policy)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules, c.readAt = r, time.Now()
	return r, nil
}

// Policy returns the policy that the client goes by: the given one, or the one that was in force a few seconds ago. The
// error is ErrNoPolicy, or that Redis can't be read and never was.
func (c *Client) Policy(ctx context.Context) (*lanes.Policy, error) {
	r, err := c.inForce(ctx)
	if err != nil {
		return nil, err
	}
	return r.policy, nil
}

// Get returns the job's record as it is now; ErrNotFound when there is none.
func (c *Client) Get(ctx context.Context, id string) (job.Record, error) {
	return c.ledger.Get(ctx, id)
}

// Wait returns the job's record once it is completed, dead or cancelled. While Redis is away nobody can know; Wait then
// goes on when it is back, or ends with ctx and says so; the same when Redis refuses a login that it let in before.
// lanes.ErrRefused is one that it didn't. ErrNotFound is a job without a record: one that was sent by plain AMQP, or
// enqueued while Redis was away, has none until it starts. job.ErrVanished, with the record, is a job that says running
// while nothing is heard of its worker for two minutes, and which no scaler has rescued.
func (c *Client) Wait(ctx context.Context, id string) (job.Record, error) {
	var last job.Record
	var unknown error
	for r, err := range c.Watch(ctx, id) {
		switch {
		case err == nil:
			last, unknown = r, nil
		case errors.Is(err, lanes.ErrAway):
			unknown = err
			c.log.Warn("a job's outcome is unknown while Redis is away", "job", id, "error", err)
		case errors.Is(err, lanes.ErrRefused) && last.State != "": // it was let in before: the password may be changing
			unknown = err
			c.log.Warn("a job's outcome is unknown while Redis refuses this login", "job", id, "error", err)
		case ctx.Err() == nil:
			return r, err
		}
	}
	switch {
	case last.State.Final():
		return last, nil
	case unknown != nil:
		return last, fmt.Errorf("wait for job %s: %w; its outcome is unknown: %w", id, context.Cause(ctx),
			unknown)
	default:
		return last, fmt.Errorf("wait for job %s: %w", id, context.Cause(ctx))
	}
}

// Watch yields each job's record now and after every change, until all of them have ended, the loop is left, or ctx
// ends, which is then the last error. Thousands of jobs cost one subscription.
//
// Other errors don't end it: ErrNotFound (in the record only its ID) means that this job is watched no longer, and so
// does job.ErrVanished: it says running while nothing is heard of its worker for two minutes. lanes.ErrAway (the record
// is empty) means that Redis is away; it goes on when that is back.
func (c *Client) Watch(ctx context.Context, ids ...string) iter.Seq2[job.Record, error] {
	return c.ledger.Watch(ctx, ids...)
}
