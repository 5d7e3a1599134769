package law

import (
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// laneStatuses returns the lanes' part of the snapshot: those of the policy, then former ones that aren't empty.
func laneStatuses(p *lanes.Policy, o facts.Observation, h facts.History, asks []ask, d Decision) []fleet.LaneStatus {
	var all []fleet.LaneStatus
	loads := loads(asks)
	for _, l := range p.Lanes {
		lh, load := h.Lanes[l.Name], loads[l.Name]
		_, promoted := d.Turns[l.Name]
		s := lh.Status(o.At, l.StartWithin)
		s.Name, s.Paused, s.Promoted, s.Partial = l.Name, l.Paused, promoted, o.PartlySeen(l.Name)
		s.Retrying, s.NextRetry = o.Retries[l.Name].Count, o.Retries[l.Name].Next
		s.Busy, s.Slots = load.busy, load.slots
		s.Service = lanes.Duration(load.service.Round(time.Millisecond))
		all = append(all, s)
	}
	for _, name := range o.Former {
		depth, answered := o.Depths[name]
		lh := h.Lanes[name]
		s := fleet.LaneStatus{
			Name: name, Ready: depth.Ready - min(depth.Ready, lh.Skipped), Skipped: lh.Skipped,
			Unrecorded: lh.Unrecorded(o.At), Since: lh.Since(),
			Retrying: o.Retries[name].Count, NextRetry: o.Retries[name].Next,
			Busy: loads[name].busy, Stale: !answered, Former: true,
		}
		if !answered || s.Ready+s.Skipped+s.Retrying+s.Busy > 0 {
			all = append(all, s)
		}
	}
	return all
}

// load is what runs of one lane in all pools, and where.
type load struct {
	busy, slots int           // its running jobs, and the slots of workers that may take it
	service     time.Duration // how long one of its jobs runs, as the law has it in the lane's home
}

// loads returns every lane's load, from one walk over the pools.
func loads(asks []ask) map[string]load {
	all := map[string]load{}
	count := func(lane string, busy, slots int) {
		l := all[lane]
		all[lane] = load{l.busy + busy, l.slots + slots, l.service}
	}
	for _, a := range asks {
		v := a.view
		for lane, ages := range v.Ages {
			count(lane, ages.Jobs, 0)
		}
		for _, lane := range v.Lanes {
			count(lane, 0, v.Ready)
		}
		for _, lane := range v.Guests {
			count(lane, 0, v.Ready)
		}
		if lane, _ := v.Shoulders(); lane != "" {
			for _, w := range v.Taking {
				count(lane, 0, w.Shoulder)
			}
		}
		for _, part := range a.parts {
			l := all[part.lane]
			l.service = part.in.Service
			all[part.lane] = l
		}
	}
	return all
}

// poolStatuses returns the pools' part of the snapshot.
func poolStatuses(asks []ask, plans []fleet.Plan) []fleet.PoolStatus {
	var all []fleet.PoolStatus
	for i, a := range asks {
		v := a.view
		all = append(all, fleet.PoolStatus{
			Name: v.Name, Lanes: v.Lanes, Guests: v.Guests,
			Replicas: v.State.Replicas, Others: len(v.Others), Ready: len(v.Taking), Starting: len(v.Starting),
			Parked: parkedWorkers(v), Retired: len(v.Retired), Stuck: len(v.Stuck),
			Slots: v.Ready, Busy: sum(v.Running), Min: v.Min, Max: v.Max,
			ColdStart: lanes.Duration(a.cold), Hold: lanes.Duration(a.hold), Frozen: v.Frozen,
			Wanted: a.now, Target: plans[i].To, Reason: plans[i].Reason, Why: plans[i].Why,
			Expected: expected(v, plans[i].At, a.cold),
		})
	}
	return all
}

// expected returns when the starting workers will take jobs, if each takes a cold start from its creation on.
func expected(v facts.PoolView, now time.Time, cold time.Duration) []time.Time {
	var all []time.Time
	for _, m := range v.Starting {
		created := m.CreatedAt
		if created.IsZero() {
			created = now
		}
		all = append(all, created.Add(cold))
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func parkedWorkers(v facts.PoolView) (n int) {
	for _, w := range v.Workers {
		if w.Parked && !w.Retired && !w.Draining {
			n++
		}
	}
	return n
}
