package law

import (
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
)

// A lane with nothing but cancelled jobs takes one slot, to have them skipped, and a paused one none.
func TestDecideDoesNotGrowForSkippedMessages(t *testing.T) {
	p := &lanes.Policy{
		Lanes: []lanes.Lane{{Name: "bulk"}},
		Pools: []lanes.Pool{{Name: "general", Lanes: []string{"bulk"}, Slots: 2, Max: 50}}, Budget: 50,
	}
	p.Default()
	for _, c := range []struct {
		name    string
		paused  bool
		waiting fleet.Waiting
		want    int
	}{
		{"jobs that wait", false, fleet.Waiting{Queued: 1000}, 50},
		{"all of them cancelled", false, fleet.Waiting{Skipped: 1000}, 1},
		{"cancelled in a paused lane", true, fleet.Waiting{Skipped: 1000}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.Lanes[0].Paused, p.Lanes[0].StartWithin = c.paused, lanes.Duration(time.Second)
			d, _ := Decide(p, facts.Observation{
				At: t0, Depths: map[string]fleet.Depth{"bulk": {Ready: 1000}},
				Waiting: map[string]fleet.Waiting{"bulk": c.waiting},
				Pools:   map[string]fleet.PoolState{"general": {}},
			}, facts.History{})
			if to := d.Plans[0].To; to != c.want {
				t.Errorf("%d workers, want %d: %s", to, c.want, d.Plans[0].Why)
			}
			if s := d.Snapshot.Lanes[0]; s.Ready != c.waiting.Queued || s.Skipped != c.waiting.Skipped {
				t.Errorf("the snapshot says %d ready, %d skipped", s.Ready, s.Skipped)
			}
		})
	}
}

// A new leader goes on from what the one before it saw.
func TestOldestWaitSurvivesTheLeader(t *testing.T) {
	p := &lanes.Policy{Lanes: []lanes.Lane{{
		Name:    "bulk",
		Promote: &lanes.Promote{After: lanes.Duration(10 * time.Minute), To: "express"},
	}, {Name: "express"}}}
	last := func(age time.Duration, s fleet.LaneStatus) *fleet.Snapshot {
		s.Name = "bulk"
		return &fleet.Snapshot{At: t0.Add(-age), Lanes: []fleet.LaneStatus{s}}
	}
	const min = time.Minute
	for _, c := range []struct {
		name     string
		before   *fleet.Snapshot
		w        fleet.Waiting
		want     time.Duration
		promoted bool
	}{
		{"killed, and another one leads at once", last(10*time.Second,
			fleet.LaneStatus{
				Ready: 5, OldestWait: lanes.Duration(28 * min),
				Since: t0.Add(-29 * min),
			}), fleet.Waiting{Queued: 5, Oldest: t0.Add(-28 * min)}, 28 * min, true},
		{"the same, of jobs without records", last(10*time.Second,
			fleet.LaneStatus{
				Ready: 5, OldestWait: lanes.Duration(28 * min),
				Since: t0.Add(-29 * min),
			}), fleet.Waiting{}, 28*min + 10*time.Second, true},
		{
			"the same, of a lane that it never saw empty",
			last(10*time.Second, fleet.LaneStatus{Ready: 5, OldestWait: lanes.Duration(28 * min)}),
			fleet.Waiting{},
			28*min + 10*time.Second, true,
		},
		{
			"all away for an hour: the lane was empty, and filled again",
			last(time.Hour, fleet.LaneStatus{Ready: 5, OldestWait: lanes.Duration(28 * min), Since: t0.Add(-88 * min)}),
			fleet.Waiting{Queued: 5, Oldest: t0.Add(-2 * min)},
			2 * min, false,
		},
		{
			"all away for an hour, and the jobs are still those",
			last(time.Hour, fleet.LaneStatus{Ready: 5, OldestWait: lanes.Duration(28 * min), Since: t0.Add(-88 * min)}),
			fleet.Waiting{Queued: 5, Oldest: t0.Add(-88 * min)},
			88 * min, true,
		},
		{
			"all away for an hour, and nobody knows these jobs",
			last(time.Hour, fleet.LaneStatus{Ready: 5, OldestWait: lanes.Duration(28 * min), Since: t0.Add(-88 * min)}),
			fleet.Waiting{},
			0, false,
		},
		{"no leader before, and records", nil, fleet.Waiting{Queued: 5, Oldest: t0.Add(-28 * min)}, 28 * min, true},
		{"no leader before, and none", nil, fleet.Waiting{}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := facts.Observation{
				At: t0, Depths: map[string]fleet.Depth{"bulk": {Ready: 5, Consumers: 1}},
				Waiting: map[string]fleet.Waiting{"bulk": c.w}, Before: c.before,
			}
			d, _ := Decide(p, o, facts.History{})
			if got := d.Snapshot.Lanes[0].OldestWait.D(); got != c.want {
				t.Errorf("oldest wait %s, want %s", got, c.want)
			}
			if d.Snapshot.Lanes[0].Promoted != c.promoted {
				t.Errorf("promoted: %v", !c.promoted)
			}
		})
	}
	t.Run("and the next one from that one", func(t *testing.T) {
		var h facts.History
		var d Decision
		var before *fleet.Snapshot
		for s := range 100 {
			o := facts.Observation{At: at(float64(s)), Depths: map[string]fleet.Depth{"bulk": {Ready: 5, Consumers: 1}}}
			if s == 0 {
				o.Depths["bulk"] = fleet.Depth{Consumers: 1}
			}
			if s%10 == 5 { // a new leader every ten seconds
				h, o.Before = facts.History{}, before
			}
			d, h = Decide(p, o, h)
			before = &d.Snapshot
		}
		if got := d.Snapshot.Lanes[0].OldestWait.D(); got != 99*time.Second {
			t.Errorf("oldest wait %s, want 99s", got)
		}
	})
}
