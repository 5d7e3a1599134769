package facts

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
			if l.Ready() != c.ready || l.Skipped != c.skipped || l.Load() != c.counts {
				t.Errorf("%d wait, %d are skipped, the law counts %d; want %d, %d, %d", l.Ready(), l.Skipped, l.Load(),
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
			if got := sees(c.l, 100, 100, c.n, c.w).OldestWait(at(100)); got != c.want {
				t.Errorf("oldestWait = %s, want %s", got, c.want)
			}
		})
	}
}

// Jobs are missing that were queued well before their queue was empty, and empty again later.
func TestLostSince(t *testing.T) {
	ghosts := fleet.Waiting{Queued: 7}
	l := sees(LaneHistory{}, 0, 0, 3, ghosts)
	if l = sees(l, 1, 50, 0, ghosts); !l.Lost().IsZero() {
		t.Error("seen empty for 50 s only")
	}
	if l = sees(l, 51, 61, 0, ghosts); !l.Lost().Equal(at(1).Add(-missingAfter)) {
		t.Errorf("lost since %s, want five minutes before its queue was first seen empty", l.Lost())
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
		h = h.Learn(p, Observation{
			At: at(float64(s)), Depths: map[string]fleet.Depth{"bulk": {Consumers: 1}},
			Waiting: map[string]fleet.Waiting{"bulk": ghosts},
			Unused:  []lanes.Queue{{Lane: "bulk", Type: lanes.Quorum}},
		})
	}
	if l := h.Lanes["bulk"]; !l.Lost().IsZero() {
		t.Errorf("lost since %s, though one of its queues wasn't seen", l.Lost())
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
