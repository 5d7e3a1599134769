package lanes

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Policy is the one file (siren.yaml) that says which lanes there are, who serves them and within which limits.
// Load reads, defaults and validates one; a Policy made by hand goes through Default and Validate.
// The comments of its fields are the reference docs/policy.md.
type Policy struct {
	Lanes   []Lane    `json:"lanes"`             // most urgent first: the order is the precedence
	Pools   []Pool    `json:"pools"`             // who serves them
	Budget  int       `json:"budget"`            // the most replicas that all pools may have together
	Storage []Storage `json:"storage,omitempty"` // what jobs may read and write; nothing else is reachable to them
	// what jobs may name instead of a kind and its params, by name and version (web@3), beside those that come with
	// Siren
	Presets map[string]Preset `json:"presets,omitempty"`
	// what is otherwise for a while, later or again and again: a floor on Friday evenings
	Schedules []Schedule `json:"schedules,omitempty"`
	Broker    Broker     `json:"broker,omitempty"` // what the policy must know of RabbitMQ
	Timing    Timing     `json:"timing,omitempty"` // the clockwork
}

// Lane is one queue with an objective.
type Lane struct {
	Name string `json:"name"` // lower-case letters, digits and dashes, at most 40
	// Kubernetes label selectors over a job's labels; any may match. Exactly one lane has none: the default
	Match []string `json:"match,omitempty"`
	// the objective: 95 % of the lane's jobs start within this time of being ready
	StartWithin Duration `json:"startWithin"`
	// free shoulder slots that the scaler keeps for the lane at all times; needs a shoulder in its home
	Reserve    int      `json:"reserve,omitempty"`
	MaxRuntime Duration `json:"maxRuntime,omitempty"` // a job that runs longer is stopped and retried
	MaxCrashes int      `json:"maxCrashes,omitempty"` // a job whose worker crashes so often is dead-lettered as poison
	// takes turns with a more urgent lane while its oldest job waits too long
	Promote *Promote `json:"promote,omitempty"`
	Retry   Retries  `json:"retry,omitempty"` // how a failed job is retried
	// the highest priority that a job may have inside the lane, 0 to 4: one starts before all of a lower priority. 0:
	// none; a classic lane only
	Priorities int `json:"priorities,omitempty"`
	// classic, or quorum (replicated); broker.queueType when it says nothing. See docs/rabbitmq.md
	QueueType string `json:"queueType,omitempty"`
	// no job of it is taken and the scaler doesn't size for it; what runs goes on
	Paused bool `json:"paused,omitempty"`
}

// Promote lets a lane take turns with a more urgent one while its oldest job has waited longer than After: as long as
// the more urgent lane's own oldest job has waited for less than half of its objective, and, whatever that one waits,
// once its own oldest job has no more time left until its objective than the more urgent lane's has from the beginning.
type Promote struct {
	After Duration `json:"after"` // how long the oldest job has to have waited
	To    string   `json:"to"`    // the more urgent lane
}

// Retries says how often a failed job is attempted and how long it waits in between:
// first, first·factor, first·factor², … up to max, each with a jitter of a quarter.
type Retries struct {
	Attempts int      `json:"attempts,omitempty"` // all attempts, the first one included
	First    Duration `json:"first,omitempty"`    // the wait before the second attempt
	Factor   float64  `json:"factor,omitempty"`   // by which each further wait is longer
	Max      Duration `json:"max,omitempty"`      // the longest wait
}

