package fleet

import (
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

func TestForecast(t *testing.T) {
	now := time.Unix(5000, 0)
	beat := func(pool, name string, shoulder int, running ...Run) Heartbeat {
		return Heartbeat{Worker: name, Pool: pool, At: now, Slots: 1, Shoulder: shoulder, Running: running}
	}
	run := func(lane string, age time.Duration) Run { return Run{Job: lane, Lane: lane, Since: now.Add(-age)} }
	lane := func(name string, ready int, service time.Duration) LaneStatus {
		return LaneStatus{Name: name, Ready: ready, Service: lanes.Duration(service)}
	}
	s := time.Second
	shut := func(e *lanes.Effective) { e.NoGuests = []string{"general"} }
	hold := func(d time.Duration) []PoolStatus {
		return []PoolStatus{{Name: "general", Min: 1, ColdStart: lanes.Duration(3 * s), Hold: lanes.Duration(d)}}
	}
	for _, c := range []struct {
		name    string
		lanes   []LaneStatus
		pools   []PoolStatus
		workers []Heartbeat
		left    map[string]Load
		change  func(e *lanes.Effective)
		lane    string
		ahead   int
		want    time.Duration
		never   bool
	}{
		{name: "an idle slot", workers: []Heartbeat{beat("general", "a", 1)}, lane: "standard", want: 0},
		{
			name: "after the running one", lanes: []LaneStatus{lane("standard", 1, 10*s)},
			workers: []Heartbeat{beat("general", "a", 0, run("standard", 4*s))}, lane: "standard", want: 6 * s,
		},
		{
			name: "its progress says more than the mean", lanes: []LaneStatus{lane("standard", 1, 10*s)},
			left:    map[string]Load{"standard": {Alone: 20 * s}},
			workers: []Heartbeat{beat("general", "a", 0, run("standard", 4*s))}, lane: "standard", want: 20 * s,
		},
		{
			name: "one that is overdue still takes a little", lanes: []LaneStatus{lane("standard", 1, 10*s)},
			workers: []Heartbeat{beat("general", "a", 0, run("standard", 60*s))}, lane: "standard", want: s,
		},
		{
			name: "behind others", lanes: []LaneStatus{lane("standard", 9, 10*s)},
			workers: []Heartbeat{beat("general", "a", 0), beat("general", "b", 0)}, lane: "standard", ahead: 4,
			want: 20 * s,
		},
		{
			name: "more urgent jobs first", lanes: []LaneStatus{lane("express", 3, 2*s), lane("standard", 1, 10*s)},
			workers: []Heartbeat{beat("general", "a", 0)}, lane: "standard", want: 6 * s,
		},
		{
			name: "less urgent ones not", lanes: []LaneStatus{lane("express", 1, 2*s), lane("standard", 50, 10*s)},
			workers: []Heartbeat{beat("general", "a", 0, run("standard", 3*s))}, lane: "express", want: 7 * s,
		},
		{
			name: "the shoulder is free", lanes: []LaneStatus{lane("express", 1, 2*s), lane("standard", 50, 10*s)},
			workers: []Heartbeat{beat("general", "a", 1, run("standard", 3*s))}, lane: "express", want: 0,
		},
		{
			name: "a worker that starts", lanes: []LaneStatus{lane("standard", 1, 10*s)},
			pools: []PoolStatus{{Name: "general", Target: 1, Expected: []time.Time{now.Add(3 * s)}}},
			lane:  "standard", want: 3 * s,
		},
		{
			name: "a worker that was only asked for", lanes: []LaneStatus{lane("standard", 1, 10*s)},
			pools: []PoolStatus{{
				Name: "general", Target: 2, ColdStart: lanes.Duration(8 * s),
				Expected: []time.Time{now},
			}},
			lane: "standard", ahead: 1, want: 8 * s,
		},
		{
			name: "a guest", lanes: []LaneStatus{lane("standard", 1, 10*s), lane("bulk", 1, 100*s)},
			workers: []Heartbeat{beat("general", "a", 0)}, lane: "bulk", want: 10 * s,
		},
		{
			name:  "a guest that is shut out comes in after the hold window",
			lanes: []LaneStatus{lane("bulk", 1, 100*s)}, pools: hold(20 * s), change: shut,
			workers: []Heartbeat{beat("general", "a", 0)}, lane: "bulk", want: 20 * s,
		},
		{
			name:  "or behind the pool's own, should these take longer",
			lanes: []LaneStatus{lane("standard", 5, 10*s), lane("bulk", 1, 100*s)},
			pools: hold(20 * s), change: shut, workers: []Heartbeat{beat("general", "a", 0)}, lane: "bulk",
			want: 50 * s,
		},
		{ // the last starts after 40 s, and is in time 12 s before
			name:  "the window begins when the pool's own are in time",
			lanes: []LaneStatus{lane("standard", 5, 10*s), lane("bulk", 1, 100*s)},
			pools: hold(40 * s), change: shut, workers: []Heartbeat{beat("general", "a", 0)}, lane: "bulk",
			want: 68 * s,
		},
		{
			name: "takes turns", lanes: []LaneStatus{
				lane("standard", 10, 10*s),
				lane("bulk", 5,
					100*s),
			}, change: func(e *lanes.Effective) { e.Turns = map[string]string{"bulk": "standard"} },
			workers: []Heartbeat{beat("general", "a", 0)}, lane: "bulk", want: 10 * s,
		},
		{
			name: "paused", lanes: []LaneStatus{lane("express", 1,
				s)}, change: func(e *lanes.Effective) { e.Policy.Lanes[0].Paused = true },
			workers: []Heartbeat{beat("general", "a", 1)}, lane: "express", never: true,
		},
		{
			name:    "a worker between two slow heartbeats",
			workers: []Heartbeat{{Worker: "a", Pool: "general", At: now.Add(-12 * s), Slots: 1}},
			change: func(e *lanes.Effective) {
				e.Policy.Timing.Heartbeat = lanes.Duration(5 * s)
			}, lane: "standard", want: 0,
		},
		{name: "nobody serves it", lanes: []LaneStatus{lane("bulk", 1, s)}, lane: "bulk", never: true},
		{
			name: "parked and silent workers don't", lanes: []LaneStatus{lane("standard", 1, s)}, lane: "standard",
			never: true,
			workers: []Heartbeat{
				{Worker: "a", Pool: "general", At: now, Slots: 1, Parked: true},
				{Worker: "b", Pool: "general", At: now.Add(-time.Minute), Slots: 1},
			},
		},
	} {
		policy, err := lanes.Load("../testdata/siren.yaml")
		if err != nil {
			t.Fatal(err)
		}
		e := &lanes.Effective{Policy: *policy}
		if c.change != nil {
			c.change(e)
		}
		f := Forecast{
			Effective: e, Snapshot: Snapshot{At: now, Lanes: c.lanes, Pools: c.pools}, Workers: c.workers,
			Left: c.left,
		}
		got, ok := f.Start(c.lane, c.ahead)
		if ok == c.never || got != c.want {
			t.Errorf("%s: %s, %t; want %s, %t", c.name, got, ok, c.want, !c.never)
		}
	}
}
