package scaler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
	"github.com/polyglot-media/siren/scaler/law"
)

// Backlog looks at the lanes' queues. One that couldn't be seen is absent from the answer.
type Backlog interface {
	Depths(ctx context.Context, queues []lanes.Queue) (map[lanes.Queue]fleet.Depth, error)
}

// Roster knows the workers and passes orders to them. now is its own clock, by which heartbeats are stamped.
type Roster interface {
	Workers(ctx context.Context) (workers []fleet.Heartbeat, now time.Time, err error)
	// Order renews the lease of those that the plan parks, lets the unparked ones go, and tells others to retire.
	Order(ctx context.Context, p fleet.Plan) error
}

// Board is where the scaler publishes what it sees and decides.
type Board interface {
	PublishPolicy(ctx context.Context, e lanes.Effective) (revision int64, err error)
	PutSnapshot(ctx context.Context, s fleet.Snapshot) error
	Record(ctx context.Context, p fleet.Plan) error
}

// Fleet holds the pools' workers. Scale refuses with lanes.ErrConflict when the pool is no longer as seen says; remove
// names the retired workers that a smaller number leaves out.
type Fleet interface {
	Pools(ctx context.Context) (map[string]fleet.PoolState, error)
	Scale(ctx context.Context, pool string, seen fleet.PoolState, to int, remove []string) error
}

// Options is what a Loop is made of.
type Options struct {
	Name    string        // of this scaler, for the snapshot
	Policy  *lanes.Policy // at the start; see Loop.Follow
	Backlog Backlog
	Roster  Roster
	Board   Board
	Fleet   Fleet
	// Retries is which of the lanes have jobs that wait for their next attempt. It is only shown; nil: none.
	Retries func(ctx context.Context, names []string) (map[string]fleet.Delayed, error)
	// Waiting is what the ledger knows of the waiting jobs of each lane in since, which says from when on what is in
	// its queue became ready; nil: nothing.
	Waiting func(ctx context.Context, since map[string]time.Time) (map[string]fleet.Waiting, error)
	// Compare has the ledger find jobs missing that have been queued in the lane since before or longer, but for those
	// that are held, and fix its index; nil: it can't.
	Compare func(ctx context.Context, lane string, before time.Time, held map[string]bool) (missing int, err error)
	// Last is what the leader before this one saw last; nil: nobody knows.
	Last func(ctx context.Context) (fleet.Snapshot, error)
	// Known remembers the policy's queues and answers with every queue that there ever was. Those that the policy
	// doesn't use any more are served until they are empty; nil: none.
	Known func(ctx context.Context, current []lanes.Queue) ([]lanes.Queue, error)
	// Declare is called before a policy is put in force that has other queues, or another default lane, than the one
	// before; nil: nothing is to be done then.
	Declare func(ctx context.Context, p *lanes.Policy)
	// Tunings is what is put over the policy now; nil: nothing, ever.
	Tunings func(ctx context.Context) (lanes.Tunings, error)
	// Note notes something in the audit log, and Published is the policy that was last put in force, by whichever
	// scaler; nil: what schedules do isn't noted.
	Note      func(ctx context.Context, e audit.Entry) error
	Published func(ctx context.Context) (lanes.Effective, error)
	// Sight publishes a Sight, as ReadSight reads it; nil: nobody asks.
	Sight   func(ctx context.Context, text []byte) error
	Version string // of siren, for the sight
	// History writes the history of lanes and pools; it is told of each tick. nil: there is none.
	History func(ctx context.Context, s fleet.Snapshot) error
	// Leading says whether this scaler may act. nil: always.
	Leading func(ctx context.Context) (bool, error)
	Log     *slog.Logger    // nil: nowhere
	Metrics *Metrics        // nil: none
	Tick    time.Duration   // 1 s when zero
	Nudge   <-chan struct{} // a value has the next tick come at once; nil: they come by the clock alone
}

// apart is the least time between two ticks: nudges come in swarms.
const apart = 50 * time.Millisecond

// Loop observes, decides and applies, once a tick.
type Loop struct {
	o         Options
	refused   atomic.Pointer[string]       // why a changed policy isn't followed
	policy    atomic.Pointer[lanes.Policy] // as it is written
	inUse     atomic.Pointer[lanes.Policy] // with the tunings, as this scaler last put it in force; nil: never
	history   facts.History
	said      map[string]fleet.Plan     // the last plan told of each pool
	conflicts map[string]int            // plans refused in a row, by pool
	former    []lanes.Queue             // queues that the policy doesn't use any more
	absent    map[lanes.Queue]time.Time // those of them that the broker doesn't have, and when to ask again
	compared  map[string]time.Time      // when the records of a lane were last compared with its queue
	revision  int64                     // of the policy in force, as far as known
	tunings   *lanes.Tunings            // as they were last read; nil: never, since this scaler leads
	blind     bool                      // the tunings can't be read now
	scheduled map[string]lanes.Tuning   // those of schedules that were in force at the last tick; nil: not known
	at        time.Time                 // of the tick
	leading   bool
	sightDue  time.Time // no earlier than then is a sight written again
}