// Pool is one group of identical workers: one Kubernetes Deployment, or a set of local processes.
type Pool struct {
	Name string `json:"name"` // lower-case letters, digits and dashes, at most 40
	// the lanes this pool is home to; the scaler sizes it for them. Each lane has exactly one home
	Lanes  []string `json:"lanes"`
	Guests []string `json:"guests,omitempty"` // lanes served when none of its own waits; never sized for
	Slots  int      `json:"slots,omitempty"`  // shared slots of one worker; prefer 1 or 2
	// extra slots of one worker for one urgent lane alone, as in {express: 1}
	Shoulder map[string]int `json:"shoulder,omitempty"`
	Min      int            `json:"min,omitempty"` // the fewest workers
	Max      int            `json:"max"`           // the most workers
	// how long the largest plan is kept before the pool shrinks; 0: 3 cold starts, within 5s and 5m
	Hold   Duration   `json:"hold,omitempty"`
	Slot   SlotLimits `json:"slot,omitempty"`   // what one running job may use
	Frozen bool       `json:"frozen,omitempty"` // the scaler leaves the number of its workers as it is

	floorFrom string // where min comes from, when not from the file or an immediate tuning
}

// SlotLimits bounds what one running job may use.
type SlotLimits struct {
	Memory  Bytes   `json:"memory,omitempty"`  // address space of each process of the job (RLIMIT_AS)
	Scratch Bytes   `json:"scratch,omitempty"` // size of each file of the job, its input too (RLIMIT_FSIZE)
	Cores   float64 `json:"cores,omitempty"`   // what a slot asks the cluster for; not a limit
}

// Storage is a URL prefix that jobs may read or write.
type Storage struct {
	// file:///dir/, s3://bucket/prefix/, gs://bucket/prefix/ or azblob://container/prefix/, or http(s)://host/ for
	// reading; ends in a slash
	Prefix string `json:"prefix"`
	Read   bool   `json:"read,omitempty"`  // inputs may lie there
	Write  bool   `json:"write,omitempty"` // outputs may lie there
}

// Preset is a kind with params that a team has agreed on. A job that names it may still give params of its own, which
// win. Change a preset by adding the next version: jobs that name this one stay what they were.
type Preset struct {
	// of its jobs; left out to retire one that comes with Siren
	Kind    string          `json:"kind,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`  // as a job has them
	About   string          `json:"about,omitempty"`   // what it is for
	Retired bool            `json:"retired,omitempty"` // no new job may name it
}

// Schedule has fields of the policy be otherwise at times, as a tuning would. It starts where the wall clock of its
// timezone shows it, summer and winter: in an hour that daylight saving leaves out, at that hour's end; in one that
// comes twice, the first time.
type Schedule struct {
	Name string `json:"name"` // lower-case letters, digits and dashes, at most 40
	// when it starts: fri 18:00 (every week), 18:00 (every day), or with a date, 2026-12-24 18:00 (once, or from then
	// on)
	At    string `json:"at,omitempty"`
	Every string `json:"every,omitempty"` // day or week; left out, it happens once
	// instead of at and every, when it starts: minute, hour, day, month and weekday, as in 0 18 * * fri
	Cron     string   `json:"cron,omitempty"`
	For      Duration `json:"for"`                // how long it lasts
	Timezone string   `json:"timezone,omitempty"` // of at and cron, by its IANA name as in Europe/Berlin; else UTC
	// what is otherwise then, by the names that tunings use: {pools.general.min: 6, budget: 40}. The workers of a
	// higher min are ready when it starts: they are started a cold start earlier
	Set map[string]json.RawMessage `json:"set"`
}

// Broker says what the policy must know of RabbitMQ.
type Broker struct {
	// classic, or quorum (replicated): of lanes that say nothing else, of the delays and the dead letters
	QueueType string `json:"queueType,omitempty"`
	// the broker's consumer_timeout, which can't be learnt over AMQP; maxRuntime stays 5m below it
	ConsumerTimeout Duration `json:"consumerTimeout,omitempty"`
}

// Timing is the clockwork. The defaults suit media jobs of 0.1 s and more.
type Timing struct {
	Heartbeat   Duration `json:"heartbeat,omitempty"`   // a worker reports this often
	GoneAfter   Duration `json:"goneAfter,omitempty"`   // silent for longer, it counts as gone
	Lease       Duration `json:"lease,omitempty"`       // a claim that isn't renewed for so long may be taken over
	Keep        Duration `json:"keep,omitempty"`        // a job's record is kept for so long after its end
	ServiceTime Duration `json:"serviceTime,omitempty"` // what a job is taken to last while nothing is known
	// what a worker is taken to need from creation to first heartbeat, until measured
	ColdStart Duration `json:"coldStart,omitempty"`
}

