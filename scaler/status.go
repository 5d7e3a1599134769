package scaler

import (
	"math"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// laneStatuses returns the lanes' part of the snapshot: those of the policy, then former ones that aren't empty.
func laneStatuses(p *lanes.Policy, o Observation, h History, asks []ask, d Decision) []fleet.LaneStatus {
	var all []fleet.LaneStatus
	loads := loads(asks)
	for _, l := range p.Lanes {
		lh, load := h.Lanes[l.Name], loads[l.Name]
		_, promoted := d.Turns[l.Name]
		s := fleet.LaneStatus{
			Name: l.Name, Ready: lh.ready(), Skipped: lh.Skipped, Unrecorded: lh.unrecorded(o.At),
			Excess: lh.excess(o.At), Since: lh.since(),
			Retrying: o.Retries[l.Name].Count, NextRetry: o.Retries[l.Name].Next,
			OldestWait: lanes.Duration(lh.oldestWait(o.At)), StartWithin: l.StartWithin,
			Paused: l.Paused, Promoted: promoted, Stale: lh.Stale,
			Busy: load.busy, Slots: load.slots, Service: lanes.Duration(load.service.Round(time.Millisecond)),
		}
		s.InPerMin, s.OutPerMin = rates(lh.Flow)
		judgeWaits(&s, lh.Waits)
		all = append(all, s)
	}
	for _, name := range o.Former {
		depth, answered := o.Depths[name]
		lh := h.Lanes[name]
		s := fleet.LaneStatus{
			Name: name, Ready: depth.Ready - min(depth.Ready, lh.Skipped), Skipped: lh.Skipped,
			Unrecorded: lh.unrecorded(o.At), Since: lh.since(),
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
		for lane, ages := range v.ages {
			count(lane, ages.jobs, 0)
		}
		for _, lane := range v.Lanes {
			count(lane, 0, v.ready)
		}
		for _, lane := range v.Guests {
			count(lane, 0, v.ready)
		}
		if lane, _ := v.Shoulders(); lane != "" {
			for _, w := range v.taking {
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

// rates returns the jobs per minute in and out. A window that has only begun counts with its own length.
func rates(flow []FlowSample) (in, out float64) {
	if len(flow) < 2 {
		return 0, 0
	}
	for _, f := range flow[1:] {
		in += float64(f.In)
		out += float64(f.Out)
	}
	minutes := flow[len(flow)-1].At.Sub(flow[0].At).Minutes()
	if minutes <= 0 {
		return 0, 0
	}
	return math.Round(10*max(0, in)/minutes) / 10, math.Round(10*out/minutes) / 10
}

// judgeWaits fills in the 95th percentile (nearest rank) and how many starts were in time.
func judgeWaits(s *fleet.LaneStatus, samples []WaitSample) {
	waits := make([]time.Duration, len(samples))
	for i, w := range samples {
		waits[i] = w.Wait
		if w.Wait <= s.StartWithin.D() {
			s.InTime++
		}
	}
	s.Started = len(waits)
	if len(waits) == 0 {
		return
	}
	slices.Sort(waits)
	s.P95Wait = lanes.Duration(waits[int(math.Ceil(0.95*float64(len(waits))))-1])
}

// poolStatuses returns the pools' part of the snapshot.
func poolStatuses(asks []ask, plans []fleet.Plan) []fleet.PoolStatus {
	var all []fleet.PoolStatus
	for i, a := range asks {
		v := a.view
		all = append(all, fleet.PoolStatus{
			Name: v.Name, Lanes: v.Lanes, Guests: v.Guests,
			Replicas: v.state.Replicas, Ready: len(v.taking), Starting: len(v.starting),
			Parked: v.parkedWorkers(), Retired: len(v.retired), Stuck: len(v.stuck),
			Slots: v.ready, Busy: sum(v.running), Min: v.Min, Max: v.Max,
			ColdStart: lanes.Duration(a.cold), Hold: lanes.Duration(a.hold), Frozen: v.Frozen,
			Wanted: a.now, Target: plans[i].To, Reason: plans[i].Reason, Why: plans[i].Why,
			Expected: v.expected(plans[i].At, a.cold),
		})
	}
	return all
}

// expected returns when the starting workers will take jobs, if each takes a cold start from its creation on.
func (v poolView) expected(now time.Time, cold time.Duration) []time.Time {
	var all []time.Time
	for _, m := range v.starting {
		created := m.CreatedAt
		if created.IsZero() {
			created = now
		}
		all = append(all, created.Add(cold))
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func (v poolView) parkedWorkers() (n int) {
	for _, w := range v.workers {
		if w.Parked && !w.Retired && !w.Draining {
			n++
		}
	}
	return n
}
