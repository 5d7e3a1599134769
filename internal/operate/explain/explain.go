// Package explain says why a lane, a pool or a job is as it is: in numbers and in sentences, from what the scaler,
// the workers and the ledger have published.
package explain

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// Explanation is why something is as it is: what was seen, in numbers and in sentences. Nothing in it is a guess but
// the predicted start, which says what it is made of.
type Explanation struct {
	Kind  string `json:"kind"` // lane, pool or job
	Name  string `json:"name"`
	State string `json:"state,omitempty"` // a job's
	// Says is the sentences, most important first.
	Says []string `json:"says"`
	// Ahead is how many jobs of its lane are before a waiting job; Starts when it, or a job that came into the lane
	// now, is predicted to start.
	Ahead  *int         `json:"ahead,omitempty"`
	Starts *time.Time   `json:"predictedStart,omitempty"`
	Ends   *time.Time   `json:"predictedEnd,omitempty"` // of a running job
	Limits []string     `json:"limits,omitempty"`       // what keeps the fleet from doing more
	Plans  []fleet.Plan `json:"plans,omitempty"`        // the latest, newest first
}

func (x *Explanation) say(format string, args ...any) {
	x.Says = append(x.Says, fmt.Sprintf(format, args...))
}

const plansShown = 5

// Sources is where all that explaining needs is published.
type Sources struct {
	Board   Board
	Ledger  Ledger
	Roster  Roster
	Tunings Tunings
	Efforts Efforts
}

// Board has what the leading scaler publishes: redis.Board.
type Board interface {
	operate.Board
	operate.Snapshots
	Plans(ctx context.Context, pool string, since time.Time, limit int) ([]fleet.Plan, error)
}

// Ledger has the jobs' records: jobledger.Ledger.
type Ledger interface {
	Find(ctx context.Context, id string) (job.Record, error)
	GetAll(ctx context.Context, ids []string) (map[string]job.Record, error)
	Next(ctx context.Context, lane string, most int) ([]job.Job, error)
	Ahead(ctx context.Context, id string, counted time.Time) (jobrecord.Place, error)
}

// Roster has the workers' heartbeats: redis.Roster.
type Roster interface {
	Workers(ctx context.Context) ([]fleet.Heartbeat, time.Time, error)
}

// Tunings is the store of the tunings, with the audit log: redis.Tunings.
type Tunings interface {
	Now(ctx context.Context) (lanes.Tunings, time.Time, error)
	Audit(ctx context.Context, since time.Time, limit int) ([]audit.Entry, error)
}

// Sight is the running system as it is seen at one moment.
type Sight struct {
	Sources
	policy  lanes.Effective
	snap    fleet.Snapshot
	workers []fleet.Heartbeat
	tuned   []lanes.Tuning
	now     time.Time // by Redis' clock, as the snapshot's
}

// Look sees the running system as it is now; operate.NotFound when no scaler has put a policy into force, or reported.
func (o Sources) Look(ctx context.Context) (*Sight, error) {
	s := &Sight{Sources: o}
	var err error
	if s.policy, err = operate.InForce(ctx, o.Board); err != nil {
		return nil, err
	}
	if s.snap, err = operate.LastSeen(ctx, o.Board); err != nil {
		return nil, err
	}
	if s.workers, s.now, err = o.Roster.Workers(ctx); err != nil {
		return nil, err
	}
	t, _, err := o.Tunings.Now(ctx)
	s.tuned = t.All
	return s, err
}

func (s *Sight) laneStatus(name string) (fleet.LaneStatus, bool) {
	i := slices.IndexFunc(s.snap.Lanes, func(l fleet.LaneStatus) bool { return l.Name == name })
	if i < 0 {
		return fleet.LaneStatus{Name: name}, false
	}
	return s.snap.Lanes[i], true
}

func (s *Sight) poolStatus(name string) (fleet.PoolStatus, bool) {
	i := slices.IndexFunc(s.snap.Pools, func(p fleet.PoolStatus) bool { return p.Name == name })
	if i < 0 {
		return fleet.PoolStatus{Name: name}, false
	}
	return s.snap.Pools[i], true
}

// serving returns the pools that take jobs of the lane, its home first.
func (s *Sight) serving(lane string) (names []string) {
	home, ok := s.policy.Policy.Home(lane)
	if !ok { // a lane that left the policy
		home, _ = s.policy.Policy.Home(s.policy.Policy.DefaultLane())
	}
	names = []string{home.Name}
	for _, q := range s.policy.Policy.Pools {
		if slices.Contains(q.Guests, lane) {
			names = append(names, q.Name)
		}
	}
	return names
}

// plans returns the last plans of the pools, the newest first.
func (s *Sight) plans(ctx context.Context, pools ...string) (all []fleet.Plan, err error) {
	for _, q := range pools {
		plans, err := s.Board.Plans(ctx, q, s.now.Add(-24*time.Hour), plansShown)
		if err != nil {
			return nil, err
		}
		all = append(all, plans...)
	}
	slices.SortStableFunc(all, func(x, y fleet.Plan) int { return y.At.Compare(x.At) })
	return all[:min(len(all), plansShown)], nil
}
