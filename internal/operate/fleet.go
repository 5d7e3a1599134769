package operate

import (
	"context"
	"errors"

	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/plain"
)

// Snapshots has what the leading scaler saw last: redislink.ErrNotFound when none has reported yet.
type Snapshots interface {
	Snapshot(ctx context.Context) (fleet.Snapshot, error)
}

// LastSeen returns what the leading scaler saw last; NotFound when none has reported yet.
func LastSeen(ctx context.Context, b Snapshots) (fleet.Snapshot, error) {
	snap, err := b.Snapshot(ctx)
	if errors.Is(err, redislink.ErrNotFound) {
		return snap, NotFound.Errorf("no scaler has reported yet: is `siren scaler` (or `siren up`) running?")
	}
	return snap, err
}

// RequirePool returns the error that there is no such pool.
func RequirePool(e lanes.Effective, pool string) error {
	if _, ok := e.Policy.Pool(pool); ok {
		return nil
	}
	return NotFound.Errorf("no pool %q%s", pool, plain.ThereAre(pool, e.Policy.PoolNames()))
}
