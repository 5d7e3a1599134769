package fleet

import (
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Snapshot is what the leading scaler saw at its last tick. It is what the CLI shows.
type Snapshot struct {
	At       time.Time    `json:"at"`
	Leader   string       `json:"leader"`
	Revision int64        `json:"revision"`
	Refused  string       `json:"refused,omitempty"` // why the policy as it is written now isn't the one in force
	Budget   int          `json:"budget"`
	Others   int          `json:"others,omitempty"` // workers that count against it and aren't this scaler's, in all
	Lanes    []LaneStatus `json:"lanes"`
	Pools    []PoolStatus `json:"pools"`
}

// LaneStatus is one lane as it is now. Rates are over the last minute, waits over the last five.
type LaneStatus struct {
	Name  string `json:"name"`
	Ready int    `json:"ready"` // jobs that wait in its queue
	// other messages in its queue: their jobs are cancelled, or carried by another message
	Skipped int `json:"skipped,omitempty"`
	// of those that wait, jobs without a record, such as those sent by plain AMQP
	Unrecorded int `json:"unrecorded,omitempty"`
	// at least so many more are recorded as queued than wait, and for five minutes: their messages may be lost
	Excess int `json:"excess,omitempty"`
	// nothing in its queue became ready earlier; zero while that isn't known
	Since     time.Time `json:"since,omitzero"`
	Retrying  int       `json:"retrying"`           // wait for their next attempt
	NextRetry time.Time `json:"nextRetry,omitzero"` // when the first of them is ready
	Busy      int       `json:"busy"`               // running jobs, on shoulders too
	// slots of live workers that may take this lane, shoulders included
	Slots       int            `json:"slots"`
	InPerMin    float64        `json:"inPerMin"`
	OutPerMin   float64        `json:"outPerMin"`
	OldestWait  lanes.Duration `json:"oldestWait"` // of the oldest job that waits
	P95Wait     lanes.Duration `json:"p95Wait"`
	StartWithin lanes.Duration `json:"startWithin"`
	Service     lanes.Duration `json:"service"`            // S of the scaling law: how long one of its jobs runs
	Started     int            `json:"started"`            // first starts in the window
	InTime      int            `json:"inTime"`             // of them, within startWithin
	Paused      bool           `json:"paused,omitempty"`   // nobody takes its jobs
	Promoted    bool           `json:"promoted,omitempty"` // takes turns with its promote.to
	Stale       bool           `json:"stale,omitempty"`    // the broker's answer isn't believed
	// a queue that the lane had before doesn't answer: what waits in it isn't counted
	Partial bool `json:"partial,omitempty"`
	Former  bool `json:"former,omitempty"` // left the policy; served until it is empty
}

// Objective reports whether 95 % of the window's first starts were in time and no job waits longer than that now. A
// lane without starts and without waiting jobs meets it.
func (l LaneStatus) Objective() bool {
	return l.InTime*100 >= l.Started*95 && l.OldestWait <= l.StartWithin
}

// PoolStatus is one pool as it is now.
type PoolStatus struct {
	Name     string   `json:"name"`
	Lanes    []string `json:"lanes"`
	Guests   []string `json:"guests,omitempty"`
	Replicas int      `json:"replicas"` // asked for
	// workers that take part and aren't this scaler's: another one's, or nobody's
	Others    int            `json:"others,omitempty"`
	Ready     int            `json:"ready"`    // workers with a fresh heartbeat that take jobs
	Starting  int            `json:"starting"` // created, no heartbeat yet
	Parked    int            `json:"parked"`
	Retired   int            `json:"retired"`
	Stuck     int            `json:"stuck"`
	Slots     int            `json:"slots"` // shared slots of ready workers
	Busy      int            `json:"busy"`  // of them, those with a job
	Min       int            `json:"min"`
	Max       int            `json:"max"`
	ColdStart lanes.Duration `json:"coldStart"` // measured; the default until then
	Hold      lanes.Duration `json:"hold"`      // how long the largest plan is kept before the pool shrinks
	Frozen    bool           `json:"frozen,omitempty"`
	// replicas that this tick's needs ask for, within min and max, before budget and hold
	Wanted int    `json:"wanted"`
	Target int    `json:"target"` // what the last plan asked for
	Reason Reason `json:"reason"`
	Why    string `json:"why"`
	// When the replicas that are starting are expected to take jobs: created, and a cold start later.
	Expected []time.Time `json:"expected,omitempty"`
}
