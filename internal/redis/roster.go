package redis

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// forgetAfter is how long a worker that fell silent stays on the roster: far longer than a goneAfter is of use, so that
// whoever reads the roster decides what gone means. A goneAfter beyond it acts as if it were this long.
const forgetAfter = 10 * time.Minute

// mostNames is far more than the names of all lanes, pools and hosts: names that come and go aren't kept for ever.
const mostNames = 100_000

// parkLease is how long a worker stays parked without the leader saying so again: a few ticks.
const parkLease = 5 * time.Second

// Roster keeps the workers' heartbeats and the orders that wait for them. It is safe for concurrent use.
type Roster struct {
	store *redislink.Store
	log   *slog.Logger

	mu    sync.Mutex
	read  map[string]*reading // by worker: what Workers read last
	names map[string]string   // that many heartbeats have (see cursor)
}

// reading is what a heartbeat said, but for its time: most workers say the same many times, and decoding is what
// reading them costs.
type reading struct {
	body string
	said fleet.Heartbeat
}

// NewRoster makes a roster.
func NewRoster(s *redislink.Store, log *slog.Logger) *Roster { return &Roster{store: s, log: log} }

// Beat leaves a worker's heartbeat (At is set by Redis) and returns the orders for the worker, in one round trip; in
// two when the policy in force has another revision than hb.Revision.
func (r *Roster) Beat(ctx context.Context, hb fleet.Heartbeat) (fleet.Orders, error) {
	a, err := r.exchange(ctx, beatScript.EvalSha, hb)
	if goredis.HasErrorPrefix(err, "NOSCRIPT") {
		a, err = r.exchange(ctx, beatScript.Eval, hb)
	}
	if err != nil {
		return fleet.Orders{}, redislink.Failed("heartbeat of worker "+hb.Worker, err)
	}
	orders := fleet.Orders{Park: a.parkedUntil > a.now, Retire: a.retired != ""}
	if ms := keyspace.Number(a.retired); ms > untold {
		orders.RetireFor = time.Duration(ms) * time.Millisecond
	}
	if a.revision == 0 || a.revision == hb.Revision {
		return orders, nil
	}
	e, err := NewBoard(r.store, r.log).Policy(ctx)
	if err != nil {
		return orders, err
	}
	orders.Effective = &e
	return orders, nil
}

// answers is what Redis says to a heartbeat.
type answers struct {
	now, parkedUntil int64  // ms
	retired          string // ms that it may stay so; "": it isn't told to retire
	revision         int64  // 0: no policy
}

type evalFunc func(ctx context.Context, c goredis.Scripter, keys []string, args ...any) *goredis.Cmd

func (r *Roster) exchange(ctx context.Context, eval evalFunc, hb fleet.Heartbeat) (answers, error) {
	var now *goredis.Cmd
	var parked, retired, revision *goredis.SliceCmd
	_, err := r.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		now = eval(ctx, p, []string{keyspace.Workers}, hb.Worker, keyspace.Encode(hb))
		parked = p.HMGet(ctx, keyspace.Parked, hb.Worker) // no error for an absent field, unlike HGET
		retired = p.HMGet(ctx, keyspace.Retired, hb.Worker)
		revision = p.HMGet(ctx, keyspace.Policy, "revision")
		return nil
	})
	if err != nil {
		return answers{}, err
	}
	at, err := now.Int64()
	return answers{
		now: at, parkedUntil: keyspace.Number(only(parked)),
		retired: only(retired), revision: keyspace.Number(only(revision)),
	}, err
}

// only returns the one value of an HMGET of one field; "" when the field is absent.
func only(c *goredis.SliceCmd) string {
	value, _ := c.Val()[0].(string)
	return value
}

// Workers returns every heartbeat on the roster, silent workers' too, and Redis' own time: a heartbeat's age is now
// minus its At, whatever the clocks of the machines say. Workers that were silent for ten minutes are forgotten. What
// the heartbeats refer to (Running, Lanes) is shared with later answers: nobody may change it.
func (r *Roster) Workers(ctx context.Context) ([]fleet.Heartbeat, time.Time, error) {
	texts, now, err := r.texts(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	workers, silent := r.heartbeats(texts, now)
	if len(silent) > 0 {
		if err := r.forget(ctx, silent...); err != nil {
			return nil, time.Time{}, redislink.Failed("forget silent workers", err)
		}
	}
	return workers, now, nil
}

// texts returns what beat.lua wrote, by worker, and Redis' own time.
func (r *Roster) texts(ctx context.Context) (map[string]string, time.Time, error) {
	var clock *goredis.TimeCmd
	var beats *goredis.MapStringStringCmd
	_, err := r.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		clock = p.Time(ctx)
		beats = p.HGetAll(ctx, keyspace.Workers)
		return nil
	})
	if err != nil {
		return nil, time.Time{}, redislink.Failed("read the roster", err)
	}
	return beats.Val(), clock.Val().UTC(), nil
}

