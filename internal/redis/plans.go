package redis

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/fleet"
)

const (
	maxPlans    = 10_000 // that the stream keeps, about
	planBatch   = 500
	followEvery = 500 * time.Millisecond
)

// Record adds a plan to the history, which keeps about the latest ten thousand of all pools.
func (b *Board) Record(ctx context.Context, p fleet.Plan) error {
	err := b.store.Client().XAdd(ctx, &goredis.XAddArgs{
		Stream: keyspace.Plans, MaxLen: maxPlans, Approx: true, Values: []any{"plan", keyspace.Encode(p)},
	}).Err()
	return redislink.Failed("record a plan", err)
}

// Plans returns at most limit plans of a pool ("" for all pools) made at or after since, the latest first.
func (b *Board) Plans(ctx context.Context, pool string, since time.Time, limit int) ([]fleet.Plan, error) {
	plans := []fleet.Plan{}
	for end := "+"; len(plans) < limit; {
		messages, err := b.store.Client().XRevRangeN(ctx, keyspace.Plans, end, "-", planBatch).Result()
		if err != nil {
			return nil, redislink.Failed("read the plans", err)
		}
		for _, m := range messages {
			end = "(" + m.ID
			p, ok := b.plan(m)
			if ok && p.At.Before(since) {
				return plans, nil
			}
			if ok && (pool == "" || pool == p.Pool) && len(plans) < limit {
				plans = append(plans, p)
			}
		}
		if len(messages) < planBatch {
			break
		}
	}
	return plans, nil
}

// plan reads an entry of the history. One that can't be read is reported and left out.
func (b *Board) plan(m goredis.XMessage) (fleet.Plan, bool) {
	text, _ := m.Values["plan"].(string)
	var p fleet.Plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		b.log.Warn("a plan can't be read", slog.String("entry", m.ID), slog.Any("error", err))
		return fleet.Plan{}, false
	}
	return p, true
}

// FollowPlans yields the plans of a pool ("" for all pools) as they are recorded from now on, until the loop is left or
// ctx ends; then its error is the last thing yielded. lanes.ErrAway, with an empty plan, doesn't end it: it is yielded
// at each attempt while Redis is away, and the plans go on after it is back.
func (b *Board) FollowPlans(ctx context.Context, pool string) iter.Seq2[fleet.Plan, error] {
	return func(yield func(fleet.Plan, error) bool) {
		ticker := time.NewTicker(followEvery)
		defer ticker.Stop()
		last := ""
		for {
			messages, err := b.plansAfter(ctx, &last)
			if err != nil && !over(ctx) && !yield(fleet.Plan{}, redislink.Failed("follow the plans", err)) {
				return
			}
			for _, m := range messages {
				if p, ok := b.plan(m); ok && (pool == "" || pool == p.Pool) && !yield(p, nil) {
					return
				}
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				yield(fleet.Plan{}, ctx.Err())
				return
			}
		}
	}
}

// over reports whether ctx has ended. A connection has the deadline of ctx, and may notice it a moment before ctx does.
func over(ctx context.Context) bool {
	end, bounded := ctx.Deadline()
	return ctx.Err() != nil || bounded && !time.Now().Before(end)
}

// plansAfter returns the entries after the last one that was seen, and moves last on; at first it only finds out which
// that is.
func (b *Board) plansAfter(ctx context.Context, last *string) ([]goredis.XMessage, error) {
	if *last == "" {
		newest, err := b.store.Client().XRevRangeN(ctx, keyspace.Plans, "+", "-", 1).Result()
		if err != nil {
			return nil, err
		}
		*last = "0-0"
		for _, m := range newest {
			*last = m.ID
		}
		return nil, nil
	}
	messages, err := b.store.Client().XRangeN(ctx, keyspace.Plans, "("+*last, "+", planBatch).Result()
	if err == nil && len(messages) > 0 {
		*last = messages[len(messages)-1].ID
	}
	return messages, err
}
