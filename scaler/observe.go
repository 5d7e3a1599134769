package scaler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// absentFor is how long a queue that was deleted isn't asked for: each question costs the broker a channel and a line
// in its log.
const absentFor = time.Minute

// observe looks at the workers: without the roster or the fleet there is nothing to decide on.
func (l *Loop) observe(ctx context.Context) (facts.Observation, error) {
	var o facts.Observation
	var err error
	if o.Workers, o.At, err = l.o.Roster.Workers(ctx); err != nil {
		return o, fmt.Errorf("look at the workers: %w", err)
	}
	if o.Pools, err = l.o.Fleet.Pools(ctx); err != nil {
		return o, fmt.Errorf("look at the fleet: %w", err)
	}
	return o, nil
}

// look looks at the lanes. Those that the broker didn't answer for count as stale.
func (l *Loop) look(ctx context.Context, policy *lanes.Policy, o *facts.Observation) {
	l.learnFormer(ctx, policy)
	for _, q := range policy.Queues() {
		delete(l.absent, q) // it is about to be made
	}
	former := slices.DeleteFunc(slices.Clone(l.former), func(q lanes.Queue) bool { return o.At.Before(l.absent[q]) })
	// the rest of the tick needs its time, and others wait for what it tells
	look, cancel := context.WithTimeout(ctx, 2*l.o.Tick)
	depths, err := l.o.Backlog.Depths(look, slices.Concat(policy.Queues(), former))
	cancel()
	if err != nil {
		l.o.Log.Debug("look at the backlog", "error", err)
	}
	for _, q := range former {
		if _, there := depths[q]; !there && err == nil {
			l.absent[q] = o.At.Add(absentFor)
		}
	}
	see(o, policy, depths, former, err == nil)
	if l.o.Retries != nil {
		if o.Retries, err = l.o.Retries(ctx, append(policy.LaneNames(), o.Former...)); err != nil {
			l.o.Log.Debug("count the retries", "error", err)
		}
	}
	l.lookAtRecords(ctx, policy, o)
}

// lookAtRecords looks at what the ledger says of the lanes. Without it what was seen before stands.
func (l *Loop) lookAtRecords(ctx context.Context, policy *lanes.Policy, o *facts.Observation) {
	var err error
	if l.o.Waiting != nil {
		since := map[string]time.Time{}
		for _, lane := range o.LaneNames(policy) {
			since[lane] = l.history.Lanes[lane].Since()
		}
		if o.Waiting, err = l.o.Waiting(ctx, since); err != nil {
			l.o.Log.Debug("look at the lanes' records", "error", err)
		}
	}
	if l.o.Last != nil && l.history.Lanes == nil { // this leader's first tick
		if last, err := l.o.Last(ctx); err == nil {
			o.Before = &last
		}
	}
}

// learnFormer asks which queues the policy doesn't use any more. While nobody can tell, what was last known stands.
func (l *Loop) learnFormer(ctx context.Context, policy *lanes.Policy) {
	if l.o.Known == nil {
		return
	}
	known, err := l.o.Known(ctx, policy.Queues())
	if err != nil {
		l.o.Log.Debug("look up the known queues", "error", err)
		return
	}
	l.former = policy.Unused(known)
}

// see takes in the depths of the policy's queues and of former ones; all is whether the broker answered for each queue
// that it has. A lane is seen when its own queue was.
func see(o *facts.Observation, p *lanes.Policy, depths map[lanes.Queue]fleet.Depth, former []lanes.Queue, all bool) {
	o.Depths = map[string]fleet.Depth{}
	for _, q := range p.Queues() {
		if d, ok := depths[q]; ok {
			o.Depths[q.Lane] = d
		}
	}
	for _, q := range former {
		d, answered := depths[q]
		_, current := p.Lane(q.Lane)
		if !answered && all { // the broker has no such queue
			if _, seen := o.Depths[q.Lane]; !seen && !current {
				o.Depths[q.Lane] = fleet.Depth{}
			}
			continue
		}
		if !answered || d.Ready > 0 {
			o.Unused = append(o.Unused, q)
		}
		if !answered {
			o.Unseen = append(o.Unseen, q)
		}
		if !current && !slices.Contains(o.Former, q.Lane) {
			o.Former = append(o.Former, q.Lane)
		}
		if sum, seen := o.Depths[q.Lane]; answered && (seen || !current) {
			o.Depths[q.Lane] = fleet.Depth{Ready: sum.Ready + d.Ready, Consumers: sum.Consumers + d.Consumers}
		}
	}
}
