package redislink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

// ErrNotFound is a job, log, policy or snapshot that isn't there (any more).
var ErrNotFound = errors.New("not found")

// ErrRefused is the lanes.ErrRefused of a Redis.
var ErrRefused = fmt.Errorf("%w by Redis", lanes.ErrRefused)

// ErrCluster is a Redis Cluster. It is a lanes.ErrRefused: it doesn't become another Redis by itself.
var ErrCluster error = isCluster{}

type isCluster struct{}

func (isCluster) Error() string {
	return "it is a Redis Cluster, which answers for a part of the keys only, and Siren asks one primary for " +
		"everything; use a Redis with cluster mode off"
}

func (isCluster) Unwrap() error { return lanes.ErrRefused }

// Store is the connection to one Redis, shared by ledger, roster, board and tunings. It is safe for concurrent use.
type Store struct {
	client goredis.UniversalClient
	remote *remote
	log    *slog.Logger
	clock  clock

	life context.Context // ends with Close
	end  context.CancelFunc

	mu   sync.Mutex     // orders spawn before Close
	work sync.WaitGroup // goroutines that Close waits for
}

// Open prepares a store for redis://user:password@host:6379/0, rediss://… (TLS) or
// redis+sentinel://user:password@host1:26379,host2:26379/mastername?db=0. Of several hosts, and of several addresses of
// one, the primary counts. It does no I/O: the first call does. The error says that the URL is malformed, or not one
// for TLS; it doesn't cite it.
func Open(url string, log *slog.Logger, options ...Option) (*Store, error) {
	r := &remote{log: log, pace: pace{lookEvery, nameEvery, nameAgain, maxAge}}
	for _, o := range options {
		o(r)
	}
	var err error
	if r.opened, err = r.parse(url); err != nil {
		return nil, err
	}
	logLibrary(log)
	life, end := context.WithCancel(context.Background())
	s := &Store{client: r.client(), remote: r, log: log, life: life, end: end, clock: clock{own: time.Now}}
	if r.clock != nil {
		s.clock.own = r.clock
	}
	r.spawn, r.attend = s.Spawn, s.attend
	return s, nil
}

// Client returns go-redis' client of the store. Only the store closes it.
func (s *Store) Client() goredis.UniversalClient { return s.client }

// Ping checks that Redis answers, and can be written to.
func (s *Store) Ping(ctx context.Context) error {
	return Failed("ping Redis", s.client.Ping(ctx).Err())
}

// WhenOther has tell called, at once and by one caller at a time, whenever a new connection is to another server than
// the one before it: a replica that was promoted, which may lack the latest writes, or a Redis that was restarted. One
// function can be told.
func (s *Store) WhenOther(tell func()) {
	s.remote.mu.Lock()
	defer s.remote.mu.Unlock()
	s.remote.other = tell
}

// Close ends the store's goroutines and connections. What a ledger still buffers is lost, with a warning: see
// Ledger.Flush.
func (s *Store) Close() error {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.work.Wait()
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close the connections to Redis: %w", err)
	}
	return nil
}

// Spawn runs a goroutine that ends with the store. Once that is closed it runs none, and is false.
func (s *Store) Spawn(work func(life context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return false
	}
	s.work.Go(func() { work(s.life) })
	return true
}

// Failed wraps an error of Redis with what was being done: lanes.ErrAway beside the cause when Redis can't be reached
// or can't serve, lanes.ErrRefused when it doesn't let this login. nil stays nil.
func Failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCluster):
		return fmt.Errorf("%s: %w", doing, err)
	case IsRefused(err):
		return fmt.Errorf("%s: %w (%w)", doing, ErrRefused, err)
	case IsAway(err):
		return fmt.Errorf("%s: %w (%w)", doing, lanes.ErrAway, explain(err))
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// unable are the replies of a Redis that is there but can't serve right now: it may by itself, or once it is repaired.
// Any other error reply, but for a refusal, is the fault of the command.
var unable = []string{
	"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "OOM", "BUSY",
	"ERR max number of clients", "UNKILLABLE",
}

// refusals are the replies of a Redis that doesn't let this login in, or doesn't let it do this: outside of a script,
// and in one of Redis 7.0.
var refusals = []string{"NOAUTH", "WRONGPASS", "NOPERM", "ERR The user executing the script can't "}

// IsAway reports whether err says that Redis can't be reached or can't serve right now.
func IsAway(err error) bool {
	for _, verdict := range []error{nil, context.Canceled, ErrNotFound} {
		if errors.Is(err, verdict) {
			return false
		}
	}
	var reply goredis.Error
	if !errors.As(err, &reply) {
		return !IsRefused(err) // the network, a timeout, no connection free
	}
	return begins(reply, unable)
}