// heartbeats reads what beat.lua wrote, by worker, and names those that are to be forgotten.
func (r *Roster) heartbeats(texts map[string]string, now time.Time) (workers []fleet.Heartbeat, silent []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.read
	if r.names == nil || len(r.names) > mostNames {
		r.names = map[string]string{}
	}
	r.read = make(map[string]*reading, len(texts))
	workers = make([]fleet.Heartbeat, 0, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		ms, body, _ := strings.Cut(texts[name], " ")
		if now.Sub(keyspace.Time(ms)) > forgetAfter {
			silent = append(silent, name)
			continue
		}
		last := before[name]
		if last == nil || last.body != body {
			if last = r.decode(name, body, r.names); last == nil {
				silent = append(silent, name)
				continue
			}
		}
		r.read[name] = last
		hb := last.said
		hb.At = keyspace.Time(ms)
		workers = append(workers, hb)
	}
	return workers, silent
}

// decode reads a heartbeat but for its time. One that can't be read is reported, and nil.
func (r *Roster) decode(name, body string, names map[string]string) *reading {
	said, err := decodeHeartbeat(body, names)
	if err != nil {
		r.log.Warn("a heartbeat can't be read", slog.String("worker", name), slog.Any("error", err))
		return nil
	}
	return &reading{body, said}
}

// Park tells workers to take no new jobs for so long, counted from now; parking them again prolongs it. When nobody
// does, they go on by themselves: that is what makes a paused leader harmless.
func (r *Roster) Park(ctx context.Context, workers []string, ttl time.Duration) error {
	if len(workers) == 0 {
		return nil
	}
	args := append([]any{ttl.Milliseconds()}, anys(workers)...)
	return redislink.Failed("park workers", parkScript.Run(ctx, r.store.Client(), []string{keyspace.Parked},
		args...).Err())
}

// Unpark lets workers take jobs again.
func (r *Roster) Unpark(ctx context.Context, workers []string) error {
	if len(workers) == 0 {
		return nil
	}
	return redislink.Failed("unpark workers", r.store.Client().HDel(ctx, keyspace.Parked, workers...).Err())
}

// untold is what scalers write for an order to retire that don't know how long the worker should wait to be removed.
const untold = 1

// Retire tells workers never to take a job again, and how long to wait to be removed then. There is no way back but
// Leave.
func (r *Roster) Retire(ctx context.Context, workers []string, wait time.Duration) error {
	if len(workers) == 0 {
		return nil
	}
	var fields []any
	for _, w := range workers {
		fields = append(fields, w, max(untold, wait.Milliseconds()))
	}
	return redislink.Failed("retire workers", r.store.Client().HSet(ctx, keyspace.Retired, fields...).Err())
}

// Order publishes what the leading scaler says each tick: who is parked (for a few ticks, prolonged by saying it
// again), who takes jobs again, and who retires.
func (r *Roster) Order(ctx context.Context, p fleet.Plan) error {
	if err := r.Unpark(ctx, p.Unpark); err != nil {
		return err
	}
	if err := r.Park(ctx, p.Park, parkLease); err != nil {
		return err
	}
	return r.Retire(ctx, p.Retire, p.RetireFor.D())
}

// Leave takes a worker off the roster, with the orders for it: its last act. At its start it must not: a namesake that
// was killed may have promised to take no job again, and be about to be removed for that. Who comes back under its name
// has to keep the promise.
func (r *Roster) Leave(ctx context.Context, worker string) error {
	return redislink.Failed("leave the roster", r.forget(ctx, worker))
}

func (r *Roster) forget(ctx context.Context, workers ...string) error {
	_, err := r.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, key := range []string{keyspace.Workers, keyspace.Parked, keyspace.Retired} {
			p.HDel(ctx, key, workers...)
		}
		return nil
	})
	return err
}

func anys(names []string) []any {
	all := make([]any, len(names))
	for i, n := range names {
		all[i] = n
	}
	return all
}
