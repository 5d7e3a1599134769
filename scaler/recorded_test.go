package scaler

import (
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// sees is a lane's history after ticks a second apart from t0 on, each with so many messages ready and what the ledger
// says.
func sees(l LaneHistory, from, to float64, backlog int, w fleet.Waiting) LaneHistory {
	for s := from; s <= to; s++ {
		l.learnBacklog(at(s), fleet.Depth{Ready: backlog, Consumers: 1}, true, false, 0, 0)
		l.learnRecords(at(s), w, true)
	}
	return l
}

func TestSkippedMessagesAreNoJobs(t *testing.T) {
	for _, c := range []struct {
		name                   string
		backlog                int
		w                      fleet.Waiting
		ready, skipped, counts int
	}{
		{"none", 5, fleet.Waiting{Queued: 5}, 5, 0, 5},
		{"some", 5, fleet.Waiting{Queued: 2, Skipped: 3}, 2, 3, 2},
		{"all: somebody has to skip them", 5, fleet.Waiting{Skipped: 5}, 0, 5, 1},
		{"some, and jobs of plain AMQP", 5, fleet.Waiting{Skipped: 3}, 2, 3, 2},
		{"more than there are", 5, fleet.Waiting{Skipped: 9}, 0, 5, 1},
		{"noted wrongly: records of waiting jobs are believed first", 5, fleet.Waiting{Queued: 4, Skipped: 5}, 4, 1, 4},
		{"nothing is there", 0, fleet.Waiting{Queued: 3, Skipped: 5}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := sees(LaneHistory{}, 0, 0, c.backlog, c.w)
			if l.ready() != c.ready || l.Skipped != c.skipped || l.load() != c.counts {
				t.Errorf("%d wait, %d are skipped, the law counts %d; want %d, %d, %d", l.ready(), l.Skipped, l.load(),
					c.ready, c.skipped, c.counts)
			}
		})
	}
	t.Run("skipping them is no coming and going", func(t *testing.T) {
		l := sees(LaneHistory{}, 0, 1, 5, fleet.Waiting{Skipped: 5})
		l = sees(l, 2, 2, 0, fleet.Waiting{})
		if in := l.Flow[len(l.Flow)-1].In; in != 0 {
			t.Errorf("%d came in", in)
		}
	})
}

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
			d, _ := Decide(p, Observation{
				At: t0, Depths: map[string]fleet.Depth{"bulk": {Ready: 1000}},
				Waiting: map[string]fleet.Waiting{"bulk": c.waiting},
				Pools:   map[string]fleet.PoolState{"general": {}},
			}, History{})
			if to := d.Plans[0].To; to != c.want {
				t.Errorf("%d workers, want %d: %s", to, c.want, d.Plans[0].Why)
			}
			if s := d.Snapshot.Lanes[0]; s.Ready != c.waiting.Queued || s.Skipped != c.waiting.Skipped {
				t.Errorf("the snapshot says %d ready, %d skipped", s.Ready, s.Skipped)
			}
		})
	}
}

