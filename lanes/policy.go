package lanes

import (
	"math"
	"slices"
	"time"
)

// Policy is the one file (siren.yaml) that says which lanes there are, who serves them and within which limits.
// Load reads, defaults and validates one; a Policy made by hand goes through Default and Validate.
type Policy struct {
	Lanes   []Lane    `json:"lanes"` // most urgent first: the order is the precedence
	Pools   []Pool    `json:"pools"`
	Budget  int       `json:"budget"` // the most replicas that all pools may have together
	Storage []Storage `json:"storage,omitempty"`
	Broker  Broker    `json:"broker,omitempty"`
	Timing  Timing    `json:"timing,omitempty"`
}

// Lane is one queue with an objective.
type Lane struct {
	Name        string   `json:"name"`
	Match       []string `json:"match,omitempty"` // Kubernetes label selectors; any may match. None: the default lane
	StartWithin Duration `json:"startWithin"`     // 95 % of the lane's jobs start within this time of being ready
	Reserve     int      `json:"reserve,omitempty"`
	MaxRuntime  Duration `json:"maxRuntime,omitempty"`
	MaxCrashes  int      `json:"maxCrashes,omitempty"` // so many vanished workers make a job poison
	Promote     *Promote `json:"promote,omitempty"`
	Retry       Retries  `json:"retry,omitempty"`
}

// Promote lets a lane take turns with a more urgent one while its oldest job has waited longer than After.
type Promote struct {
	After Duration `json:"after"`
	To    string   `json:"to"`
}

// Retries says how often a failed job is attempted and how long it waits in between:
// First, First·Factor, First·Factor², … up to Max, each with jitter.
type Retries struct {
	Attempts int      `json:"attempts,omitempty"` // all attempts, the first one included
	First    Duration `json:"first,omitempty"`
	Factor   float64  `json:"factor,omitempty"`
	Max      Duration `json:"max,omitempty"`
}

// Pool is one group of identical workers: one Kubernetes Deployment, or a set of local processes.
type Pool struct {
	Name     string         `json:"name"`
	Lanes    []string       `json:"lanes"`              // the lanes this pool is home to; the scaler sizes it for them
	Guests   []string       `json:"guests,omitempty"`   // lanes served when none of its own waits; never sized for
	Slots    int            `json:"slots,omitempty"`    // shared slots of one worker
	Shoulder map[string]int `json:"shoulder,omitempty"` // extra slots of one worker, for one urgent lane alone
	Min      int            `json:"min,omitempty"`
	Max      int            `json:"max"`
	Hold     Duration       `json:"hold,omitempty"` // how long the largest plan is kept before shrinking; 0: 3 × cold start
	Slot     SlotLimits     `json:"slot,omitempty"`
}

// SlotLimits bounds what one running job may use.
type SlotLimits struct {
	Memory  Bytes   `json:"memory,omitempty"`  // address space of each process of the job (RLIMIT_AS)
	Scratch Bytes   `json:"scratch,omitempty"` // size of each file of the job (RLIMIT_FSIZE)
	Cores   float64 `json:"cores,omitempty"`   // what a slot asks the scheduler for; not a limit
}

// Storage is a URL prefix that jobs may read or write. Nothing else is reachable to them.
type Storage struct {
	Prefix string `json:"prefix"` // file:///dir/ or s3://bucket/prefix/, or http(s)://host/ for reading
	Read   bool   `json:"read,omitempty"`
	Write  bool   `json:"write,omitempty"`
}

// Broker says what the policy must know of RabbitMQ.
type Broker struct {
	QueueType       string   `json:"queueType,omitempty"`       // classic (default) or quorum
	ConsumerTimeout Duration `json:"consumerTimeout,omitempty"` // the broker's own; it can't be learnt over AMQP
}

// Timing holds the clockwork. The defaults suit media jobs of 0.1 s and more.
type Timing struct {
	Heartbeat   Duration `json:"heartbeat,omitempty"`   // a worker reports this often
	GoneAfter   Duration `json:"goneAfter,omitempty"`   // silent for longer, it counts as gone
	Lease       Duration `json:"lease,omitempty"`       // a claim that isn't renewed for so long may be taken over
	Keep        Duration `json:"keep,omitempty"`        // a job's record is kept for so long after its end
	ServiceTime Duration `json:"serviceTime,omitempty"` // what a job is taken to last while nothing is known
	ColdStart   Duration `json:"coldStart,omitempty"`   // what a worker is taken to need from creation to first heartbeat
}

// Queue types a Broker may name.
const (
	Classic = "classic"
	Quorum  = "quorum"
)

// Lane returns the lane with that name; false when the policy has none.
func (p *Policy) Lane(name string) (Lane, bool) {
	for _, l := range p.Lanes {
		if l.Name == name {
			return l, true
		}
	}
	return Lane{}, false
}

// Pool returns the pool with that name; false when the policy has none.
func (p *Policy) Pool(name string) (Pool, bool) {
	for _, q := range p.Pools {
		if q.Name == name {
			return q, true
		}
	}
	return Pool{}, false
}

// Rank is a lane's place in the order of urgency, 0 the most urgent; len(Lanes) for a lane the policy doesn't have.
func (p *Policy) Rank(lane string) int {
	for i, l := range p.Lanes {
		if l.Name == lane {
			return i
		}
	}
	return len(p.Lanes)
}

// LaneNames lists the lanes, most urgent first.
func (p *Policy) LaneNames() []string {
	names := make([]string, len(p.Lanes))
	for i, l := range p.Lanes {
		names[i] = l.Name
	}
	return names
}

// DefaultLane is the lane without a match: where a job goes that no selector wants.
func (p *Policy) DefaultLane() string {
	for _, l := range p.Lanes {
		if len(l.Match) == 0 {
			return l.Name
		}
	}
	return ""
}

// Home is the pool that the scaler sizes for the lane; false when no pool names it.
func (p *Policy) Home(lane string) (Pool, bool) {
	for _, q := range p.Pools {
		for _, name := range q.Lanes {
			if name == lane {
				return q, true
			}
		}
	}
	return Pool{}, false
}

// Nice is the OS priority (0 first lane … 19 last lane, spread evenly) that a lane's jobs run at: how lower lanes pull over.
func (p *Policy) Nice(lane string) int {
	last := len(p.Lanes) - 1
	if last < 1 {
		return 0
	}
	return min(p.Rank(lane), last) * 19 / last
}

// Shoulders is the number of shoulder slots that one worker of the pool keeps, and the lane they are for.
// It is 0 and "" for a pool without a shoulder.
func (q Pool) Shoulders() (lane string, slots int) {
	for lane, slots = range q.Shoulder {
		return lane, slots
	}
	return "", 0
}

// serves is whether the pool is the lane's home or takes it as a guest.
func (q Pool) serves(lane string) bool {
	return slices.Contains(q.Lanes, lane) || slices.Contains(q.Guests, lane)
}

// Backoff is the time before attempt+1, without jitter; attempt counts from 1.
func (r Retries) Backoff(attempt int) time.Duration {
	wait := float64(r.First) * math.Pow(r.Factor, float64(max(0, attempt-1)))
	if wait >= float64(r.Max) { // compared as floats: a large one is no Duration any more
		return r.Max.D()
	}
	return time.Duration(wait)
}