// IsRefused reports whether err says that this login is refused by Redis, or by the sentinels that say where it is.
func IsRefused(err error) bool {
	var reply goredis.Error
	return errors.Is(err, lanes.ErrRefused) || errors.As(err, &reply) && begins(reply, refusals)
}

func begins(reply error, with []string) bool {
	return slices.ContainsFunc(with, func(w string) bool { return strings.HasPrefix(reply.Error(), w) })
}

// RunAll runs the script once for each of the keys in one round trip (two when Redis doesn't know the script yet).
// Each command carries its own result or error.
func (s *Store) RunAll(
	ctx context.Context, script *goredis.Script, keys []string, args [][]any,
) ([]*goredis.Cmd, error) {
	cmds := make([]*goredis.Cmd, len(keys))
	_, err := s.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, key := range keys {
			cmds[i] = script.EvalSha(ctx, p, []string{key}, args[i]...)
		}
		return nil
	})
	if !goredis.HasErrorPrefix(err, "NOSCRIPT") && !errors.Is(err, goredis.ErrNoScript) {
		return cmds, err
	}
	_, err = s.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, key := range keys {
			if cmds[i].Err() != nil {
				cmds[i] = script.Eval(ctx, p, []string{key}, args[i]...)
			}
		}
		return nil
	})
	return cmds, err
}

// Where returns the addresses, host:port, that the URL says now, which are the sentinels' where there are any, and
// whether it asks for TLS.
func (s *Store) Where() (addresses []string, secure bool, err error) {
	at, err := s.remote.now()
	return at.Addrs, at.Secure, err
}

// Login returns the user whom Redis takes us for. Where it doesn't say, it is the one in the URL.
func (s *Store) Login(ctx context.Context) string {
	if name, err := s.client.Do(ctx, "ACL", "WHOAMI").Text(); err == nil {
		return name
	}
	if at, err := s.remote.now(); err == nil && at.User != "" {
		return at.User
	}
	return "default"
}

// refused notes what Redis refuses to this login.
type refused struct {
	count  atomic.Int64
	latest atomic.Pointer[error] // nil once it has done something since
}

func (r *refused) note(err error) {
	switch {
	case err == nil:
		r.latest.Store(nil)
	case IsRefused(err):
		r.count.Add(1)
		r.latest.Store(&err)
	}
}

// Refusal returns the ErrRefused that Redis answered last; nil when it has done since what it was asked, or has never
// refused anything.
func (s *Store) Refusal() error {
	if err := s.remote.refusals.latest.Load(); err != nil {
		return Failed("Redis", *err)
	}
	return nil
}

// RegisterRefusals registers a metric of what Redis refuses to this login.
func RegisterRefusals(r prometheus.Registerer, s *Store) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "siren", Subsystem: "redis", Name: "refused_total",
		Help: "Commands and logins that Redis has refused to this process's user: it lacks rights of its role, " +
			"or its password is wrong.",
	}, func() float64 { return float64(s.remote.refusals.count.Load()) }))
}

const clockWithin = time.Second // an answer that took longer says too little

// clock is this machine's, put right by Redis': the times in headers and heartbeats are compared between machines,
// whose clocks may differ.
type clock struct {
	own   func() time.Time
	ahead atomic.Int64 // nanoseconds by which Redis' clock is ahead; 0 while that is less than can be told
}

// Now returns the time by Redis' clock, as far as it is known: soon after the first connection, or see FollowClock;
// this machine's otherwise.
func (s *Store) Now() time.Time { return s.clock.own().Add(time.Duration(s.clock.ahead.Load())) }

// FollowClock looks at Redis' clock now; the store does so again every few seconds until it is closed. While Redis is
// away what was last seen stands.
func (s *Store) FollowClock(ctx context.Context) { s.look(ctx) }

// set takes what an answer says, unless it took too long.
func (c *clock) set(theirs, asked time.Time, took time.Duration) {
	if took <= clockWithin {
		c.ahead.Store(int64(ahead(theirs, asked, took)))
	}
}

// ahead returns how far their clock is ahead of the one that says when they were asked and how long the answer took. A
// difference that the round trip can explain counts as none.
func ahead(theirs, asked time.Time, took time.Duration) time.Duration {
	d := theirs.Sub(asked.Add(took / 2))
	if d.Abs() <= took/2+time.Millisecond {
		return 0
	}
	return d
}