func TestOldestWaitByTheRecords(t *testing.T) {
	for _, c := range []struct {
		name string
		l    LaneHistory
		n    int
		w    fleet.Waiting
		want time.Duration
	}{
		{"they say it", LaneHistory{LastEmpty: at(0)}, 3, fleet.Waiting{Queued: 3, Oldest: at(80)}, 20 * time.Second},
		{
			"of a lane that was never seen empty",
			LaneHistory{},
			3,
			fleet.Waiting{Queued: 3, Oldest: at(-1000)},
			1100 * time.Second,
		},
		{
			"jobs of plain AMQP may be older",
			LaneHistory{LastEmpty: at(10)},
			3,
			fleet.Waiting{Queued: 1, Oldest: at(80)},
			90 * time.Second,
		},
		{
			"a record that lost its message before the lane was empty",
			LaneHistory{LastEmpty: at(60)},
			3,
			fleet.Waiting{Queued: 9, Oldest: at(5)},
			40 * time.Second,
		},
		{
			"a record that lost its message, and later ones have started",
			LaneHistory{LastEmpty: at(0), LastReady: at(90)},
			3,
			fleet.Waiting{Queued: 9, Oldest: at(5)},
			10 * time.Second,
		},
		{"nothing but messages that will be skipped", LaneHistory{LastEmpty: at(0)}, 3, fleet.Waiting{Skipped: 3}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := sees(c.l, 100, 100, c.n, c.w).oldestWait(at(100)); got != c.want {
				t.Errorf("oldestWait = %s, want %s", got, c.want)
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
			o := Observation{
				At: t0, Depths: map[string]fleet.Depth{"bulk": {Ready: 5, Consumers: 1}},
				Waiting: map[string]fleet.Waiting{"bulk": c.w}, Before: c.before,
			}
			d, _ := Decide(p, o, History{})
			if got := d.Snapshot.Lanes[0].OldestWait.D(); got != c.want {
				t.Errorf("oldest wait %s, want %s", got, c.want)
			}
			if d.Snapshot.Lanes[0].Promoted != c.promoted {
				t.Errorf("promoted: %v", !c.promoted)
			}
		})
	}
	t.Run("and the next one from that one", func(t *testing.T) {
		var h History
		var d Decision
		var before *fleet.Snapshot
		for s := range 100 {
			o := Observation{At: at(float64(s)), Depths: map[string]fleet.Depth{"bulk": {Ready: 5, Consumers: 1}}}
			if s == 0 {
				o.Depths["bulk"] = fleet.Depth{Consumers: 1}
			}
			if s%10 == 5 { // a new leader every ten seconds
				h, o.Before = History{}, before
			}
			d, h = Decide(p, o, h)
			before = &d.Snapshot
		}
		if got := d.Snapshot.Lanes[0].OldestWait.D(); got != 99*time.Second {
			t.Errorf("oldest wait %s, want 99s", got)
		}
	})
}

// Jobs are missing that were queued well before their queue was empty, and empty again later.
func TestLostSince(t *testing.T) {
	ghosts := fleet.Waiting{Queued: 7}
	l := sees(LaneHistory{}, 0, 0, 3, ghosts)
	if l = sees(l, 1, 50, 0, ghosts); !l.lost().IsZero() {
		t.Error("seen empty for 50 s only")
	}
	if l = sees(l, 51, 61, 0, ghosts); !l.lost().Equal(at(1).Add(-missingAfter)) {
		t.Errorf("lost since %s, want five minutes before its queue was first seen empty", l.lost())
	}
	var doubtful LaneHistory
	for s := range 200 {
		doubtful.learnBacklog(at(float64(s)), fleet.Depth{}, true, true, 0, 0)
	}
	if !doubtful.WasEmpty.IsZero() || !doubtful.EmptySince.IsZero() {
		t.Error("a doubtful answer was taken for an empty queue")
	}
	p := &lanes.Policy{Lanes: []lanes.Lane{{Name: "bulk"}}}
	var h History
	for s := range 200 { // the queue of its other type doesn't answer
		h = h.learn(p, Observation{
			At: at(float64(s)), Depths: map[string]fleet.Depth{"bulk": {Consumers: 1}},
			Waiting: map[string]fleet.Waiting{"bulk": ghosts},
			Unused:  []lanes.Queue{{Lane: "bulk", Type: lanes.Quorum}},
		})
	}
	if l := h.Lanes["bulk"]; !l.lost().IsZero() {
		t.Errorf("lost since %s, though one of its queues wasn't seen", l.lost())
	}
}

func TestExcess(t *testing.T) {
	l := sees(LaneHistory{}, 0, 0, 3, fleet.Waiting{Queued: 249})
	if l = sees(l, 1, 200, 2, fleet.Waiting{Queued: 248}); l.excess(at(200)) != 0 {
		t.Error("told after 200 s")
	}
	if l = sees(l, 201, 301, 3, fleet.Waiting{Queued: 250}); l.excess(at(301)) != 246 {
		t.Errorf("%d, want the 246 that there were all the time", l.excess(at(301)))
	}
	if l = sees(l, 302, 302, 3, fleet.Waiting{Queued: 3}); l.excess(at(302)) != 0 {
		t.Error("told though it is over")
	}
}
