package operate

import (
	"context"
	"errors"
	"slices"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// Board says which policy is in force: redis.ErrNotFound when none is yet.
type Board interface {
	Policy(ctx context.Context) (lanes.Effective, error)
}

// InForce returns the policy in force; NotFound when none is yet.
func InForce(ctx context.Context, b Board) (lanes.Effective, error) {
	e, err := b.Policy(ctx)
	if errors.Is(err, redis.ErrNotFound) {
		return e, NotFound.With(ErrNoPolicy)
	}
	return e, err
}

// ErrNoPolicy is that nobody has put a policy into force yet.
var ErrNoPolicy = errors.New("no policy is in force yet: is `siren scaler` (or `siren up`) running?")

// NoJob is the error that a job has no record.
func NoJob(id string) error {
	return NotFound.Errorf("no job %q: its record is kept for a while after its end; one that was sent by plain "+
		"AMQP, or before Redis lost its data, has "+
		"none before it starts", id)
}

// RequireLane is the error that there is no such lane. former: one that left the policy, and may have jobs yet, will
// do.
func RequireLane(e lanes.Effective, lane string, former bool) error {
	if _, ok := e.Policy.Lane(lane); ok {
		return nil
	}
	names := e.Policy.LaneNames()
	if former {
		if slices.Contains(e.FormerLanes(), lane) {
			return nil
		}
		names = append(names, e.FormerLanes()...)
	}
	return NotFound.Errorf("no lane %q%s", lane, lanes.ThereAre(lane, names))
}
