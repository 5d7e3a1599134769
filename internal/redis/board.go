package redis

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// Board is where the leading scaler posts what all others follow: the policy in force, what it sees, what it decided.
// It also says who leads. It is safe for concurrent use.
type Board struct {
	store *redislink.Store
	log   *slog.Logger
}

const sightKeep = time.Minute

// NewBoard makes a board.
func NewBoard(s *redislink.Store, log *slog.Logger) *Board { return &Board{s, log} }

// PublishPolicy puts e in force and returns its revision. That grows only when the content differs from what is in
// force, and is always above e.Revision then: a publisher that passes the last revision it knew keeps it growing even
// when Redis has lost its data.
func (b *Board) PublishPolicy(ctx context.Context, e lanes.Effective) (int64, error) {
	known := e.Revision
	e.Revision = 0
	revision, err := publishScript.Run(ctx, b.store.Client(), []string{keyspace.Policy}, keyspace.Encode(e),
		known).Int64()
	return revision, redislink.Failed("publish the policy", err)
}

// Policy returns the policy in force; ErrNotFound when no scaler has published one.
func (b *Board) Policy(ctx context.Context) (lanes.Effective, error) {
	h, err := b.store.Client().HGetAll(ctx, keyspace.Policy).Result()
	if err == nil && len(h) == 0 {
		err = redislink.ErrNotFound
	}
	var e lanes.Effective
	if err == nil {
		err = json.Unmarshal([]byte(h["content"]), &e)
	}
	e.Revision = keyspace.Number(h["revision"])
	return e, redislink.Failed("read the policy in force", err)
}

// KnownQueues remembers the queues and returns all that were ever remembered, sorted by name: those that the policy
// doesn't use any more may still hold jobs.
func (b *Board) KnownQueues(ctx context.Context, queues ...lanes.Queue) ([]lanes.Queue, error) {
	if len(queues) > 0 {
		names := make([]any, len(queues))
		for i, q := range queues {
			names[i] = q.String()
		}
		if err := b.store.Client().SAdd(ctx, keyspace.Queues, names...).Err(); err != nil {
			return nil, redislink.Failed("remember the lanes' queues", err)
		}
	}
	names, err := b.store.Client().SMembers(ctx, keyspace.Queues).Result()
	slices.Sort(names)
	known := make([]lanes.Queue, len(names))
	for i, name := range names {
		known[i] = lanes.ParseQueue(name)
	}
	return known, redislink.Failed("read the known queues of the lanes", err)
}

// PutSnapshot replaces the snapshot.
func (b *Board) PutSnapshot(ctx context.Context, s fleet.Snapshot) error {
	return redislink.Failed("post the snapshot", b.store.Client().Set(ctx, keyspace.Snapshot, keyspace.Encode(s),
		0).Err())
}

// Snapshot returns what the leading scaler saw at its last tick; ErrNotFound when there was none. Its At says how old
// it is.
func (b *Board) Snapshot(ctx context.Context) (fleet.Snapshot, error) {
	text, err := b.store.Client().Get(ctx, keyspace.Snapshot).Bytes()
	if errors.Is(err, goredis.Nil) {
		err = redislink.ErrNotFound
	}
	var s fleet.Snapshot
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, redislink.Failed("read the snapshot", err)
}

// PutSight replaces what the leading scaler's latest tick saw and remembered, as package scaler writes it: for a
// minute.
func (b *Board) PutSight(ctx context.Context, text []byte) error {
	return redislink.Failed("post what was seen", b.store.Client().Set(ctx, keyspace.Sight, text, sightKeep).Err())
}

// Sight returns that; ErrNotFound when no scaler has posted one within the last minute.
func (b *Board) Sight(ctx context.Context) ([]byte, error) {
	text, err := b.store.Client().Get(ctx, keyspace.Sight).Bytes()
	if errors.Is(err, goredis.Nil) {
		err = redislink.ErrNotFound
	}
	return text, redislink.Failed("read what the scaler saw", err)
}

// Lead makes the candidate the leader for ttl, or prolongs its lead, and says whether it leads; false when another one
// does. The candidate's name has to be unique among all processes. It leads no longer than ttl after the start of the
// last call that said true.
func (b *Board) Lead(ctx context.Context, candidate string, ttl time.Duration) (bool, error) {
	leads, err := leadScript.Run(ctx, b.store.Client(), []string{keyspace.Leader}, candidate, ttl.Milliseconds()).Bool()
	return leads, redislink.Failed("stand for leader", err)
}

// Resign ends the candidate's lead, so that another one can follow at once. It does nothing when it doesn't lead.
func (b *Board) Resign(ctx context.Context, candidate string) error {
	err := resignScript.Run(ctx, b.store.Client(), []string{keyspace.Leader}, candidate).Err()
	return redislink.Failed("resign as leader", err)
}
