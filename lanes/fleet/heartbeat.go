package fleet

import (
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// Heartbeat is what a worker says of itself at every timing.heartbeat.
type Heartbeat struct {
	Worker string    `json:"worker"` // unique: the pod's name, or pool-xxxxx for a local process
	Pool   string    `json:"pool"`
	At     time.Time `json:"at"` // by the roster's clock, not the worker's
	// when the worker did, by the roster's clock as far as it knew it then
	Began    time.Time           `json:"began,omitzero"`
	Version  string              `json:"version,omitempty"`
	Revision int64               `json:"revision"` // of the policy it follows
	Slots    int                 `json:"slots"`    // shared ones
	Shoulder int                 `json:"shoulder"` // shoulder slots
	Running  []Run               `json:"running,omitempty"`
	Lanes    map[string]LaneWork `json:"lanes,omitempty"` // cumulative since the worker began
	// Subscribed is whether it can take jobs: it has a session with the broker.
	Subscribed bool `json:"subscribed"`
	// Host is the machine, or the pod, whose Cores its jobs share with those of all workers of the same Host; "": not
	// known. Cores is how many the host has for them.
	Host  string `json:"host,omitempty"`
	Cores int    `json:"cores,omitempty"`
	// Computing is how many cores its jobs used within the last seconds in which it ran any; 0: not known. It changes
	// only by a fifth or more, so that a heartbeat hardly ever differs from the one before.
	Computing float64 `json:"computing,omitempty"`
	Parked    bool    `json:"parked,omitempty"`   // takes no new jobs; reversible
	Retired   bool    `json:"retired,omitempty"`  // has promised to take none ever again; it runs nothing
	Draining  bool    `json:"draining,omitempty"` // was told to stop
}

// startsWithin is how long a worker may take from its first heartbeat until it has a session with the broker.
const startsWithin = 10 * time.Second

// Starting reports whether the worker has only just begun, so that it is no fault that it takes no jobs yet.
func (h Heartbeat) Starting() bool { return !h.Subscribed && h.At.Sub(h.Began) < startsWithin }

// OnShared returns how many jobs the worker runs on shared slots.
func (h Heartbeat) OnShared() (n int) {
	for _, r := range h.Running {
		if !r.Shoulder {
			n++
		}
	}
	return n
}

// Run is one job in a slot.
type Run struct {
	Job      string    `json:"job"`
	Lane     string    `json:"lane"`
	Shoulder bool      `json:"shoulder,omitempty"` // in a shoulder slot
	Since    time.Time `json:"since"`
	// Predicted is how long it was predicted to run in all; 0: nothing is known of its class.
	Predicted lanes.Duration `json:"predicted,omitempty"`
}

// LaneWork is what a worker has done for a lane since it began.
type LaneWork struct {
	Started  int64          `json:"started"`  // all starts
	Finished int64          `json:"finished"` // completed jobs
	Failed   int64          `json:"failed"`   // attempts that ended in an error
	Service  lanes.Duration `json:"service"`  // time that the finished jobs ran, summed
	// the latest readyAt among the ordinary jobs (priority 0) started at their first attempt, no later than the start
	LastReady time.Time `json:"lastReady,omitzero"`
	OddTimes  int64     `json:"oddTimes,omitempty"` // messages with a time in their headers that can't be meant
	OddAt     time.Time `json:"oddAt,omitzero"`     // when the latest of them came
	First     int64     `json:"first"`              // first starts: what Waits are of
	// waits of the latest first starts in milliseconds, newest last; at most RecentWaits
	Waits []int64 `json:"waits,omitempty"`
}

// RecentWaits is how many waits a heartbeat carries for each lane.
const RecentWaits = 32

// Orders is what the roster answers to a heartbeat.
type Orders struct {
	Park   bool // take no new jobs
	Retire bool // once nothing runs: promise to take none ever again
	// RetireFor is how long a worker that has promised waits to be removed, before it exits to start afresh; it waits a
	// minute at least. 0 when it isn't to retire, or the scaler is too old to say.
	RetireFor time.Duration
	// Effective is the policy in force when it is newer than the heartbeat's revision, else nil.
	Effective *lanes.Effective
}
