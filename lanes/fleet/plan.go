package fleet

import (
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Reason is why a plan is what it is: a closed set. The sentence beside it cites only inputs of the decision.
type Reason string

// The reasons of a plan.
const (
	Steady   Reason = "Steady"   // as many as needed are there
	Busy     Reason = "Busy"     // the running jobs need them
	Backlog  Reason = "Backlog"  // waiting jobs would miss their objective
	Reserve  Reason = "Reserve"  // free shoulder slots are to be kept
	Floor    Reason = "Floor"    // min
	Ceiling  Reason = "Ceiling"  // max
	Budget   Reason = "Budget"   // the pools together ask for more than the budget
	Holding  Reason = "Holding"  // fewer would do, but not yet for the hold window
	Parking  Reason = "Parking"  // idle or surplus workers take no new jobs
	Retiring Reason = "Retiring" // parked, idle workers promise to take none again
	Rollout  Reason = "Rollout"  // no scale-in during a rollout
	Stuck    Reason = "Stuck"    // replicas that can't be scheduled, pulled or started
	Stale    Reason = "Stale"    // the signals are missing or not believed
	Paused   Reason = "Paused"   // an operator paused the lane
	Frozen   Reason = "Frozen"   // an operator froze the pool
	Foreign  Reason = "Foreign"  // another scaler works on the Deployment
)

// Trouble reports whether the pool has the wrong size until somebody fixes something, so that a person is warned.
func (r Reason) Trouble() bool { return r == Stuck || r == Stale || r == Foreign }

// Plan is what the scaler decided for a pool.
type Plan struct {
	At     time.Time `json:"at"`
	Pool   string    `json:"pool"`
	From   int       `json:"from"` // replicas
	To     int       `json:"to"`
	Park   []string  `json:"park,omitempty"`   // workers to take no new jobs
	Unpark []string  `json:"unpark,omitempty"` // workers to take jobs again
	Retire []string  `json:"retire,omitempty"` // parked, idle workers to promise
	Remove []string  `json:"remove,omitempty"` // retired workers that To leaves out
	// RetireFor is how long those that retire now wait to be removed, before they exit to start afresh.
	RetireFor lanes.Duration `json:"retireFor,omitzero"`
	Reason    Reason         `json:"reason"`
	// one sentence: 2 → 6: 140 jobs wait; the 2 slots that are there start 5 of them in time at 2.2 s each
	Why string `json:"why"`
}

// Member is one replica of a pool as the fleet sees it: a pod, or a local process.
type Member struct {
	Name      string // the worker's name in its heartbeat
	CreatedAt time.Time
	Leaving   bool   // told to stop
	Stuck     string // why it can't start; "" when nothing is wrong
	Unready   bool   // it runs, and hasn't been ready for a while: the cluster would remove it before any other
	Silent    bool   // the scaler says it when it scales: no heartbeat for long, so nothing is known to run on it
}

// PoolState is a pool as the fleet sees it.
type PoolState struct {
	Replicas int // asked for
	Members  []Member
	Rollout  bool   // old and new replicas side by side
	Foreign  string // another scaler that works on it; "" when there is none
	Version  string // what Scale compares, so that a stale decision is refused
}

// Delayed is how many jobs of a lane wait for their next attempt, and when the first of them is ready.
type Delayed struct {
	Count int
	Next  time.Time
}

// Depth is one queue as the broker sees it.
type Depth struct {
	Ready     int
	Consumers int
}