// Fresh returns how old a worker's heartbeat may be while the worker still counts. It leaves room for one slow
// heartbeat.
func (t Timing) Fresh() time.Duration { return max(3*time.Second, 3*t.Heartbeat.D()) }

// MaxPriority is the highest priority that a job can have inside its lane.
const MaxPriority = 4

// Queue types a Broker may name.
const (
	Classic = "classic"
	Quorum  = "quorum"
)

// Lane returns the lane with that name; false when the policy has none.
func (p *Policy) Lane(name string) (Lane, bool) {
	for i := range p.Lanes { // without a copy of each
		if p.Lanes[i].Name == name {
			return p.Lanes[i], true
		}
	}
	return Lane{}, false
}

// Pool returns the pool with that name; false when the policy has none.
func (p *Policy) Pool(name string) (Pool, bool) {
	for i := range p.Pools { // without a copy of each
		if p.Pools[i].Name == name {
			return p.Pools[i], true
		}
	}
	return Pool{}, false
}

// Rank returns a lane's place in the order of urgency, 0 the most urgent; len(Lanes) for a lane the policy doesn't
// have.
func (p *Policy) Rank(lane string) int {
	for i := range p.Lanes { // without a copy of each
		if p.Lanes[i].Name == lane {
			return i
		}
	}
	return len(p.Lanes)
}

// Paused reports whether nobody may take a job of the lane. It is false for a lane that the policy doesn't have.
func (p *Policy) Paused(lane string) bool {
	l, _ := p.Lane(lane)
	return l.Paused
}

// Priority returns the priority that a job gets in a lane when it wants this one: at most what the lane allows, and 0
// in a lane that the policy doesn't have.
func (p *Policy) Priority(lane string, wanted int) int {
	l, _ := p.Lane(lane)
	return min(wanted, l.Priorities)
}

// LaneNames lists the lanes, most urgent first.
func (p *Policy) LaneNames() []string {
	names := make([]string, len(p.Lanes))
	for i, l := range p.Lanes {
		names[i] = l.Name
	}
	return names
}

// PoolNames lists the pools in the policy's order.
func (p *Policy) PoolNames() []string {
	names := make([]string, len(p.Pools))
	for i, q := range p.Pools {
		names[i] = q.Name
	}
	return names
}

// DefaultLane returns the lane without a match, which gets the jobs that no selector matches.
func (p *Policy) DefaultLane() string {
	for _, l := range p.Lanes {
		if len(l.Match) == 0 {
			return l.Name
		}
	}
	return ""
}

// Home returns the pool that the scaler sizes for the lane; false when no pool names it.
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

// Nice returns the OS priority of a lane's jobs: 0 for the first lane, 19 for the last, spread evenly. This is how
// lower lanes give way.
func (p *Policy) Nice(lane string) int {
	last := len(p.Lanes) - 1
	if last < 1 {
		return 0
	}
	return min(p.Rank(lane), last) * 19 / last
}

// Shoulders returns the number of shoulder slots that one worker of the pool keeps, and the lane they are for. It
// returns 0 and "" for a pool without a shoulder.
func (q Pool) Shoulders() (lane string, slots int) {
	for lane, slots = range q.Shoulder {
		return lane, slots
	}
	return "", 0
}

// serves reports whether the pool is the lane's home or takes it as a guest.
func (q Pool) serves(lane string) bool {
	return slices.Contains(q.Lanes, lane) || slices.Contains(q.Guests, lane)
}

// Backoff returns the time before attempt+1, without jitter; attempt counts from 1.
func (r Retries) Backoff(attempt int) time.Duration {
	wait := float64(r.First) * math.Pow(r.Factor, float64(max(0, attempt-1)))
	if wait >= float64(r.Max) { // compared as floats: a large one is no Duration any more
		return r.Max.D()
	}
	return time.Duration(wait)
}