// New makes a Loop; Run starts it.
func New(o Options) *Loop {
	if o.Tick == 0 {
		o.Tick = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	l := &Loop{
		o: o, said: map[string]fleet.Plan{}, conflicts: map[string]int{}, absent: map[lanes.Queue]time.Time{},
		compared: map[string]time.Time{},
	}
	l.policy.Store(o.Policy)
	l.refused.Store(new(string))
	return l
}

// Follow replaces the policy from the next tick on. It may be called at any time, from any goroutine.
func (l *Loop) Follow(p *lanes.Policy) { l.policy.Store(p) }

// InForce returns the policy with the tunings, as this scaler last put it in force while it leads; nil before that. It
// may be called at any time, from any goroutine.
func (l *Loop) InForce() *lanes.Policy { return l.inUse.Load() }

// Refuse tells why a changed policy can't be followed, for all who look; "": nothing is refused (any more). It may be
// called at any time, from any goroutine.
func (l *Loop) Refuse(why string) {
	l.refused.Store(&why)
	l.o.Metrics.refused.Set(one(why != ""))
}

// Run ticks until ctx ends, by the clock and when it is nudged. An error of one tick is logged and the next tick tries
// again: the fleet stays as it is meanwhile.
func (l *Loop) Run(ctx context.Context) error {
	ticker := time.NewTicker(l.o.Tick)
	defer ticker.Stop()
	nudge, failing := l.o.Nudge, false
	for {
		err := l.tick(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			l.o.Metrics.failed.Inc()
			if !failing {
				l.o.Log.Warn("no scaling this tick: the scaler could not see or act", "error", err)
			}
		case failing:
			l.o.Log.Info("ticks succeed again")
		}
		failing = err != nil
		ended := time.Now()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case _, open := <-nudge:
			if !open {
				nudge = nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(ended.Add(apart))):
		}
	}
}

// tick runs one round. It is bounded in time, so that a hanging broker or store can't stop the scaler.
func (l *Loop) tick(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*l.o.Tick+5*time.Second)
	defer cancel()
	began := time.Now()
	leading, err := l.lead(ctx)
	if err == nil && !leading {
		return nil // waiting is no tick: it never fails, and would hide that the leader's do
	}
	defer func() { l.o.Metrics.ticks.Observe(time.Since(began).Seconds()) }()
	if err != nil {
		return err
	}
	file, before := l.policy.Load(), l.history
	o, err := l.observe(ctx)
	if err != nil {
		return err
	}
	e, err := l.layTunings(ctx, file, o.At)
	if err != nil {
		return err
	}
	l.at = o.At
	l.lastScheduled(ctx)
	l.declare(ctx, &e.Policy)
	l.look(ctx, &e.Policy, &o)
	var d law.Decision
	d, l.history = law.Decide(&e.Policy, o, before)
	if leading, err := l.lead(ctx); err != nil || !leading { // looking may have taken long
		return err
	}
	err = errors.Join(l.apply(ctx, d, o), l.publish(ctx, e, d, o))
	l.noteSchedules(ctx, e)
	l.showSight(ctx, e, d, o, before)
	l.note(ctx, d.Snapshot)
	l.compare(ctx, &e.Policy, o)
	l.o.Metrics.show(d.Snapshot)
	l.o.Metrics.tune(e)
	return err
}

// lead reports whether this scaler acts now; it doesn't while the election can't tell. A new leader forgets what it
// remembers from an earlier time. One that no longer leads stops showing what it saw.
func (l *Loop) lead(ctx context.Context) (bool, error) {
	if l.o.Leading == nil {
		l.o.Metrics.lead(true)
		return true, nil
	}
	leading, err := l.o.Leading(ctx)
	if err != nil {
		return false, fmt.Errorf("find out who leads: %w", err)
	}
	if leading != l.leading {
		l.o.Log.Info("leadership", "leading", leading)
		l.history, l.leading, l.tunings, l.blind = facts.History{}, leading, nil, false
		l.inUse.Store(nil)
		l.scheduled = nil
		l.o.Metrics.lead(leading)
		l.o.Metrics.show(fleet.Snapshot{})
		l.o.Metrics.tune(lanes.Effective{})
	}
	return leading, nil
}

// declare declares and binds a policy's queues before anybody takes from them.
func (l *Loop) declare(ctx context.Context, policy *lanes.Policy) {
	last := l.inUse.Swap(policy)
	if l.o.Declare == nil || last != nil && slices.Equal(last.Queues(), policy.Queues()) &&
		last.DefaultLane() == policy.DefaultLane() {
		return
	}
	l.o.Declare(ctx, policy)
}
